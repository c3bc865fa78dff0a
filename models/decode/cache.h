/*
 * The keys and values of the tokens chosen so far, for each row of a search and each layer.
 *
 *     block of a row   [planes][room][columns]     a plane: the keys of every head in one layer, or the values
 *
 * Blocks are a row's own: rows that end, move or have several children (beam) exchange pointers, and only a second child
 * copies. Room doubles as the sentences grow. Everything lies on the caller's arena.
 */
#ifndef MODELS_DECODE_CACHE_H
#define MODELS_DECODE_CACHE_H

#include "comm/memory.h"

struct cache {
    struct arena *arena;
    size_t rows, planes, columns;
    size_t length, room; /* positions held, and there is room for */
    float **blocks;      /* [rows] */
};

enum status cache_start(struct cache *cache, struct arena *arena, size_t rows, size_t planes, size_t columns);

/* Makes position length - 1 the new one of every row; cache_put() then fills it plane by plane. */
enum status cache_extend(struct cache *cache);

/* `from` [rows] with `stride` floats from row to row; `columns` of each are kept. */
void cache_put(struct cache *cache, size_t plane, const float *from, size_t stride);

/* [length, columns] of a row; the next plane is room · columns floats further. */
const float *cache_row(const struct cache *cache, size_t row, size_t plane);

/* See architecture.decode_keep(). */
enum status cache_keep(struct cache *cache, const int32_t *parents, size_t rows);

#endif
