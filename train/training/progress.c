#include "train/training/progress.h"

#include "comm/clock.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/world.h"
#include "train/training/validation.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 1024 };
static const double terminal_seconds = 0.2; /* between two lines on a terminal */

/* ---- TensorBoard ---- */

/* Training goes on without, but not silently. */
static void check_events(struct progress *progress, enum status status)
{
    if (status == STATUS_OK)
        return;
    log_line(LOG_WARNING, "the TensorBoard event files are incomplete from here on: %s", status_message());
    events_close(progress->events);
    progress->events = NULL;
}

static void add_events(struct progress *progress, const struct event_scalar *scalars, size_t count)
{
    if (progress->events)
        check_events(progress, events_add(progress->events, progress->trainer->state.update, scalars, count));
}

static void add_update_events(struct progress *progress, const struct update_report *report, double speed)
{
    const struct event_scalar scalars[] = {
            {"train/loss", report->total.loss / (double)report->total.target_tokens},
            {"train/learning_rate", report->learning_rate},
            {"train/gradient_norm", report->gradient_norm},
            {"train/tokens_per_second", speed},
    };
    add_events(progress, scalars, sizeof scalars / sizeof scalars[0]);
}

static void add_validation_events(struct progress *progress, const struct validation_report *report)
{
    struct event_scalar scalars[METRICS_LIMIT];
    char tags[METRICS_LIMIT][32];
    size_t count = 0;
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        snprintf(tags[count], sizeof tags[count], "valid/%s", kind_at(&metric_kinds, m)->name);
        scalars[count] = (struct event_scalar){tags[count], report->values[m]};
        count += !isnan(report->values[m]);
    }
    add_events(progress, scalars, count);
}

/* ---- the start ---- */

/* Share of train.until that is done. */
static double share_done(const struct trainer *trainer)
{
    struct period until = trainer->config->train.until;
    return (until.unit == 'u' ? (double)trainer->state.update : trainer_epochs(trainer)) / until.value;
}

void progress_start(struct progress *progress, struct trainer *trainer)
{
    double now = clock_now();
    clock_reset();
    *progress = (struct progress){.trainer = trainer,
            .started = now,
            .updated = now,
            .lined = now,
            .first_update = trainer->state.update,
            .first_tokens = trainer->state.tokens,
            .first_share = share_done(trainer)};
    if (world()->rank == 0 && trainer->config->log.tensorboard)
        check_events(
                progress, events_open(&progress->events, run_path(trainer->run), trainer->state.update + 1));
}

/* ---- words ---- */

/* "1h 02m", "3m 20s", "4.2s". */
static void format_time(char out[32], double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%lldh %02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%lldm %02llds", s / 60, s % 60);
    else
        snprintf(out, 32, "%.1fs", seconds);
}

static double tokens_per_second(const struct progress *progress)
{
    int64_t tokens = progress->trainer->state.tokens - progress->first_tokens;
    return progress->training > 0 ? (double)tokens / progress->training : 0;
}

static double seconds_left(const struct progress *progress)
{
    double done = share_done(progress->trainer);
    double here = done - progress->first_share;
    return here > 0 && done < 1 ? (progress->updated - progress->started) * (1 - done) / here : 0;
}

/* In full, or so that it fits 80 columns. */
static void format_line(char out[LINE_BYTES], const struct progress *progress, int64_t epoch,
        const struct update_report *report, bool full)
{
    double loss = progress->target > 0 ? progress->loss / (double)progress->target : NAN;
    char left[32];
    format_time(left, seconds_left(progress));
    int used = snprintf(out, LINE_BYTES, "update %lld  epoch %lld  loss %.4f",
            (long long)progress->trainer->state.update, (long long)epoch, loss);
    if (full)
        used += snprintf(out + used, (size_t)(LINE_BYTES - used), "  norm %.3g  rate %.3g",
                report->gradient_norm, report->learning_rate);
    snprintf(out + used, (size_t)(LINE_BYTES - used), "  %.0f tokens/s  %s left", tokens_per_second(progress),
            left);
}

/* ---- metrics.jsonl ---- */

/* Training goes on without its metrics, but not silently. */
static void check_metrics(struct progress *progress, enum status status)
{
    if (status == STATUS_OK || progress->metrics_failed)
        return;
    log_line(LOG_WARNING, "metrics.jsonl is incomplete from here on: %s", status_message());
    progress->metrics_failed = true;
}

