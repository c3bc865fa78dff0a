/*
 * One update, on every rank:
 *
 *     own slots in order: micro-batch -> model_loss -> leaf       buckets leave during the last backward
 *     sum over slots -> one agreement: loss, norm, tokens, failures, requests, rank 0's clock
 *     own stretches of the parameters step; all parameters travel, the next forward begins meanwhile
 *     validation and checkpoint when due
 */
#include "train/training/loop.h"

#include "comm/clock.h"
#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/training/audit.h"
#include "train/training/deadline.h"
#include "train/training/not_finite.h"
#include "train/training/saving.h"
#include "train/training/stop.h"
#include "train/training/straggler.h"
#include "train/training/validation.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of rank 0's clock. Only when all agree is it known whether a validation is due, which may take longer than is left. */
enum order { ORDER_STOP, ORDER_STOP_UNVALIDATED, ORDER_SAVE, ORDERS };
_Static_assert((int)ORDERS <= (int)AGREE_ORDERS, "orders fit the agreement");

/* What the ranks have agreed on. */
struct orders {
    uint32_t signals;          /* those by which ranks were asked to stop */
    enum deadline_cause cause; /* to stop, by the clock */
    bool save;                 /* checkpoint.every by the clock */
};

struct loop {
    struct trainer *trainer;
    struct progress progress;
    struct saving saving;
    struct straggler straggler;
    int first_slot, end_slot;
    struct batch *batches; /* [own slots] of the update under way, the reader's */
    struct audit audit;
    struct deadline deadline;
    double began;      /* clock: the update under way */
    double save_began; /* clock: of the save under way; 0: there is none */
    double saved;      /* clock: last checkpoint */
    double paused;     /* seconds that the save since the last update has held up; 0: none */
};

/* ---- a save under way ---- */

static void note_save(struct loop *loop)
{
    if (loop->save_began == 0 || checkpoint_is_under_way(loop->trainer->checkpointer))
        return;
    deadline_saved(&loop->deadline, clock_now() - loop->save_began);
    loop->save_began = 0;
}

/* Beside the updates: the more often, the sooner the checkpoint is there. */
static void move_save(struct loop *loop)
{
    saving_progress(&loop->saving);
    note_save(loop);
}

/* Before the state changes. */
static void settle_save(struct loop *loop)
{
    double before = clock_now();
    if (loop->paused == 0)
        return;
    enum phase phase = clock_enter(PHASE_SAVE);
    checkpoint_settle(loop->trainer->checkpointer);
    clock_enter(phase);
    log_line(LOG_DETAIL, "update %lld  updates paused for %.3f s to save",
            (long long)loop->trainer->state.update, loop->paused + clock_now() - before);
    loop->paused = 0;
}

/* ---- gradients ---- */

static void on_ready(void *context, size_t first)
{
    struct loop *loop = context;
    enum phase before = clock_enter(PHASE_EXCHANGE);
    exchange_ready(loop->trainer->exchange, first);
    clock_enter(before);
    move_save(loop);
}

/* The forward begins while parameters are on their way. */
static enum status on_needed(void *context, size_t end)
{
    struct loop *loop = context;
    enum phase before = clock_enter(PHASE_EXCHANGE);
    enum status status = exchange_spread_wait(loop->trainer->exchange, end);
    clock_enter(before);
    move_save(loop);
    return status;
}

static enum status fetch(struct loop *loop, struct batch *batch, bool *more)
{
    enum phase before = clock_enter(PHASE_DATA);
    enum status status = reader_next(loop->trainer->reader, batch, more);
    clock_enter(before);
    return status;
}

static void delay_if_planned(void)
{
    if (fault_fires(FAULT_DRAG))
        usleep(50000);
    if (fault_fires(FAULT_HANG))
        for (;;)
            pause();
}

