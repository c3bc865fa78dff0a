#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/source.h"

#include <string.h>

static void test_source__forms_come_back_from_their_text(void **state)
{
    (void)state;
    static const struct source_form forms[] = {{SOURCE_FRAMES, 40, 0, 0}, {SOURCE_FRAMES, 1, 0, 0},
            {SOURCE_IMAGES, 48, 32, 3}, {SOURCE_IMAGES, 4, 7, 1}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[SOURCE_FORM_BYTES];
        struct source_form back;
        source_write_form(&forms[i], text);
        assert_true(source_read_form(&back, text, strlen(text)));
        assert_true(source_same(&back, &forms[i]));
    }
}

static void test_source__other_bytes_are_no_form(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "text",
            "seqtrain source: ", "seqtrain source: frames of 0 values",
            "seqtrain source: frames of 70000 values", "seqtrain source: frames of 4 values ",
            "seqtrain source: frames of 04 values", "seqtrain source: frames of -4 values",
            "seqtrain source: images of 4x4x2", "seqtrain source: images of 4x3x1",
            "seqtrain source: images of 4x8000x1", "seqtrain source: images of 4x4"};
    struct source_form form;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (source_read_form(&form, texts[i], strlen(texts[i])))
            fail_msg("'%s' was read as a form", texts[i]);
}

static void test_source__words_hold_a_token(void **state)
{
    (void)state;
    assert_int_equal(source_words(&(struct source_form){0}), 1);
    assert_int_equal(source_words(&(struct source_form){SOURCE_FRAMES, 7, 0, 0}), 7);
    assert_int_equal(source_words(&(struct source_form){SOURCE_IMAGES, 8, 5, 3}), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_source__forms_come_back_from_their_text),
            cmocka_unit_test(test_source__other_bytes_are_no_form),
            cmocka_unit_test(test_source__words_hold_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
