/*
 * Memory that a tape gives back on its way backwards, and takes again for gradients: ranges of its arena, joined with
 * their neighbours. A range at the arena's end goes back to the arena.
 */
#ifndef MODELS_SPARE_H
#define MODELS_SPARE_H

#include "comm/memory.h"

struct spare_range;

struct spare {
    struct arena *arena;
    struct spare_range *first; /* by address */
};

/* `bytes` of the lowest range that has them, else of the arena; NULL when memory ends. */
void *spare_take(struct spare *spare, size_t bytes);

/* [start, start + bytes), taken here or from the arena, is in use no more; bytes are rounded up to MEMORY_ALIGNMENT. */
void spare_give(struct spare *spare, void *start, size_t bytes);

#endif