static enum status slot_loss(struct loop *loop, int slot, float *gradient, struct slot_facts *facts)
{
    struct trainer *trainer = loop->trainer;
    struct batch *batch = &loop->batches[slot - loop->first_slot];
    bool more = false, audited = audit_is_due(&loop->audit, slot);
    TRY(fetch(loop, batch, &more));
    facts->more = more;
    if (batch->pairs == 0)
        return STATUS_OK;
    struct pass pass = trainer_pass(trainer, slot, gradient);
    pass.ready = audited ? NULL : on_ready;
    pass.needed = on_needed;
    pass.context = loop;
    pass.profile = trainer->profile;
    delay_if_planned();
    not_finite_inject(trainer, slot, gradient);
    struct loss loss;
    TRY(model_loss(trainer->model, batch, &pass, &loss));
    if (audited)
        audit_note(&loop->audit, batch, &loss, gradient);
    facts->loss = loss.objective;
    facts->cross_entropy = loss.cross_entropy;
    facts->alignment = loss.alignment;
    facts->aligned = loss.aligned;
    facts->source_tokens = (int64_t)batch->tokens[SOURCE];
    facts->target_tokens = (int64_t)batch->tokens[TARGET];
    facts->stored_tokens = (int64_t)batch->stored_tokens;
    facts->pairs = (int64_t)batch->pairs;
    return STATUS_OK;
}

/* After a failure the remaining slots are empty leaves, so that no rank waits for this one; all learn of it when they
 * agree. */
static enum status own_slots(struct loop *loop)
{
    struct exchange *exchange = loop->trainer->exchange;
    enum status status = STATUS_OK;
    for (int slot = loop->first_slot; slot < loop->end_slot; slot++) {
        struct slot_facts facts = {0};
        clock_enter(PHASE_FORWARD);
        float *gradient = exchange_leaf(exchange, slot);
        if (status == STATUS_OK)
            status = slot_loss(loop, slot, gradient, &facts);
        if (status == STATUS_OK)
            move_save(loop);
        clock_enter(PHASE_EXCHANGE);
        exchange_leaf_done(exchange, &facts);
        watch_beat();
    }
    return status;
}

/* ---- agreement ---- */

static void give_orders(const struct loop *loop, double orders[AGREE_ORDERS])
{
    double every = period_seconds(loop->trainer->config->checkpoint.every), now = clock_now();
    bool saving = loop->save_began > 0;
    orders[ORDER_STOP] = deadline_reached(&loop->deadline, now, saving, false);
    orders[ORDER_STOP_UNVALIDATED] = deadline_reached(&loop->deadline, now, saving, true);
    orders[ORDER_SAVE] = every > 0 && now - loop->saved >= every;
}

static enum status agree(struct loop *loop, struct agreement *out, float **sum)
{
    struct exchange *exchange = loop->trainer->exchange;
    *out = (struct agreement){.status = own_slots(loop), .wishes = stop_wish()};
    give_orders(loop, out->orders);
    enum status summed = exchange_sum(exchange, sum);
    if (out->status == STATUS_OK)
        out->status = summed;
    enum status audited = audit_check(&loop->audit);
    if (out->status == STATUS_OK)
        out->status = audited;
    if (out->status == STATUS_OK)
        out->status = run_check(loop->trainer->run);
    if (out->status == STATUS_OK)
        out->status = saving_status(&loop->saving);
    straggler_seconds(&loop->straggler, out->seconds);
    TRY(exchange_agree(exchange, out));
    straggler_add(&loop->straggler, exchange);
    return STATUS_OK;
}

/* Of the mean gradient. */
static double gradient_norm(const struct agreement *agreement)
{
    return sqrt(agreement->square_norm) / (double)agreement->total.target_tokens;
}

static bool is_finite(const struct agreement *agreement)
{
    return isfinite(agreement->total.loss) && isfinite(gradient_norm(agreement));
}

/* ---- parameters ---- */

/* Before the next update. */
static double learning_rate(const struct trainer *trainer)
{
    const struct config *config = trainer->config;
    const struct run_state *state = &trainer->state;
    struct schedule_place place = {.update = state->update + 1,
            .epoch = state->epoch,
            .epochs = trainer_epochs(trainer),
            .width = config->model.width,
            .cuts = state->cuts};
    return schedule_rate(&config->schedule, config->optimizer.learning_rate, &place);
}

