/* Inside the reader: the sentences of a slot's window, as they lie in the corpora. */
#ifndef IO_READER_WINDOW_H
#define IO_READER_WINDOW_H

#include "io/plan.h"

struct window_run {
    struct plan_run run;
    size_t number; /* in the plan's order */
    size_t base;   /* where its first pair stands in `starts` */
};

struct window {
    int64_t epoch, number; /* number 0: nothing loaded */
    struct window_run *runs;
    size_t run_count, run_room;
    size_t *places; /* in `runs`, of the plan's runs */
    size_t place_room;
    int64_t *starts[SIDES]; /* of each sentence in `tokens`, and one more a run */
    size_t start_room[SIDES];
    int32_t *tokens[SIDES]; /* words[side] of each */
    size_t words[SIDES];
    size_t token_room[SIDES];
    bool aligned;          /* set once: whether points are loaded */
    int64_t *point_starts; /* as `starts`, of each pair in `points` */
    struct corpus_point *points;
    size_t point_start_room, point_room;
};

/* Loads the window that plan_window() told, of this epoch; nothing to do if it is there already. */
enum status window_load(
        struct window *window, const struct corpora *corpora, const struct plan_window *now, int64_t epoch);
void window_release(struct window *window);

/* Tokens of a sentence, </s> included; borrowed until the next load. */
const int32_t *window_sentence(
        const struct window *window, enum side side, const struct plan_item *item, size_t *count);

/* Points of the alignment of a pair, likewise. */
const struct corpus_point *window_points(
        const struct window *window, const struct plan_item *item, size_t *count);

#endif
