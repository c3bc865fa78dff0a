#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "models/architecture.h"
#include "tests/models/tiny.h"

#include <math.h>
#include <string.h>

enum { SENTENCES = 20 };

static const struct decode_options usual = {
        .beam = 4, .nbest = 4, .max_length_ratio = 1, .max_length_extra = 6, .batch = 64};

/* Translations of the same sentences. */
struct fixture {
    struct model *models[2];
    struct ensemble ensemble;
    struct tiny_batch tiny;
    struct decode_task task;
};

static void open_models(struct fixture *f, size_t count)
{
    struct model_options options = tiny_options(NULL);
    for (size_t m = 0; m < count; m++) {
        f->models[m] = tiny_model(&options, true);
        model_initialise(f->models[m], 3 + m);
    }
    f->ensemble = (struct ensemble){.models = f->models, .count = count};
    tiny_batch_fill_sorted(&f->tiny, SENTENCES, 9, 4);
    f->task = (struct decode_task){
            .ids = f->tiny.ids[SOURCE], .offsets = f->tiny.offsets[SOURCE], .count = SENTENCES};
}

static void close_models(struct fixture *f)
{
    for (size_t m = 0; m < f->ensemble.count; m++)
        model_close(f->models[m]);
}

static size_t source_tokens(const struct fixture *f, size_t s)
{
    return (size_t)(f->task.offsets[s + 1] - f->task.offsets[s]);
}

static void find(const struct fixture *f, bool alignment, bool attention, struct translation *out)
{
    struct decode_options options = usual;
    options.alignment = alignment;
    options.attention = attention;
    assert_int_equal(decode_group(&f->ensemble, &options, &f->task, out), STATUS_OK);
}

static void assert_rows_sum_to_one(const float *weights, size_t rows, size_t columns)
{
    for (size_t t = 0; t < rows; t++) {
        double sum = 0;
        for (size_t j = 0; j < columns; j++) {
            assert_true(weights[t * columns + j] > 0);
            sum += (double)weights[t * columns + j];
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
}

static void test_search_attention__alignment_is_a_distribution_for_each_token(void **state)
{
    (void)state;
    struct fixture f;
    struct translation found[SENTENCES];
    open_models(&f, 2);
    find(&f, true, false, found);
    for (size_t s = 0; s < SENTENCES; s++)
        for (size_t h = 0; h < found[s].count; h++) {
            const struct hypothesis *item = &found[s].items[h];
            assert_int_equal(item->ended, item->count < source_tokens(&f, s) + 6);
            assert_rows_sum_to_one(item->alignment, item->count + item->ended, source_tokens(&f, s));
            assert_null(item->log_probabilities);
            assert_null(item->attention);
        }
    translations_release(found, SENTENCES);
    close_models(&f);
}

/* Two layers of two heads: each a distribution; the mean over the last layer's is the alignment, which is bit for bit the
 * same without. */
static void test_search_attention__of_heads_is_what_alignments_are_the_mean_of(void **state)
{
    (void)state;
    struct fixture f;
    struct translation found[SENTENCES], aligned[SENTENCES];
    open_models(&f, 1);
    find(&f, true, false, aligned);
    find(&f, true, true, found);
    assert_int_equal(model_attention(f.models[0]).layers, 2);
    assert_int_equal(model_attention(f.models[0]).heads, 2);
    for (size_t s = 0; s < SENTENCES; s++) {
        const struct hypothesis *best = found[s].items;
        size_t columns = source_tokens(&f, s), rows = best->count + best->ended;
        assert_int_equal(best->attention_count, 4 * rows * columns);
        assert_rows_sum_to_one(best->attention, 4 * rows, columns);
        for (size_t i = 0; i < rows * columns; i++) {
            const float *last = best->attention + 2 * rows * columns + i;
            assert_true(fabsf(best->alignment[i] - (last[0] + last[rows * columns]) / 2) < 1e-6f);
        }
        assert_memory_equal(
                best->alignment, aligned[s].items[0].alignment, (best->count + 1) * columns * sizeof(float));
        assert_true(found[s].count > 1 && !found[s].items[1].attention);
    }
    translations_release(found, SENTENCES);
    translations_release(aligned, SENTENCES);
    close_models(&f);
}

/* Of frames a column each; of an image one for each cell of the grid, of which there are more or fewer than rows of
 * pixels. */
static void test_search_attention__of_sources_that_are_not_text(void **state)
{
    (void)state;
    static const struct source_form frames = {SOURCE_FRAMES, 3, 0, 0}, images = {SOURCE_IMAGES, 8, 6, 1};
    static const char *const transformer[] = {NULL}, *const coarse[] = {"model.image_stages", "2", NULL},
                             *const gru[] = {"model.kind", "recurrent", NULL},
                             *const grid[] = {"model.kind", "recurrent", "model.encoder_layers", "0",
                                     "model.image_stages", "1", NULL};
    const struct {
        const struct source_form *source;
        const char *const *changes;
        size_t height, width;
    } rows[] = {{&frames, transformer, 0, 0}, {&frames, gru, 0, 0}, {&images, coarse, 2, 2},
            {&images, grid, 3, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        struct translation found[SENTENCES];
        struct model_options options = tiny_options(rows[i].changes);
        options.source = *rows[i].source;
        f.models[0] = tiny_model(&options, false);
        f.ensemble = (struct ensemble){.models = f.models, .count = 1};
        tiny_batch_fill_sorted(&f.tiny, SENTENCES, 9, 4);
        tiny_batch_source(&f.tiny, rows[i].source);
        f.task = (struct decode_task){
                .ids = f.tiny.ids[SOURCE], .offsets = f.tiny.offsets[SOURCE], .count = SENTENCES};
        struct attention_planes planes = model_attention(f.models[0]);
        assert_true(planes.height == rows[i].height && planes.width == rows[i].width);
        find(&f, false, true, found);
        for (size_t s = 0; s < SENTENCES; s++) {
            const struct hypothesis *best = found[s].items;
            size_t all = planes.layers * planes.heads * (best->count + best->ended);
            size_t columns = rows[i].height ? rows[i].height * rows[i].width : source_tokens(&f, s);
            assert_int_equal(best->attention_count, all * columns);
            assert_rows_sum_to_one(best->attention, all, columns);
        }
        translations_release(found, SENTENCES);
        close_models(&f);
    }
}

static void test_search_attention__is_of_one_model(void **state)
{
    (void)state;
    struct fixture f;
    struct decode_options options = usual;
    options.attention = true;
    open_models(&f, 2);
    assert_int_equal(decode_check(&options, &f.ensemble), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "expected one MODEL, found 2"));
    struct ensemble one = {.models = f.models, .count = 1};
    assert_int_equal(decode_check(&options, &one), STATUS_OK);
    close_models(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_search_attention__alignment_is_a_distribution_for_each_token),
            cmocka_unit_test(test_search_attention__of_heads_is_what_alignments_are_the_mean_of),
            cmocka_unit_test(test_search_attention__of_sources_that_are_not_text),
            cmocka_unit_test(test_search_attention__is_of_one_model),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
