#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/exchange.h"
#include "comm/tree.h"

enum { SLOTS_MOST = 4096 };

/* A sum whose value tells its brackets: neither commutative nor associative. */
static uint64_t join(uint64_t left, uint64_t right)
{
    return (left * 0x9E3779B97F4A7C15u) ^ (right + 0x7F4A7C15u + (left >> 7) + (right << 11));
}

static uint64_t leaf(int slot)
{
    return (uint64_t)(slot + 1) * 0xD1342543DE82EF95u;
}

static uint64_t expected(int first, int count)
{
    if (count == 1)
        return leaf(first);
    int left = (count + 1) / 2;
    return join(expected(first, left), expected(first + left, count - left));
}

static int log2_up(int n)
{
    int bits = 0;
    while ((1 << bits) < n)
        bits++;
    return bits;
}

/* Adds the slots as the ranks would. */
static uint64_t summed(int slots, int ranks)
{
    static struct tree_node pieces[SLOTS_MOST];
    static struct tree_step steps[SLOTS_MOST];
    static uint64_t sums[SLOTS_MOST];
    int count = 0;
    for (int rank = 0; rank < ranks; rank++) {
        int first = exchange_first_slot(slots, ranks, rank),
            end = exchange_first_slot(slots, ranks, rank + 1);
        assert_true(end > first);
        uint64_t stack[TREE_PIECES_MOST];
        int held = 0, bound = 2 * log2_up(slots) > 1 ? 2 * log2_up(slots) : 1;
        for (int slot = first; slot < end; slot++) {
            stack[held++] = leaf(slot);
            assert_true(held <= tree_stack(slots, first, end));
            for (int n = tree_joins(slots, first, end, slot); n > 0; n--, held--)
                stack[held - 2] = join(stack[held - 2], stack[held - 1]);
        }
        assert_true(tree_stack(slots, first, end) <= bound);
        struct tree_node own[TREE_PIECES_MOST];
        assert_int_equal(tree_pieces(slots, first, end, own), held);
        for (int i = 0; i < held; i++, count++) {
            pieces[count] = own[i];
            sums[count] = stack[i];
        }
    }
    int held;
    tree_steps(&(struct tree_node){0, slots}, 1, pieces, count, steps, &held);
    assert_int_equal(held, 0);
    for (int i = 0; i < count - 1; i++)
        sums[steps[i].left] = join(sums[steps[i].left], sums[steps[i].right]);
    return sums[0];
}

/* Adds the pieces of the ranks [first, end) as far as they go, into `sums` and `nodes`; their number is returned. */
static int summed_inside(int slots, int ranks, int first, int end, uint64_t *sums, struct tree_node *nodes)
{
    static struct tree_node pieces[SLOTS_MOST];
    static struct tree_step steps[SLOTS_MOST];
    static uint64_t values[SLOTS_MOST];
    struct tree_node own[TREE_PIECES_MOST];
    int held[TREE_PIECES_MOST], count = 0;
    for (int rank = first; rank < end; rank++) {
        int n = tree_pieces(slots, exchange_first_slot(slots, ranks, rank),
                exchange_first_slot(slots, ranks, rank + 1), own);
        for (int i = 0; i < n; i++, count++) {
            pieces[count] = own[i];
            values[count] = expected(own[i].first, own[i].count);
        }
    }
    int left = tree_pieces(
            slots, exchange_first_slot(slots, ranks, first), exchange_first_slot(slots, ranks, end), nodes);
    tree_steps(nodes, left, pieces, count, steps, held);
    for (int i = 0; i < count - left; i++)
        values[steps[i].left] = join(values[steps[i].left], values[steps[i].right]);
    for (int i = 0; i < left; i++)
        sums[i] = values[held[i]];
    return left;
}

static void test_tree__same_brackets_when_nodes_add_first(void **state)
{
    (void)state;
    struct tree_node nodes[TREE_PIECES_MOST];
    uint64_t sums[TREE_PIECES_MOST];
    for (int slots = 1; slots <= 40; slots++)
        for (int ranks = 1; ranks <= slots; ranks++)
            for (int first = 0; first < ranks; first++)
                for (int end = first + 1; end <= ranks; end++) {
                    int left = summed_inside(slots, ranks, first, end, sums, nodes);
                    for (int i = 0; i < left; i++)
                        assert_int_equal(sums[i], expected(nodes[i].first, nodes[i].count));
                }
}

static void test_tree__same_brackets_for_any_ranks(void **state)
{
    (void)state;
    for (int slots = 1; slots <= 40; slots++)
        for (int ranks = 1; ranks <= slots; ranks++)
            assert_int_equal(summed(slots, ranks), expected(0, slots));
}

static void test_tree__large_and_odd(void **state)
{
    (void)state;
    static const int slots[] = {127, 128, 1000, 4095, 4096};
    static const int ranks[] = {1, 2, 3, 7, 64, 100, 127};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        for (size_t j = 0; j < sizeof ranks / sizeof *ranks; j++)
            assert_int_equal(summed(slots[i], ranks[j]), expected(0, slots[i]));
        assert_int_equal(summed(slots[i], slots[i]), expected(0, slots[i]));
    }
}

static void test_tree__divisors_of_a_power_of_two_hold_one_piece(void **state)
{
    (void)state;
    struct tree_node pieces[TREE_PIECES_MOST];
    for (int ranks = 1; ranks <= 16; ranks *= 2)
        for (int rank = 0; rank < ranks; rank++)
            assert_int_equal(tree_pieces(16, 16 * rank / ranks, 16 * (rank + 1) / ranks, pieces), 1);
    assert_int_equal(tree_stack(16, 0, 16), 5);
    assert_int_equal(tree_stack(1, 0, 1), 1);
}

static void test_tree__good_numbers_of_ranks(void **state)
{
    (void)state;
    int below, above;
    exchange_good_ranks(8, 3, &below, &above);
    assert_int_equal(below, 2);
    assert_int_equal(above, 4);
    exchange_good_ranks(8, 4, &below, &above);
    assert_int_equal(below, 4);
    assert_int_equal(above, 4);
    exchange_good_ranks(6, 4, &below, &above); /* [0,3) [3,6), then three leaves in halves of 2 and 1 */
    assert_int_equal(below, 2);
    assert_int_equal(above, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_tree__same_brackets_for_any_ranks),
            cmocka_unit_test(test_tree__same_brackets_when_nodes_add_first),
            cmocka_unit_test(test_tree__large_and_odd),
            cmocka_unit_test(test_tree__divisors_of_a_power_of_two_hold_one_piece),
            cmocka_unit_test(test_tree__good_numbers_of_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
