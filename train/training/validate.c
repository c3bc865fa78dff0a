#include "train/training/validate.h"

#include "comm/memory.h"
#include "comm/watch.h"
#include "comm/world.h"
#include "train/inference/sentence_list.h"
#include "train/inference/spread.h"
#include "train/training/stop.h"

#include <math.h>
#include <string.h>

void validation_add(struct validation *sum, const struct loss *loss, size_t pairs)
{
    validation_join(sum, &(struct validation){loss->objective, loss->cross_entropy, (int64_t)pairs,
                                 loss->tokens, loss->correct});
}

void validation_join(struct validation *sum, const struct validation *part)
{
    sum->objective += part->objective;
    sum->cross_entropy += part->cross_entropy;
    sum->pairs += part->pairs;
    sum->tokens += part->tokens;
    sum->correct += part->correct;
}

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

const struct kind_table metric_kinds = KIND_TABLE_WITH("metric", metrics, &text_metric_kinds);

size_t metric_number(const struct kind *metric)
{
    size_t number = 0;
    while (kind_at(&metric_kinds, number) != metric)
        number++;
    return number;
}

const struct text_metric_kind *metric_of_text(const struct kind *metric)
{
    return metric_number(metric) < metric_kinds.count ? NULL : (const struct text_metric_kind *)metric;
}

bool metric_is_listed(const struct text_list *names, const struct kind *metric)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], metric->name) == 0)
            return true;
    return false;
}

bool metric_better(const struct kind *metric, double value, double best, double margin)
{
    const struct text_metric_kind *text = metric_of_text(metric);
    bool higher = text ? text->higher_is_better : ((const struct metric_kind *)metric)->higher_is_better;
    return higher ? value > best + margin : value < best - margin;
}

/* Pairs sorted together, pairs of a batch, and tokens of both sides that go through the model at once. */
enum { WINDOW = 1024, BATCH = 128, PASS_TOKENS = 8192 };

struct work {
    struct model *model;
    struct corpus *corpus;
    struct pass pass;
    int64_t *starts;                    /* [pairs + 1] where each pair starts, in tokens of both sides */
    struct sentence_list window[SIDES]; /* the pairs from `first` on */
    struct sentence_list lists[SIDES];  /* what goes through the model at once */
    size_t first;
    struct validation sum; /* rank 0 */
};

static size_t length(void *context, size_t item)
{
    const int64_t *starts = ((const struct work *)context)->starts;
    return (size_t)(starts[item + 1] - starts[item]);
}

static enum status read_starts(struct work *work)
{
    size_t pairs = corpus_facts(work->corpus)->pairs;
    int64_t *target;
    TRY(memory_new(&work->starts, "validation", pairs + 1, sizeof *work->starts));
    TRY(memory_new(&target, "validation", pairs + 1, sizeof *target));
    enum status status = corpus_offsets(work->corpus, SOURCE, 0, pairs, work->starts);
    if (status == STATUS_OK)
        status = corpus_offsets(work->corpus, TARGET, 0, pairs, target);
    for (size_t i = 0; i <= pairs; i++)
        work->starts[i] += target[i];
    memory_free(target);
    return status;
}

/* The window that holds `item`. */
static enum status read_window(struct work *work, size_t item)
{
    size_t first = item / WINDOW * WINDOW, pairs = corpus_facts(work->corpus)->pairs;
    size_t count = pairs - first < WINDOW ? pairs - first : WINDOW;
    if (work->window[SOURCE].count > 0 && work->first == first)
        return STATUS_OK;
    work->first = first;
    for (enum side side = SOURCE; side < SIDES; side++)
        TRY(sentence_list_read(&work->window[side], work->corpus, side, first, count));
    return STATUS_OK;
}

static enum status add_pass(struct work *work, const size_t *items, size_t count, struct validation *sum)
{
    struct batch batch;
    struct loss loss;
    watch_beat();
    CHECK(!stop_is_due(), STATUS_STOPPED, "validation was interrupted");
    TRY(sentence_list_batch(&batch, work->lists, work->window, items, count));
    TRY(model_loss(work->model, &batch, &work->pass, &loss));
    validation_add(sum, &loss, count);
    return STATUS_OK;
}

/* The sums of a batch are its first item's record; the others have none. */
static enum status work_batch(void *context, const size_t *items, size_t count, struct results *results)
{
    struct work *work = context;
    struct validation sum = {0};
    size_t local[BATCH];
    TRY(read_window(work, items[0]));
    for (size_t i = 0; i < count; i++)
        local[i] = items[i] - work->first;
    for (size_t first = 0, size; first < count; first += size) {
        size = sentence_list_fitting(work->window, local + first, count - first, PASS_TOKENS);
        TRY(add_pass(work, local + first, size, &sum));
    }
    for (size_t i = 0; i < count; i++)
        TRY(results_put(results, &sum, i == 0 ? sizeof sum : 0));
    return STATUS_OK;
}

static enum status take(void *context, size_t item, const void *record, size_t bytes)
{
    (void)item;
    struct validation part = {0};
    ASSERT(bytes <= sizeof part);
    memcpy(&part, record, bytes);
    validation_join(&((struct work *)context)->sum, &part);
    return STATUS_OK;
}

static enum status run(struct work *work)
{
    TRY(status_agree(read_starts(work)));
    struct spread spread = {.items = corpus_facts(work->corpus)->pairs,
            .length = length,
            .window = WINDOW,
            .batch = BATCH,
            .work = work_batch,
            .take = take,
            .context = work};
    TRY(spread_run(&spread));
    return world_broadcast(&work->sum, sizeof work->sum, 0);
}

enum status validate(
        struct validation *out, struct model *model, struct corpus *corpus, double label_smoothing)
{
    struct work work = {.model = model, .corpus = corpus, .pass = {.label_smoothing = label_smoothing}};
    enum status status = run(&work);
    *out = work.sum;
    memory_free(work.starts);
    for (int side = 0; side < SIDES; side++) {
        sentence_list_release(&work.window[side]);
        sentence_list_release(&work.lists[side]);
    }
    return status;
}
