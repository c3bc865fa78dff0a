/*
 * Trials of an op against its naive twin, for test_ops.c. To add an op: prepare, run and twin functions and rows of a
 * table, which test_ops.c lists.
 */
#ifndef TESTS_MODELS_TRIAL_H
#define TESTS_MODELS_TRIAL_H

#include "models/ops.h"

enum { INPUTS = 7, OUTPUTS = 2, NUMBERS = 512 };

struct trial;

struct op_case {
    const char *op, *what;
    double tolerance; /* of float against double, relative to the largest expected value */
    void (*prepare)(struct trial *trial);
    void (*run)(struct trial *trial, struct tape *tape, struct tensor **in, struct tensor **out);
    void (*twin)(struct trial *trial, double *const *in, double *const *out);
    size_t size[6]; /* as prepare() reads them */
    const char *option;
};

/* CASE(OP, tolerance, option, size...), where OP is the op's name and its three functions. */
#define CASE(kind, tolerance, option, ...) CASE_(kind, tolerance, option, __VA_ARGS__)
#define CASE_(op, prepare, run, twin, tolerance, option, ...)                                                \
    {                                                                                                        \
        op, #__VA_ARGS__, tolerance, prepare, run, twin, {__VA_ARGS__}, option                               \
    }

struct op_cases {
    const struct op_case *rows;
    size_t count;
};

extern const struct op_cases attend_cases, guide_cases, recurrent_cases, convolution_cases;

struct matrix {
    size_t rows, columns;
    double *values;
};

struct trial {
    const struct op_case *row;
    struct matrix in[INPUTS], out[OUTPUTS]; /* rows 0: absent */
    struct dropout dropout;
    int32_t ids[NUMBERS], positions[NUMBERS], queries[NUMBERS], keys[NUMBERS];
    struct attention_shape attention;
    struct loss loss, naive_loss;
    uint64_t draws;
};

/* A normal number of the trial's own. */
double trial_draw(struct trial *trial);

/* Input i, drawn, times `scale`; output i. The caller of prepare() frees both. */
void trial_fill(struct trial *trial, int i, size_t rows, size_t columns, double scale);
void trial_expect(struct trial *trial, int i, size_t rows, size_t columns);

/* Whether the word is part of the case's option. */
bool trial_has(const struct trial *trial, const char *word);

size_t matrix_count(const struct matrix *matrix);

#endif