static void count_update(struct loop *loop, const struct slot_facts *total)
{
    struct run_state *state = &loop->trainer->state;
    state->update++;
    state->position++;
    state->tokens += total->source_tokens + total->target_tokens;
    state->epoch_tokens += total->stored_tokens;
    if (total->more == 0) {
        state->epoch++;
        state->position = state->epoch_tokens = 0;
        reader_next_epoch(loop->trainer->reader);
    }
}

/* Own stretches of the parameters, and of what goes with them; all of them travel. */
static enum status step(struct loop *loop, const struct agreement *agreement, float *sum)
{
    struct trainer *trainer = loop->trainer;
    double norm = gradient_norm(agreement), clip = trainer->config->train.clip_norm;
    float *parameters = model_parameters(trainer->model)->values;
    clock_enter(PHASE_UPDATE);
    struct optimizer_step step = {.learning_rate = learning_rate(trainer),
            .update = trainer->state.update + 1 - trainer->state.moments_from,
            .scale = (clip > 0 && norm > clip ? clip / norm : 1) / (double)agreement->total.target_tokens,
            .square_norm = agreement->square_norm};
    TRY(optimizer_step(trainer->optimizer, &step, parameters, sum));
    ema_update(&trainer->ema, exchange_blocks(trainer->exchange), trainer->state.update + 1, parameters);
    clock_enter(PHASE_EXCHANGE);
    trainer->state.skipped_in_a_row = 0;
    return exchange_spread(trainer->exchange, parameters);
}

/* The update is not finite: it is left out, or the run ends here, maybe to go back. */
static enum status skip(struct loop *loop, const struct agreement *agreement)
{
    struct trainer *trainer = loop->trainer;
    const double loss = agreement->total.loss / (double)agreement->total.target_tokens;
    const long long update = (long long)trainer->state.update + 1;
    not_finite_inspect(trainer, loop->batches, loop->first_slot, loop->end_slot);
    enum not_finite_way way = not_finite_way(trainer);
    if (way == NOT_FINITE_SKIPS) {
        trainer->state.skipped++;
        trainer->state.skipped_in_a_row++;
        log_line(LOG_WARNING,
                "update %lld changes nothing: its loss is %g, its gradient norm %g (train.on_nan skip)",
                update, loss, fabs(gradient_norm(agreement)));
        return STATUS_OK;
    }
    trainer->goes_back = way == NOT_FINITE_GOES_BACK;
    return status_fail(STATUS_INTERNAL,
            "update %lld: expected a finite loss and gradient, found loss %g and gradient norm %g%s; nothing "
            "of it is saved, the last checkpoint is of an earlier update (a lower optimizer.learning_rate or "
            "a longer schedule.warmup may help)",
            update, loss, fabs(gradient_norm(agreement)),
            trainer->went_back ? ", also after going back to the newest checkpoint" : "");
}

static enum status update(struct loop *loop, struct orders *orders)
{
    struct agreement agreement;
    struct trainer *trainer = loop->trainer;
    loop->began = clock_now();
    float *sum;
    TRY(agree(loop, &agreement, &sum));
    settle_save(loop);
    const bool finite = is_finite(&agreement);
    const double rate = learning_rate(trainer);
    TRY(finite ? step(loop, &agreement, sum) : skip(loop, &agreement));
    struct update_report report = {agreement.total, rate, gradient_norm(&agreement),
            sampling_rate(&trainer->config->train.sampling, trainer->state.update), agreement.total.more == 0,
            !finite};
    count_update(loop, &agreement.total);
    clock_enter(PHASE_OTHER);
    progress_update(&loop->progress, &report);
    if (trainer->updated)
        trainer->updated(trainer->context, trainer, &agreement.total);
    watch_update(trainer->state.update + 1);
    deadline_updated(&loop->deadline, clock_now() - loop->began);
    enum order stop = validation_due(trainer) ? ORDER_STOP_UNVALIDATED : ORDER_STOP;
    *orders = (struct orders){.signals = agreement.wishes,
            .cause = (enum deadline_cause)agreement.orders[stop],
            .save = agreement.orders[ORDER_SAVE] != 0};
    return STATUS_OK;
}

