/*
 * What the tests of the option engine share: a table with every type, in two groups whose names lie apart.
 */
#ifndef TESTS_IO_OPTION_SAMPLE_H
#define TESTS_IO_OPTION_SAMPLE_H

#include "io/options.h"

#include <string.h>

struct shape {
    int64_t width, threads;
    double rate;
    bool bias;
    const struct kind *cell;
};

struct course {
    struct period until, limit;
    char *label, *out;
    struct text_list files;
    double scale;
};

struct all {
    struct shape shape;
    struct course course;
};

extern const struct kind sample_cells[2]; /* gru, lstm */
extern const struct schema sample_schema;

/* Of cmocka: *state is a struct all with the defaults; teardown fails where memory is left. */
int sample_setup(void **state);
int sample_teardown(void **state);

/* A YAML text called t.yaml. */
enum status sample_parse(struct all *all, const char *text);

/* The words of a command line, blanks between them. */
enum status sample_line(struct all *all, const char *text, struct text_list *words);

#define assert_refused(call, code, words)                                                                    \
    do {                                                                                                     \
        assert_int_equal(call, code);                                                                        \
        if (!strstr(status_message(), words))                                                                \
            fail_msg("expected '%s' in '%s'", words, status_message());                                      \
    } while (0)

#endif
