/*
 * Memory with a purpose: every allocation carries a label, so that it is reported by label and must balance at the end.
 *
 * Long-lived memory comes from memory_new(); what lives for one micro-batch or one group comes from an arena:
 *
 *     +-------+-------+-----+-----------------+---------------------------+
 *     | taken | taken | ... | held (poisoned) | addresses without memory  |   grows in place, never moves
 *     +-------+-------+-----+-----------------+---------------------------+
 *             ^ mark: arena_reset() goes back to here
 *
 * Addresses are reserved for as much as the machine has, or a part of their limit (ulimit -v); memory comes with what is taken, and stays: after the first
 * updates an arena allocates nothing.
 */
#ifndef COMM_MEMORY_H
#define COMM_MEMORY_H

#include "comm/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMORY_ALIGNMENT = 64 };

/* a·b and a+b into *out; false if it does not fit. */
bool size_multiply(size_t *out, size_t a, size_t b);
bool size_add(size_t *out, size_t a, size_t b);

/* Allocates `count` zeroed items of `size` bytes, aligned to 64, into *(void **)out (any object
 * pointer's address). `label` is a string constant. The caller frees with memory_free().
 * STATUS_INTERNAL naming label and size. */
enum status memory_new(void *out, const char *label, size_t count, size_t size);

/* As memory_new(), not zeroed: a large block takes memory of the machine only where it is written. */
enum status memory_take(void *out, const char *label, size_t count, size_t size);

/* As memory_new() for a block that grows: keeps the old contents; *(void **)out may be NULL at
 * first. */
enum status memory_resize(void *out, const char *label, size_t count, size_t size);

/* Makes sure that a buffer of *room items has room for `count`, at least doubling it if not. */
enum status memory_grow(void *out, const char *label, size_t *room, size_t count, size_t size);

/* A copy of a string, or of `bytes` bytes plus a 0. */
enum status memory_text(char **out, const char *label, const char *text);
enum status memory_copy(void *out, const char *label, const void *from, size_t bytes);

/* NULL is allowed. */
void memory_free(void *pointer);

struct memory_label {
    const char *label;
    size_t bytes;  /* held now */
    size_t peak;   /* most ever held */
    size_t blocks; /* allocations held now */
};

/* The i-th label in use; false past the last. */
bool memory_report(size_t i, struct memory_label *out);

/* Allocations held now over all labels: 0 at the end of a clean run. */
size_t memory_blocks(void);

/* Pages that grow in place: addresses for `reserved` bytes, of which the first `bytes` are memory. */
struct pages {
    char *start;
    size_t bytes, reserved;
    struct memory_label *label;
};

/* Reserves addresses for about `reserved` bytes, fewer if there are not that many; holds no memory yet. */
enum status pages_open(struct pages *out, const char *label, size_t reserved);

/* At least `bytes` are memory, zeroed where new. A failure leaves all as it is. */
enum status pages_hold(struct pages *pages, size_t bytes);
void pages_close(struct pages *pages);

struct arena;

struct arena_mark {
    char *end; /* of what is taken: where the next item will begin */
};

/* An arena that starts with room for `bytes`. Where addresses are limited it can grow to a 32nd of the limit, a large one
 * to a quarter. STATUS_INTERNAL without addresses or memory. */
enum status arena_open(struct arena **out, const char *label, size_t bytes);
enum status arena_open_large(struct arena **out, const char *label);
void arena_close(struct arena *arena);

/* `count` items of `size` bytes, aligned to 64, not zeroed, valid until the arena is reset past it.
 * NULL (message set, arena_status() remembers) when memory ends. Not thread-safe. */
void *arena_take(struct arena *arena, size_t count, size_t size);
void *arena_take_zeroed(struct arena *arena, size_t count, size_t size);

/* For who manages memory of an arena: nobody may touch it until it is unguarded. Told to the address sanitizer, else
 * nothing. */
void memory_guard(void *start, size_t bytes);
void memory_unguard(void *start, size_t bytes);

/* STATUS_OK, or the first failure of arena_take() since the last reset to empty. */
enum status arena_status(const struct arena *arena);

struct arena_mark arena_mark(const struct arena *arena);
void arena_reset(struct arena *arena, struct arena_mark mark);
/* A reset to empty. */
void arena_clear(struct arena *arena);

/* Most bytes ever in use. */
size_t arena_peak(const struct arena *arena);

#endif