/* ---- validation and checkpoints ---- */

static struct place place_of(const struct run_state *state)
{
    return (struct place){state->update, state->epoch, state->position == 0};
}

static bool complete(const struct trainer *trainer)
{
    return period_reached(trainer->config->train.until, place_of(&trainer->state)) ||
           validation_exhausted(trainer);
}

const char *loop_completed_by(const struct trainer *trainer)
{
    if (!complete(trainer) || validation_due(trainer))
        return NULL;
    bool until = period_reached(trainer->config->train.until, place_of(&trainer->state));
    return until ? "train.until" : "validate.patience";
}

static enum status save(struct loop *loop, bool last)
{
    struct trainer *trainer = loop->trainer;
    double before = clock_now();
    TRY(on_needed(loop, SIZE_MAX));
    clock_enter(PHASE_SAVE);
    saving_judge(&loop->saving, checkpoint_wait(trainer->checkpointer), true);
    if (!last)
        TRY(status_agree(saving_status(&loop->saving)));
    note_save(loop);
    progress_sync(&loop->progress);
    loop->save_began = clock_now();
    enum status status = last ? saving_last(trainer) : trainer_save(trainer);
    loop->saved = clock_now();
    progress_skip(&loop->progress);
    clock_enter(PHASE_OTHER);
    if (last)
        return status;
    saving_judge(&loop->saving, status, false);
    loop->paused = loop->saved - before;
    return STATUS_OK;
}

/* A validation ends early where rank 0's clock leaves no time but to save, on all ranks at once. */
static enum status limit_validation(const struct loop *loop)
{
    double left = deadline_last_save(&loop->deadline) - clock_now();
    TRY(world_broadcast(&left, sizeof left, 0));
    stop_at(clock_now() + left);
    return STATUS_OK;
}

/* Validates if that is due and no stop goes before it: *stop becomes true if one comes meanwhile, and `orders` tell why. */
static enum status validate_if_due(struct loop *loop, struct orders *orders, bool *stop, bool *best)
{
    *best = false;
    if (*stop || !validation_due(loop->trainer))
        return STATUS_OK;
    double before = clock_now();
    TRY(on_needed(loop, SIZE_MAX));
    TRY(limit_validation(loop));
    enum status status = validation_run(loop->trainer, &loop->progress, best);
    if (status == STATUS_OK)
        deadline_validated(&loop->deadline, clock_now() - before);
    if (status != STATUS_STOPPED)
        return status;
    *stop = true;
    TRY(stop_agree(&orders->signals));
    orders->cause = orders->signals ? DEADLINE_NONE : DEADLINE_JOB;
    return STATUS_OK;
}

/* What is due where the run stands. When it ends here, *done or *stop is true and all is saved. */
static enum status after_update(struct loop *loop, struct orders *orders, bool *done, bool *stop)
{
    struct trainer *trainer = loop->trainer;
    bool best, due = period_due(trainer->config->checkpoint.every, place_of(&trainer->state)) || orders->save;
    *done = complete(trainer);
    *stop = orders->signals || (orders->cause != DEADLINE_NONE && !*done);
    TRY(validate_if_due(loop, orders, stop, &best));
    *done = complete(trainer); /* the validation may have been the last one that patience allows */
    if (*done && *stop && !validation_due(trainer))
        *stop = false; /* it came when nothing was left to do */
    *done = *done && !*stop;
    if (*done || *stop || best || due)
        TRY(save(loop, *done || *stop));
    move_save(loop);
    if (fault_fires(FAULT_STOP))
        raise(SIGSTOP);
    if (fault_fires(FAULT_KILL))
        raise(SIGKILL);
    return STATUS_OK;
}

/* ---- the run ---- */

