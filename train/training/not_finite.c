#include "train/training/not_finite.h"

#include "comm/fault.h"
#include "comm/log.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "io/durable.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* FILES_MOST: written by a rank in a start, so that a run that skips much does not fill the disk. */
enum { FILES_MOST = 16 };
#define FOLDER "not-finite"

struct on_nan_kind {
    struct kind kind;
    bool skips, goes_back;
};

static const struct on_nan_kind kinds[] = {
        {{"stop", "the run ends (70)", NULL}, false, false},
        {{"skip", "it changes no parameter; after 10 in a row as roll_back", NULL}, true, true},
        {{"roll_back", "the run goes back to its newest checkpoint, once; then it ends (70)", NULL}, false,
                true},
};
const struct kind_table on_nan_kinds = KIND_TABLE("what is done about a loss that is not finite", kinds);

enum not_finite_way not_finite_way(const struct trainer *trainer)
{
    const struct on_nan_kind *kind = (const struct on_nan_kind *)trainer->config->train.on_nan;
    if (kind->skips && trainer->state.skipped_in_a_row + 1 < NOT_FINITE_IN_A_ROW)
        return NOT_FINITE_SKIPS;
    return kind->goes_back && !trainer->went_back ? NOT_FINITE_GOES_BACK : NOT_FINITE_ENDS;
}

void not_finite_inject(const struct trainer *trainer, int slot, float *gradient)
{
    int64_t number = trainer->state.update * trainer->config->batch.micro_batches + slot + 1;
    if (fault_fires_at(FAULT_GRADIENT, number) || fault_fires(FAULT_PASSING))
        gradient[0] = NAN;
}

/* ---- computing again ---- */

struct finding {
    int slot;
    double loss;
    const char *parameter; /* the first whose gradient is not finite; NULL: none */
};

static bool all_finite(const float *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    return finite;
}

static const char *first_not_finite(const struct parameters *parameters, const float *gradient)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *p = &parameters->items[i];
        if (!all_finite(gradient + p->array.offset, p->floats))
            return p->array.name;
    }
    return NULL;
}

static enum status compute(
        struct trainer *trainer, const struct batch *batch, int slot, bool *found, struct finding *out)
{
    const struct parameters *parameters = model_parameters(trainer->model);
    float *gradient = NULL;
    struct loss loss;
    TRY(memory_new(&gradient, "not finite", parameters->floats, sizeof *gradient));
    struct pass pass = trainer_pass(trainer, slot, gradient);
    not_finite_inject(trainer, slot, gradient);
    enum status status = model_loss(trainer->model, batch, &pass, &loss);
    if (status == STATUS_OK)
        *out = (struct finding){
                slot, loss.objective / (double)batch->tokens[TARGET], first_not_finite(parameters, gradient)};
    *found = status == STATUS_OK && (!isfinite(loss.objective) || out->parameter);
    memory_free(gradient);
    watch_beat();
    return status;
}

/* ---- telling ---- */

static void write_ids(FILE *out, const struct batch *batch, enum side side, size_t pair)
{
    for (int32_t t = batch->offsets[side][pair]; t < batch->offsets[side][pair + 1]; t++)
        fprintf(out, "%s%d", t > batch->offsets[side][pair] ? " " : "", batch->ids[side][t]);
}

/* Token ids of both sides; a source that is no text is told by its number. */
static void write_pairs(FILE *out, const struct trainer *trainer, const struct batch *batch)
{
    bool text = corpus_facts(trainer->corpus)->form.kind == SOURCE_TEXT;
    for (size_t pair = 0; pair < batch->pairs; pair++) {
        fprintf(out, "%lld\t", batch->pair_numbers ? (long long)batch->pair_numbers[pair] : -1LL);
        if (text)
            write_ids(out, batch, SOURCE, pair);
        fputc('\t', out);
        write_ids(out, batch, TARGET, pair);
        fputc('\n', out);
    }
}

static enum status make_text(char **text, size_t *bytes, const struct trainer *trainer,
        const struct batch *batch, const struct finding *found)
{
    FILE *out = open_memstream(text, bytes);
    CHECK(out, STATUS_INTERNAL, "out of memory for the pairs of a micro-batch");
    fprintf(out,
            "# update %lld, slot %d of %lld: loss %g, first parameter whose gradient is not finite: %s\n",
            (long long)trainer->state.update + 1, found->slot,
            (long long)trainer->config->batch.micro_batches, found->loss,
            found->parameter ? found->parameter : "none");
    fprintf(out, "# number of the pair in data.train, from 0, ids of its source, ids of its target\n");
    write_pairs(out, trainer, batch);
    bool good = !ferror(out);
    good = fclose(out) == 0 && good;
    CHECK(good, STATUS_INTERNAL, "out of memory for the pairs of a micro-batch");
    return STATUS_OK;
}

static enum status save(char path[PATH_MAX], const struct trainer *trainer, const struct batch *batch,
        const struct finding *found)
{
    char folder[PATH_MAX], name[64], *text = NULL;
    size_t bytes = 0;
    snprintf(name, sizeof name, "update-%08lld-slot-%04d.txt", (long long)trainer->state.update + 1,
            found->slot);
    TRY(path_join(folder, run_path(trainer->run), FOLDER));
    TRY(path_join(path, folder, name));
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return status_fail_errno("create", folder);
    enum status status = make_text(&text, &bytes, trainer, batch, found);
    if (status == STATUS_OK)
        status = durable_write(path, text, bytes);
    free(text);
    return status;
}

static void tell(struct trainer *trainer, const struct batch *batch, const struct finding *found)
{
    char path[PATH_MAX] = "";
    enum status status =
            trainer->not_finite_files++ < FILES_MOST ? save(path, trainer, batch, found) : STATUS_OK;
    log_rank(LOG_WARNING, "update %lld: the micro-batch of slot %d has a loss of %g%s%s%s%s",
            (long long)trainer->state.update + 1, found->slot, found->loss,
            found->parameter ? ", and a gradient that is not finite from " : "",
            found->parameter ? found->parameter : "",
            path[0] && status == STATUS_OK ? " on; its pairs: " : "", status == STATUS_OK ? path : "");
    if (status != STATUS_OK)
        log_rank(LOG_WARNING, "%s", status_message());
}

static enum status inspect_own(
        struct trainer *trainer, const struct batch *batches, int first_slot, int end_slot, int64_t *count)
{
    for (int slot = first_slot; slot < end_slot; slot++) {
        const struct batch *batch = &batches[slot - first_slot];
        struct finding found;
        bool wrong = false;
        if (batch->pairs > 0)
            TRY(compute(trainer, batch, slot, &wrong, &found));
        if (wrong)
            tell(trainer, batch, &found);
        *count += wrong;
    }
    return STATUS_OK;
}

void not_finite_inspect(struct trainer *trainer, const struct batch *batches, int first_slot, int end_slot)
{
    int64_t count = 0;
    enum status status = status_agree(inspect_own(trainer, batches, first_slot, end_slot, &count));
    if (status == STATUS_OK)
        status = world_sum_integers(&count, 1);
    if (status != STATUS_OK)
        log_line(LOG_WARNING, "the micro-batches could not be computed again: %s", status_message());
    else if (count == 0)
        log_line(LOG_WARNING,
                "update %lld: each micro-batch has a finite loss and gradient when it is computed again: "
                "their sum is too large, or a processor or memory erred in passing",
                (long long)trainer->state.update + 1);
}