static void write_metrics(struct progress *progress, cJSON *object)
{
    char *line = cJSON_PrintUnformatted(object);
    enum status status = line ? run_metrics_add(progress->trainer->run, line)
                              : status_fail(STATUS_INTERNAL, "cannot make a line of metrics.jsonl");
    check_metrics(progress, status);
    cJSON_free(line);
    cJSON_Delete(object);
}

static cJSON *metrics_object(int64_t update, int64_t epoch)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "update", (double)update);
    cJSON_AddNumberToObject(object, "epoch", (double)epoch);
    return object;
}

static void write_update(
        struct progress *progress, int64_t epoch, const struct update_report *report, double seconds)
{
    const struct slot_facts *total = &report->total;
    double target = (double)total->target_tokens;
    double tokens = (double)(total->source_tokens + total->target_tokens);
    cJSON *object = metrics_object(progress->trainer->state.update, epoch);
    cJSON_AddNumberToObject(object, "loss", total->loss / target);
    cJSON_AddNumberToObject(object, "cross_entropy", total->cross_entropy / target);
    if (total->aligned > 0)
        cJSON_AddNumberToObject(object, "alignment_loss", total->alignment / (double)total->aligned);
    cJSON_AddNumberToObject(object, "learning_rate", report->learning_rate);
    cJSON_AddNumberToObject(object, "gradient_norm", report->gradient_norm);
    if (report->sampling > 0)
        cJSON_AddNumberToObject(object, "sampling", report->sampling);
    if (report->skipped)
        cJSON_AddBoolToObject(object, "skipped", true);
    cJSON_AddNumberToObject(object, "tokens", tokens);
    double speed = seconds > 0 ? tokens / seconds : 0;
    cJSON_AddNumberToObject(object, "tokens_per_second", speed);
    write_metrics(progress, object);
    if (!report->skipped)
        add_update_events(progress, report, speed);
}

/* ---- events ---- */

static bool line_is_due(const struct progress *progress, struct place place)
{
    struct period every = progress->trainer->config->log.every;
    double seconds = period_seconds(every);
    return seconds > 0 ? progress->updated - progress->lined >= seconds : period_due(every, place);
}

static void tell(struct progress *progress, int64_t epoch, const struct update_report *report)
{
    const struct run_state *state = &progress->trainer->state;
    struct place place = {state->update, state->epoch, report->epoch_end};
    char line[LINE_BYTES];
    bool due = line_is_due(progress, place), terminal = log_is_terminal();
    if (terminal && (due || progress->updated - progress->shown >= terminal_seconds)) {
        format_line(line, progress, epoch, report, false);
        log_progress(line);
        progress->shown = progress->updated;
    }
    if (due) {
        format_line(line, progress, epoch, report, true);
        if (terminal)
            log_record(LOG_INFO, "%s", line);
        else
            log_line(LOG_INFO, "%s", line);
        progress->lined = progress->updated;
        progress->loss = 0;
        progress->target = 0;
    }
}

/* One line: what it comes from is for a person to find. */
static void tell_spike(struct progress *progress, const struct update_report *report)
{
    double median, loss = report->total.loss / (double)report->total.target_tokens;
    if (spike_see(&progress->spike, loss, &median))
        log_line(LOG_WARNING,
                "update %lld: loss spike: %.4f, where the last %d updates have a median of %.4f (gradient "
                "norm %.3g)",
                (long long)progress->trainer->state.update, loss, SPIKE_WINDOW, median,
                report->gradient_norm);
}

void progress_update(struct progress *progress, const struct update_report *report)
{
    if (world()->rank != 0)
        return;
    double before = progress->updated;
    int64_t epoch = progress->trainer->state.epoch + (report->epoch_end ? 0 : 1);
    progress->updated = clock_now();
    progress->training += progress->updated - before;
    if (!report->skipped) {
        progress->loss += report->total.loss;
        progress->target += report->total.target_tokens;
    }
    write_update(progress, epoch, report, progress->updated - before);
    tell(progress, epoch, report);
    tell_spike(progress, report);
}

