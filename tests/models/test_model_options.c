#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/models/tiny.h"

#include <string.h>

#define CHANGES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RECURRENT    "model.kind", "recurrent"
#define GRID         RECURRENT, "model.encoder_layers", "0"

static void test_model_options__are_sound(void **state)
{
    (void)state;
    const struct option_place place = {&model_group, 0};
    const struct schema schema = {&place, 1};
    assert_int_equal(options_check_schema(&schema), STATUS_OK);
}

static void assert_refused(
        const struct model_options *options, bool joint, const char *first, const char *second)
{
    struct model *model;
    const size_t rows[SIDES] = {TINY_ROWS, TINY_ROWS};
    assert_int_equal(model_open(&model, options, rows, joint), STATUS_CONFIG);
    assert_null(model);
    assert_non_null(strstr(status_message(), first));
    assert_non_null(strstr(status_message(), second));
}

static void test_model_options__width_must_be_divisible_by_heads(void **state)
{
    (void)state;
    struct model_options options = tiny_options(CHANGES("model.heads", "3"));
    assert_refused(&options, true, "model.width 8", "model.heads 3");
    options.head_width = 4;
    struct model *model = tiny_model(&options, true);
    assert_int_equal(model_options(model)->head_width, 4);
    model_close(model);
}

static void test_model_options__tie_all_needs_a_joint_vocabulary(void **state)
{
    (void)state;
    struct model_options options = tiny_options(NULL);
    assert_refused(&options, false, "model.tie decoder", "--joint");
}

/* What has no sense with a source, and the words that say what would work. */
static void test_model_options__settings_without_sense_for_a_source_are_refused(void **state)
{
    (void)state;
    static const struct source_form text, frames = {SOURCE_FRAMES, 3, 0, 0},
                                          images = {SOURCE_IMAGES, 8, 8, 1};
    static const struct {
        const struct source_form *source;
        const char *first, *second, *changes[9];
    } rows[] = {
            {&text, "model.image_stages 2", "leave it out", {"model.image_stages", "2"}},
            {&frames, "model.image_stages 2", "leave it out", {"model.image_stages", "2"}},
            {&text, "model.image_stages 2", "leave it out", {RECURRENT, "model.image_stages", "2"}},
            {&frames, "model.image_stages 2", "leave it out", {RECURRENT, "model.image_stages", "2"}},
            {&text, "model.encoder_layers 0", "set 1 or more", {RECURRENT, "model.encoder_layers", "0"}},
            {&frames, "model.encoder_layers 0", "set 1 or more", {RECURRENT, "model.encoder_layers", "0"}},
            {&images, "model.encoder_layers 2", "set model.encoder_layers 0", {RECURRENT}},
            {&images, "model.encoder_bidirectional false", "leave it out",
                    {GRID, "model.encoder_bidirectional", "false"}},
            {&images, "model.attention luong_local_m", "use model.attention luong_general",
                    {GRID, "model.attention", "luong_local_m"}},
            {&images, "model.attention luong_local_p", "use model.attention luong_general",
                    {GRID, "model.attention", "luong_local_p"}},
            {&images, "model.bridge none", "use model.bridge linear, or model.cell gru",
                    {GRID, "model.bridge", "none", "model.cell", "lstm"}},
            {&images, "model.attention none", "use model.bridge linear",
                    {GRID, "model.bridge", "zero", "model.attention", "none"}},
            {&images, "model.image_stages 4", "at most 3", {"model.image_stages", "4"}},
            {&images, "model.position_limit 15", "at least 16",
                    {"model.position", "learned", "model.position_limit", "15", "model.image_stages", "1"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model_options options = tiny_options(rows[i].changes);
        options.source = *rows[i].source;
        assert_refused(&options, true, rows[i].first, rows[i].second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_model_options__are_sound),
            cmocka_unit_test(test_model_options__width_must_be_divisible_by_heads),
            cmocka_unit_test(test_model_options__tie_all_needs_a_joint_vocabulary),
            cmocka_unit_test(test_model_options__settings_without_sense_for_a_source_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, tiny_nothing_is_left);
}
