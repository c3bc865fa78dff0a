/*
 * The binary tree of the ordered sum.
 *
 *              [0,7)                    V = 7: the left part of n leaves has ⌈n/2⌉
 *          /          \
 *       [0,4)         [4,7)             A rank with the slots [3,7) holds the maximal subtrees
 *      /     \        /    \            [3,4) and [4,7): its pieces.
 *   [0,2)  [2,4)   [4,6)  [6,7)
 *   /  \   /  \    /  \
 *  0    1 2    3  4    5
 *
 * Leaves are taken in slot order and put on a stack; after leaf s the top two entries are joined tree_joins(s) times,
 * like the carries of a binary counter. What is left after the last own slot are the pieces, in order.
 */
#ifndef COMM_TREE_H
#define COMM_TREE_H

#include <stddef.h>

/* The leaves [first, first + count). */
struct tree_node {
    int first, count;
};

/* No rank holds more pieces or stack entries than this, for up to 2^30 slots. */
enum { TREE_PIECES_MOST = 64 };

/* The maximal subtrees inside [first, end) of the tree over [0, slots), in slot order; their number is returned. */
int tree_pieces(int slots, int first, int end, struct tree_node out[TREE_PIECES_MOST]);

/* How often the top two stack entries are joined after `slot` by the rank that holds the slots [first, end). */
int tree_joins(int slots, int first, int end, int slot);

/* Most stack entries ever held. */
int tree_stack(int slots, int first, int end);

/* One addition: sum[left] += sum[right]. */
struct tree_step {
    int left, right;
};

/* The order in which `count` pieces are added to the `sum_count` nodes that they cover together, both in slot order.
 * Sum i ends in the piece held[i]; `out` has room for count - sum_count steps. */
void tree_steps(const struct tree_node *sums, int sum_count, const struct tree_node *pieces, int count,
        struct tree_step *out, int *held);

#endif
