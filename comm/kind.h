/*
 * Kinds: a choice among interchangeable parts is a row of a table. Every such row begins with a
 * struct kind, so that help, validation, the checkpoint record, tests and benchmarks walk any table
 * without knowing its rows.
 */
#ifndef COMM_KIND_H
#define COMM_KIND_H

#include <stdbool.h>
#include <stddef.h>

struct kind {
    const char *name;   /* as users write it */
    const char *help;   /* one line */
    const char *source; /* the paper or formula it comes from; NULL: common knowledge */
};

struct kind_table {
    const char *what;                 /* "optimizer": for messages and listings */
    const void *rows;                 /* each begins with a struct kind */
    size_t count, stride;             /* of `rows` */
    const struct kind_table *further; /* rows of another owner that follow; NULL: none */
};

#define KIND_TABLE(what, rows)                                                                               \
    {                                                                                                        \
        what, rows, sizeof(rows) / sizeof(rows)[0], sizeof(rows)[0], NULL                                    \
    }

#define KIND_TABLE_WITH(what, rows, further)                                                                 \
    {                                                                                                        \
        what, rows, sizeof(rows) / sizeof(rows)[0], sizeof(rows)[0], further                                 \
    }

/* All rows, further ones included. */
size_t kind_count(const struct kind_table *table);

/* The i-th row; i < kind_count(). */
const struct kind *kind_at(const struct kind_table *table, size_t i);

/* The row called `name`, or NULL. */
const struct kind *kind_find(const struct kind_table *table, const char *name);

/* "a, b or c": the names of all rows, or of those that are `wanted`, as far as `bytes` go. Returns out. */
const char *kind_list(
        const struct kind_table *table, bool (*wanted)(const struct kind *kind), char *out, size_t bytes);

#endif
