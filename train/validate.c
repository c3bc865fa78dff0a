#include "train/validate.h"

#include "comm/exchange.h"
#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"

#include <math.h>

double validation_loss(const struct validation *validation)
{
    return validation->objective / (double)validation->tokens;
}

double validation_cross_entropy(const struct validation *validation)
{
    return validation->cross_entropy / (double)validation->tokens;
}

double validation_perplexity(const struct validation *validation)
{
    return exp(validation_cross_entropy(validation));
}

double validation_accuracy(const struct validation *validation)
{
    return (double)validation->correct / (double)validation->tokens;
}

static const struct metric_kind metrics[] = {
        {{"loss", "the training objective, label smoothing included", NULL}, false, validation_loss},
        {{"perplexity", "exp of the cross-entropy of a target token", NULL}, false, validation_perplexity},
        {{"accuracy", "share of target tokens that are the likeliest", NULL}, true, validation_accuracy},
};

const struct kind_table metric_kinds = KIND_TABLE("metric", metrics);

bool metric_better(const struct metric_kind *metric, double value, double best)
{
    return metric->higher_is_better ? value > best : value < best;
}

/* What a slot adds up; doubles, so that all slots of all ranks are one world_sum(). */
enum sum { SUM_OBJECTIVE, SUM_CROSS_ENTROPY, SUM_PAIRS, SUM_TOKENS, SUM_CORRECT, SUMS };

static enum status add_batch(
        double sums[SUMS], struct model *model, const struct batch *batch, const struct pass *pass)
{
    struct loss loss;
    watch_beat();
    TRY(model_loss(model, batch, pass, &loss));
    sums[SUM_OBJECTIVE] += loss.objective;
    sums[SUM_CROSS_ENTROPY] += loss.cross_entropy;
    sums[SUM_PAIRS] += (double)batch->pairs;
    sums[SUM_TOKENS] += (double)loss.tokens;
    sums[SUM_CORRECT] += (double)loss.correct;
    return STATUS_OK;
}

/* This rank's slots; those of others stay zero. */
static enum status add_slots(double (*sums)[SUMS], struct model *model, struct reader *reader, int first,
        int end, const struct pass *pass)
{
    for (bool any = first < end; any;) {
        any = false;
        for (int slot = first; slot < end; slot++) {
            struct batch batch;
            bool more;
            TRY(reader_next(reader, &batch, &more));
            if (batch.pairs > 0)
                TRY(add_batch(sums[slot], model, &batch, pass));
            any |= more;
        }
    }
    return STATUS_OK;
}

static enum status sum_own_slots(double (*sums)[SUMS], struct model *model, struct corpus *corpus,
        const struct plan_options *options, const struct pass *pass)
{
    int first = exchange_first_slot(options->slots, world()->size, world()->rank);
    int end = exchange_first_slot(options->slots, world()->size, world()->rank + 1);
    struct reader *reader = NULL;
    TRY(reader_open(&reader, corpus, options, first, end, 0, 0));
    enum status status = add_slots(sums, model, reader, first, end, pass);
    reader_close(reader);
    return status;
}

enum status validate(struct validation *out, struct model *model, struct corpus *corpus,
        const struct plan_options *options, double label_smoothing)
{
    size_t slots = (size_t)options->slots;
    struct pass pass = {.label_smoothing = label_smoothing};
    double(*sums)[SUMS] = NULL;
    enum status status = memory_new(&sums, "validation", slots, sizeof *sums);
    if (status == STATUS_OK)
        status = sum_own_slots(sums, model, corpus, options, &pass);
    status = status_agree(status);
    if (status == STATUS_OK)
        status = world_sum(sums[0], slots * SUMS);
    *out = (struct validation){0};
    for (size_t slot = 0; status == STATUS_OK && slot < slots; slot++) {
        out->objective += sums[slot][SUM_OBJECTIVE];
        out->cross_entropy += sums[slot][SUM_CROSS_ENTROPY];
        out->pairs += (int64_t)sums[slot][SUM_PAIRS];
        out->tokens += (int64_t)sums[slot][SUM_TOKENS];
        out->correct += (int64_t)sums[slot][SUM_CORRECT];
    }
    memory_free(sums);
    return status;
}
