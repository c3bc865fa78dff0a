#include "comm/tree.h"

#include "comm/status.h"

#include <stdbool.h>

static struct tree_node left_of(struct tree_node node)
{
    return (struct tree_node){node.first, node.count - node.count / 2};
}

static struct tree_node right_of(struct tree_node node)
{
    int left = node.count - node.count / 2;
    return (struct tree_node){node.first + left, node.count - left};
}

static int end_of(struct tree_node node)
{
    return node.first + node.count;
}

static bool is_inside(struct tree_node node, int first, int end)
{
    return node.first >= first && end_of(node) <= end;
}

static int collect(struct tree_node node, int first, int end, struct tree_node *out, int count)
{
    if (end_of(node) <= first || node.first >= end)
        return count;
    if (is_inside(node, first, end)) {
        ASSERT(count < TREE_PIECES_MOST);
        out[count] = node;
        return count + 1;
    }
    count = collect(left_of(node), first, end, out, count);
    return collect(right_of(node), first, end, out, count);
}

int tree_pieces(int slots, int first, int end, struct tree_node out[TREE_PIECES_MOST])
{
    return collect((struct tree_node){0, slots}, first, end, out, 0);
}

int tree_joins(int slots, int first, int end, int slot)
{
    /* On the way down to the leaf: the own nodes that end with it. */
    int joins = 0;
    struct tree_node node = {0, slots};
    while (node.count > 1) {
        if (is_inside(node, first, end) && end_of(node) == slot + 1)
            joins++;
        node = slot < end_of(left_of(node)) ? left_of(node) : right_of(node);
    }
    return joins;
}

int tree_stack(int slots, int first, int end)
{
    int held = 0, most = 0;
    for (int slot = first; slot < end; slot++) {
        held++;
        if (held > most)
            most = held;
        held -= tree_joins(slots, first, end, slot);
    }
    return most;
}

struct step_list {
    const struct tree_node *pieces;
    struct tree_step *out;
    int piece, steps;
};

/* Appends the additions below `node`; returns the piece that then holds its sum. */
static int append_steps(struct step_list *list, struct tree_node node)
{
    struct tree_node next = list->pieces[list->piece];
    if (next.first == node.first && next.count == node.count)
        return list->piece++;
    ASSERT(node.count > 1);
    int left = append_steps(list, left_of(node));
    int right = append_steps(list, right_of(node));
    list->out[list->steps++] = (struct tree_step){left, right};
    return left;
}

void tree_steps(const struct tree_node *sums, int sum_count, const struct tree_node *pieces, int count,
        struct tree_step *out, int *held)
{
    struct step_list list = {.pieces = pieces, .out = out};
    for (int i = 0; i < sum_count; i++)
        held[i] = append_steps(&list, sums[i]);
    ASSERT(list.piece == count && list.steps == count - sum_count);
}
