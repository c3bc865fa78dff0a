#include "models/profile.h"

#include "comm/clock.h"
#include "models/ops.h"

double product_operations(const struct product_shape *shape)
{
    return 2 * (double)shape->m * (double)shape->n * (double)shape->k;
}

static bool same_kind(const struct product_shape *a, const struct product_shape *b)
{
    return a->transpose_a == b->transpose_a && a->transpose_b == b->transpose_b && a->m == b->m &&
           a->n == b->n && a->k == b->k;
}

static void list_add(struct product_list *list, struct product_shape shape)
{
    size_t i = 0;
    while (i < list->count && !same_kind(&list->items[i], &shape))
        i++;
    if (i == PROFILE_PRODUCTS)
        return;
    if (i == list->count) {
        list->items[list->count++] = shape;
        list->items[i].times = 0;
    }
    list->items[i].times++;
    list->operations += product_operations(&shape);
}

void op_work_product(struct op_work *work, enum direction direction, struct product_shape shape)
{
    work->operations[direction] += product_operations(&shape);
    list_add(work->products, shape);
}

static struct op_profile *profile_of(struct profile *profile, const struct op *op)
{
    size_t i = 0;
    while (ops[i] && ops[i] != op)
        i++;
    ASSERT(ops[i] && i < PROFILE_OPS);
    return &profile->ops[i];
}

void profile_pass(struct profile *profile)
{
    if (profile->current.operations > profile->largest.operations)
        profile->largest = profile->current;
    profile->current.count = 0;
    profile->current.operations = 0;
    profile_start(profile);
}

void profile_start(struct profile *profile)
{
    profile->since = clock_now();
}

static void add_work(struct op_profile *to, const struct node *node, struct product_list *products)
{
    struct op_work work = {.products = products};
    if (node->op->work)
        node->op->work(node, &work);
    for (int d = 0; d < DIRECTIONS; d++) {
        to->operations[d] += work.operations[d];
        to->bytes[d] += work.bytes[d];
    }
}

void profile_forward(struct profile *profile, const struct node *node)
{
    struct op_profile *own = profile_of(profile, node->op);
    own->seconds[FORWARD] += clock_now() - profile->since;
    own->calls++;
    add_work(own, node, &profile->current);
    profile_start(profile);
}

void profile_again(struct profile *profile, const struct node *node)
{
    profile_of(profile, node->op)->seconds[BACKWARD] += clock_now() - profile->since;
    profile_start(profile);
}

void profile_backward(struct profile *profile, const struct node *node)
{
    profile_of(profile, node->op)->seconds[BACKWARD] += clock_now() - profile->since;
}
