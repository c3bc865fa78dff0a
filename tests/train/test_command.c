#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/command.h"

/* A table of this test's own, in the place of main's. */
struct switches {
    char *output;
};
static const struct option rows[] = {{"output", OPTION_TEXT, offsetof(struct switches, output),
        .placeholder = "FILE", .help = "where to"}};
static const struct option_group group = OPTION_GROUP("switches", "what it takes", rows);
static const struct option_place places[] = {{&group, 0}};
static const struct schema schema = {places, 1};

static enum status run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return STATUS_OK;
}

static const struct command score = {"score", "gives marks", "FILE [--output FILE]",
        "seqtrain score a\nseqtrain score b", {&schema}, true, run, NULL};
static const struct command plain = {"plain", "does little", "", "seqtrain plain", {NULL}, false, run, NULL};
const struct command *const commands[] = {&score, &plain, NULL};

static void test_command__is_found_by_its_whole_name(void **state)
{
    (void)state;
    assert_ptr_equal(command_find("score"), &score);
    assert_ptr_equal(command_find("plain"), &plain);
    assert_null(command_find("scor"));
    assert_null(command_find(""));
}

static void test_command__unknown_names_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(command_unknown("socre"), STATUS_USAGE);
    assert_string_equal(status_message(), "unknown command socre; did you mean score?");
    assert_int_equal(command_unknown("zebra"), STATUS_USAGE);
    assert_string_equal(status_message(), "unknown command zebra; 'seqtrain help' lists the commands");
}

static char *help_of(const struct command *command)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    command_print_help(out, command);
    fclose(out);
    return text;
}

static void test_command__help_is_whole(void **state)
{
    (void)state;
    char *text = help_of(&score);
    assert_string_equal(text, "seqtrain score: gives marks\n"
                              "\n"
                              "usage:\n"
                              "  seqtrain score FILE [--output FILE]\n"
                              "\n"
                              "switches: what it takes\n"
                              "  --output FILE                 where to\n"
                              "\n"
                              "examples:\n"
                              "  seqtrain score a\n"
                              "  seqtrain score b\n");
    free(text);
    text = help_of(&plain);
    assert_string_equal(text, "seqtrain plain: does little\n"
                              "\n"
                              "usage:\n"
                              "  seqtrain plain\n"
                              "\n"
                              "examples:\n"
                              "  seqtrain plain\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_command__is_found_by_its_whole_name),
            cmocka_unit_test(test_command__unknown_names_the_nearest),
            cmocka_unit_test(test_command__help_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