static void write_validation(struct progress *progress, int64_t epoch, const struct validation_report *report)
{
    const struct run_state *state = &progress->trainer->state;
    const struct validation *sums = &report->sums;
    cJSON *object = metrics_object(state->update, epoch);
    for (size_t m = 0; m < kind_count(&metric_kinds); m++) {
        char key[64];
        snprintf(key, sizeof key, "valid_%s", kind_at(&metric_kinds, m)->name);
        if (!isnan(report->values[m]))
            cJSON_AddNumberToObject(object, key, report->values[m]);
    }
    cJSON_AddNumberToObject(object, "valid_cross_entropy", validation_cross_entropy(sums));
    cJSON_AddNumberToObject(object, "valid_tokens", (double)sums->tokens);
    cJSON_AddBoolToObject(object, "best", state->best_update == state->update);
    write_metrics(progress, object);
}

void progress_validation(struct progress *progress, const struct validation_report *report)
{
    if (world()->rank != 0)
        return;
    const struct run_state *state = &progress->trainer->state;
    const struct validation *sums = &report->sums;
    int64_t epoch = state->epoch + (state->position > 0 ? 1 : 0);
    char text[LINE_BYTES] = "";
    int used = 0;
    for (size_t m = metric_kinds.count; m < kind_count(&metric_kinds) && used < LINE_BYTES; m++)
        if (!isnan(report->values[m]))
            used += snprintf(text + used, (size_t)(LINE_BYTES - used), "  %s %.2f",
                    kind_at(&metric_kinds, m)->name, report->values[m]);
    log_line(LOG_INFO,
            "update %lld  epoch %lld  validation: loss %.4f  perplexity %.4g  accuracy %.2f %%%s%s",
            (long long)state->update, (long long)epoch, validation_loss(sums), validation_perplexity(sums),
            100 * validation_accuracy(sums), text,
            state->best_update == state->update ? "  (best so far)" : "");
    write_validation(progress, epoch, report);
    add_validation_events(progress, report);
}

void progress_sync(struct progress *progress)
{
    if (world()->rank == 0)
        check_metrics(progress, run_metrics_sync(progress->trainer->run));
}

void progress_skip(struct progress *progress)
{
    progress->updated = clock_now();
}

void progress_phases(void)
{
    double seconds[PHASES], all = 0;
    char line[LINE_BYTES];
    int used = 0;
    clock_seconds(seconds);
    for (int i = 0; i < PHASES; i++)
        all += seconds[i];
    for (int i = 0; i < PHASES && used < LINE_BYTES; i++)
        used += snprintf(line + used, (size_t)(LINE_BYTES - used), "  %s %.1f s (%.0f %%)",
                phase_name((enum phase)i), seconds[i], all > 0 ? 100 * seconds[i] / all : 0);
    log_line(LOG_DETAIL, "time of rank 0:%s", line);
}

void progress_memory(void)
{
    char line[LINE_BYTES];
    struct memory_label label;
    int used = 0;
    for (size_t i = 0; memory_report(i, &label) && used < LINE_BYTES; i++)
        if (label.peak >= 1 << 16)
            used += snprintf(line + used, (size_t)(LINE_BYTES - used), "  %s %.1f MB", label.label,
                    (double)label.peak / 1e6);
    if (used > 0)
        log_line(LOG_DETAIL, "memory of rank 0, most at once:%s", line);
}

void progress_finish(struct progress *progress)
{
    const struct trainer *trainer = progress->trainer;
    const struct run_state *state = &trainer->state;
    const struct validate_options *validate = &trainer->config->validate;
    char time[32];
    format_time(time, clock_now() - progress->started);
    log_line(LOG_INFO,
            "trained %lld updates (%lld %s, %lld tokens); this start: %lld updates in %s, %.0f tokens/s",
            (long long)state->update, (long long)state->epoch, state->epoch == 1 ? "epoch" : "epochs",
            (long long)state->tokens, (long long)(state->update - progress->first_update), time,
            tokens_per_second(progress));
    if (validation_exhausted(trainer))
        log_line(LOG_INFO, "stopped early: %lld validations without a better %s (validate.patience %lld)",
                (long long)history_waiting(&state->history, validate->metric, validate->min_delta),
                validate->metric->name, (long long)validate->patience);
    if (state->best_update > 0)
        log_line(LOG_INFO, "best validation: %s %.5g at update %lld", validate->metric->name, state->best,
                (long long)state->best_update);
    log_line(LOG_INFO, "next: seqtrain translate %s < input > output", run_path(trainer->run));
}

void progress_close(struct progress *progress)
{
    events_close(progress->events);
    progress->events = NULL;
}