/* Rank 0, which tells it, knows when the job ends. */
static enum status stopped(const struct loop *loop, const struct orders *orders)
{
    char signals[STOP_WORDS_BYTES], why[128] = "train.time_limit";
    stop_words(signals, orders->signals);
    if (orders->signals)
        snprintf(why, sizeof why, "on a signal: %s", signals);
    else if (orders->cause == DEADLINE_JOB)
        snprintf(why, sizeof why, "the job ends at %s", loop->deadline.words);
    return status_fail(STATUS_STOPPED, "stopped after update %lld (%s); run the same command again to go on",
            (long long)loop->trainer->state.update, why);
}

static enum status updates(struct loop *loop)
{
    for (;;) {
        struct orders orders;
        bool done, stop;
        TRY(update(loop, &orders));
        TRY(after_update(loop, &orders, &done, &stop));
        if (done)
            return STATUS_OK;
        if (stop)
            return stopped(loop, &orders);
    }
}

/* Whether the run directory holds no checkpoint, before the first update. */
static bool is_unsaved(const struct trainer *trainer)
{
    return trainer->state.update == 0 || trainer->elsewhere;
}

/* A stop asked for during the start, and what an earlier stop has left undone. */
static enum status before_updates(struct loop *loop, bool *done)
{
    struct trainer *trainer = loop->trainer;
    struct orders orders = {0};
    TRY(stop_agree(&orders.signals));
    bool stop = orders.signals != 0, best, again = validation_due(trainer);
    TRY(validate_if_due(loop, &orders, &stop, &best));
    *done = complete(trainer) && !stop;
    if (again ? !stop : stop && is_unsaved(trainer))
        TRY(save(loop, stop || *done));
    return stop ? stopped(loop, &orders) : STATUS_OK;
}

/* The run is complete before the first update of this start. What it starts from is saved if the run directory does not
 * hold it yet: its initial state, or that of another run. */
static enum status nothing_to_do(struct trainer *trainer)
{
    const struct run_state *state = &trainer->state;
    if (is_unsaved(trainer)) {
        TRY(saving_last(trainer));
        log_line(LOG_INFO, "the initial checkpoint is in %s", run_checkpoints(trainer->run));
    }
    if (state->update == 0)
        return STATUS_OK;
    log_line(LOG_INFO, "nothing to do: %s has reached %s after %lld updates (%lld epochs)",
            run_path(trainer->run), loop_completed_by(trainer), (long long)state->update,
            (long long)state->epoch);
    return STATUS_OK;
}

static void open_deadline(struct loop *loop)
{
    struct trainer *trainer = loop->trainer;
    struct trainer_record record;
    trainer_record(trainer, &record);
    double bytes =
            (double)(record.plane_count * parameters_count(model_parameters(trainer->model))) * sizeof(float);
    deadline_open(
            &loop->deadline, trainer->started, period_seconds(trainer->config->train.time_limit), bytes);
}

static enum status whole_run(struct loop *loop)
{
    bool done;
    open_deadline(loop);
    TRY(before_updates(loop, &done));
    return done ? STATUS_OK : updates(loop);
}

enum status loop_run(struct trainer *trainer)
{
    if (loop_completed_by(trainer))
        return nothing_to_do(trainer);
    int slots = (int)trainer->config->batch.micro_batches, ranks = world()->size, rank = world()->rank;
    struct loop loop = {.trainer = trainer,
            .saving = {.trainer = trainer},
            .first_slot = exchange_first_slot(slots, ranks, rank),
            .end_slot = exchange_first_slot(slots, ranks, rank + 1),
            .saved = clock_now()};
    size_t own = (size_t)(loop.end_slot - loop.first_slot);
    TRY(status_agree(memory_new(&loop.batches, "trainer", own, sizeof *loop.batches)));
    audit_open(&loop.audit, trainer);
    progress_start(&loop.progress, trainer);
    enum status status = straggler_open(&loop.straggler, slots);
    if (status == STATUS_OK)
        status = whole_run(&loop);
    straggler_close(&loop.straggler);
    memory_free(loop.batches);
    log_progress(NULL);
    progress_phases();
    progress_memory();
    if (status == STATUS_OK)
        progress_finish(&loop.progress);
    progress_close(&loop.progress);
    return status;
}
