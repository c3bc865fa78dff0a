#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "io/plan.h"
#include "tests/io/made.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { TOKENS = 100, MANY = 100000 };

static const struct made_shape shape = {
        .pairs = 3000, .longest = 30, .seed = 4, .compression = 1, .joint = true};

static struct corpora *opened(const struct made_shape *wanted)
{
    struct corpora *corpora;
    assert_int_equal(corpora_open(&corpora, (const char *[]){made_corpus("plan.h5", wanted)}, 1), STATUS_OK);
    return corpora;
}

static struct plan *planned(struct corpora *corpora, int slots, uint64_t seed)
{
    struct plan *plan;
    struct plan_options options = {.tokens = TOKENS, .slots = slots, .seed = seed};
    assert_int_equal(plan_open(&plan, corpora, &options), STATUS_OK);
    return plan;
}

/* Walks an epoch; counts how often each pair came and checks each micro-batch. Tokens of each slot, both sides. */
static void walk(
        struct plan *plan, const struct made_shape *of, int slots, unsigned char *seen, size_t *tokens)
{
    memset(seen, 0, of->pairs);
    for (int slot = 0; slot < slots; slot++) {
        const struct plan_item *items;
        size_t count;
        bool more = plan_more(plan, slot);
        tokens[slot] = 0;
        for (int i = 0; i < MANY; i++) {
            bool expected = more;
            assert_int_equal(plan_next(plan, slot, &items, &count, &more), STATUS_OK);
            assert_int_equal(count > 0, expected);
            if (count == 0)
                break;
            size_t sums[SIDES] = {0};
            for (size_t p = 0; p < count; p++) {
                seen[items[p].pair]++;
                for (int side = 0; side < SIDES; side++)
                    sums[side] += made_length(of, (enum side)side, (size_t)items[p].pair);
            }
            assert_true(sums[SOURCE] <= TOKENS && sums[TARGET] <= TOKENS);
            tokens[slot] += sums[SOURCE] + sums[TARGET];
        }
        assert_false(more);
    }
}

static void test_plan__every_pair_comes_once_an_epoch(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 3, 40, 700, 3000};
    static const int slot_counts[] = {1, 2, 6, 8, 64};
    static unsigned char seen[3000];
    size_t tokens[64];
    for (size_t n = 0; n < 5; n++) {
        struct made_shape of = shape;
        of.pairs = sizes[n];
        struct corpora *corpora = opened(&of);
        for (size_t v = 0; v < 5; v++) {
            struct plan *plan = planned(corpora, slot_counts[v], 10 + n);
            for (int64_t epoch = 0; epoch < 3; epoch++) {
                size_t total = 0;
                assert_int_equal(plan_epoch(plan, epoch), STATUS_OK);
                walk(plan, &of, slot_counts[v], seen, tokens);
                for (size_t pair = 0; pair < of.pairs; pair++)
                    assert_int_equal(seen[pair], 1);
                for (int s = 0; s < slot_counts[v]; s++)
                    total += tokens[s];
                assert_int_equal(total, plan_epoch_tokens(plan));
            }
            plan_close(plan);
        }
        corpora_close(corpora);
    }
}

static void test_plan__slots_get_equal_shares_and_batches_equal_lengths(void **state)
{
    (void)state;
    static unsigned char seen[3000];
    size_t tokens[8], largest = 0, smallest = SIZE_MAX;
    struct corpora *corpora = opened(&shape);
    struct plan *plan = planned(corpora, 8, 1);
    walk(plan, &shape, 8, seen, tokens);
    for (int s = 0; s < 8; s++) {
        largest = tokens[s] > largest ? tokens[s] : largest;
        smallest = tokens[s] < smallest ? tokens[s] : smallest;
    }
    assert_true((double)(largest - smallest) < 0.08 * (double)largest);

    /* Inside a micro-batch targets are of nearly one length. */
    assert_int_equal(plan_epoch(plan, 1), STATUS_OK);
    const struct plan_item *items;
    size_t count, spread = 0, batches = 0;
    bool more = true;
    while (more) {
        size_t shortest = SIZE_MAX, longest = 0;
        assert_int_equal(plan_next(plan, 0, &items, &count, &more), STATUS_OK);
        for (size_t p = 0; p < count; p++) {
            size_t length = made_length(&shape, TARGET, (size_t)items[p].pair);
            shortest = length < shortest ? length : shortest;
            longest = length > longest ? length : longest;
        }
        spread += longest - shortest;
        batches++;
    }
    assert_true(batches > 50 && spread <= 2 * batches);
    plan_close(plan);
    corpora_close(corpora);
}

/* The pair numbers of some updates of all slots. */
static size_t record(struct plan *plan, int slots, int updates, int64_t *out)
{
    size_t n = 0;
    for (int u = 0; u < updates; u++)
        for (int s = 0; s < slots; s++) {
            const struct plan_item *items;
            size_t count;
            bool more;
            assert_int_equal(plan_next(plan, s, &items, &count, &more), STATUS_OK);
            for (size_t p = 0; p < count; p++)
                out[n++] = items[p].pair;
        }
    return n;
}

static void test_plan__seed_and_epoch_decide_the_order(void **state)
{
    (void)state;
    static int64_t one[3000], two[3000];
    struct corpora *corpora = opened(&shape);
    struct plan *first = planned(corpora, 4, 1), *second = planned(corpora, 4, 1),
                *other = planned(corpora, 4, 2);
    assert_int_equal(plan_epoch(first, 3), STATUS_OK);
    assert_int_equal(plan_epoch(second, 3), STATUS_OK);
    assert_int_equal(plan_epoch(other, 3), STATUS_OK);
    size_t n = record(first, 4, 20, one);
    assert_int_equal(record(second, 4, 20, two), n);
    assert_memory_equal(one, two, n * sizeof *one);
    record(other, 4, 20, two);
    assert_memory_not_equal(one, two, 50 * sizeof *one);
    assert_int_equal(plan_epoch(second, 4), STATUS_OK);
    record(second, 4, 20, two);
    assert_memory_not_equal(one, two, 50 * sizeof *one);
    plan_close(first);
    plan_close(second);
    plan_close(other);
    corpora_close(corpora);
}

/* A slot's micro-batches do not depend on which other slots are walked: that is what lets ranks own slots. */
static void test_plan__skipping_equals_walking(void **state)
{
    (void)state;
    static int64_t all[3000];
    struct corpora *corpora = opened(&shape);
    for (int slot = 0; slot < 4; slot++)
        for (int64_t skip = 0; skip < 300; skip += 7) {
            struct plan *walked = planned(corpora, 4, 9), *skipped = planned(corpora, 4, 9);
            const struct plan_item *one, *two;
            size_t one_count = 0, two_count;
            bool one_more, two_more;
            record(walked, slot, 5, all); /* other slots first */
            for (int64_t i = 0; i <= skip; i++)
                assert_int_equal(plan_next(walked, slot, &one, &one_count, &one_more), STATUS_OK);
            assert_int_equal(plan_skip(skipped, slot, skip), STATUS_OK);
            assert_int_equal(plan_next(skipped, slot, &two, &two_count, &two_more), STATUS_OK);
            assert_int_equal(one_count, two_count);
            assert_int_equal(one_more, two_more);
            if (one_count > 0)
                assert_memory_equal(one, two, one_count * sizeof *one);
            plan_close(walked);
            plan_close(skipped);
            if (one_count == 0)
                break;
        }
    corpora_close(corpora);
}

static void test_plan__the_window_holds_the_pairs(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct plan *plan = planned(corpora, 2, 5);
    const struct plan_item *items;
    size_t count;
    bool more = true;
    int64_t number = 1;
    while (more) {
        struct plan_window window;
        assert_int_equal(plan_next(plan, 1, &items, &count, &more), STATUS_OK);
        plan_window(plan, 1, &window);
        assert_true(window.number == number || window.number == number + 1);
        number = window.number;
        for (size_t p = 0; p < count; p++) {
            bool found = false;
            for (size_t r = 0; r < window.count; r++)
                found = found || ((size_t)items[p].pair >= window.runs[r].first &&
                                         (size_t)items[p].pair < window.runs[r].first + window.runs[r].count);
            assert_true(found);
        }
    }
    assert_true(number > 3);
    plan_close(plan);
    corpora_close(corpora);
}

static void test_plan__a_sentence_that_fits_in_no_batch_is_refused(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct plan *plan = NULL;
    struct plan_options options = {.tokens = 29, .slots = 2};
    size_t pair = 0;
    while (made_length(&shape, SOURCE, pair) < 30 && made_length(&shape, TARGET, pair) < 30)
        pair++;
    assert_int_equal(plan_open(&plan, corpora, &options), STATUS_CONFIG);
    char words[100];
    snprintf(words, sizeof words, "found pair %zu of %zu with %zu source and %zu target tokens", pair + 1,
            shape.pairs, made_length(&shape, SOURCE, pair), made_length(&shape, TARGET, pair));
    assert_non_null(strstr(status_message(), words));
    assert_non_null(strstr(status_message(), "batch.tokens 29"));
    size_t count = 0;
    for (pair = 0; pair < shape.pairs; pair++)
        count += made_length(&shape, SOURCE, pair) > 29 || made_length(&shape, TARGET, pair) > 29;
    snprintf(words, sizeof words, "; %zu of its pairs are too long", count);
    assert_non_null(strstr(status_message(), words));
    corpora_close(corpora);
}

/* Of all slots and three epochs: what runs have been recorded with must not move. */
static void test_plan__one_corpus_gives_the_recorded_batches(void **state)
{
    (void)state;
    struct corpora *corpora = opened(&shape);
    struct plan *plan = planned(corpora, 8, 5);
    uLong crc = 0;
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(plan_epoch(plan, epoch), STATUS_OK);
        for (int s = 0; s < 8; s++) {
            const struct plan_item *items;
            size_t count = 1;
            bool more;
            while (count > 0) {
                assert_int_equal(plan_next(plan, s, &items, &count, &more), STATUS_OK);
                crc = crc32(crc, (const Bytef *)&count, sizeof count);
                for (size_t i = 0; i < count; i++)
                    crc = crc32(crc, (const Bytef *)&items[i].pair, sizeof items[i].pair);
            }
        }
    }
    assert_int_equal(crc, 0xb9cf5b53);
    plan_close(plan);
    corpora_close(corpora);
}

/* ---- several corpora ---- */

enum { PARTS = 4 };
static const struct made_shape parts[PARTS] = {
        {.pairs = 700, .longest = 30, .seed = 1, .compression = 1, .joint = true},
        {.pairs = 333, .longest = 20, .seed = 2, .compression = 1, .joint = true},
        {.pairs = 1001, .longest = 9, .seed = 3, .compression = 1, .joint = true},
        {.pairs = 3, .longest = 9, .seed = 4, .compression = 1, .joint = true}};
static const double weights[PARTS] = {1, 2.3, 0.5, 0.1};

static struct corpora *opened_parts(size_t count)
{
    struct corpora *corpora;
    static char texts[PARTS][700];
    const char *names[PARTS];
    for (size_t i = 0; i < count; i++) {
        char name[20];
        snprintf(name, sizeof name, "part%zu.h5", i);
        snprintf(texts[i], sizeof texts[i], "%s:%g", made_corpus(name, &parts[i]), weights[i]);
        names[i] = texts[i];
    }
    assert_int_equal(corpora_open(&corpora, names, count), STATUS_OK);
    return corpora;
}

/* Adds up how often each pair came in an epoch; occurrences are numbered without gaps. Returns the pairs. */
static size_t walk_parts(struct plan *plan, int slots, unsigned *seen, const struct corpora *corpora)
{
    static unsigned occurrences[2100];
    size_t all = 0, tokens = 0;
    memset(occurrences, 0, sizeof occurrences);
    for (int s = 0; s < slots; s++) {
        const struct plan_item *items;
        size_t count = 1;
        bool more;
        while (count > 0) {
            assert_int_equal(plan_next(plan, s, &items, &count, &more), STATUS_OK);
            for (size_t i = 0; i < count; i++) {
                struct plan_window window;
                size_t within, part = 0;
                plan_window(plan, s, &window);
                assert_in_range(items[i].run, 0, window.count - 1);
                const struct plan_run *run = &window.runs[items[i].run];
                assert_in_range(items[i].pair, run->first, run->first + run->count - 1);
                assert_int_equal(items[i].occurrence, run->occurrence);
                assert_ptr_equal(corpora_of(corpora, run->first, &within),
                        corpora_of(corpora, run->first + run->count - 1, &within));
                const struct corpus *corpus = corpora_of(corpora, (size_t)items[i].pair, &within);
                while (corpora_at(corpora, part) != corpus)
                    part++;
                tokens +=
                        made_length(&parts[part], SOURCE, within) + made_length(&parts[part], TARGET, within);
                assert_int_equal(occurrences[items[i].pair] & 1u << items[i].occurrence, 0);
                occurrences[items[i].pair] |= 1u << items[i].occurrence;
                seen[items[i].pair]++;
                all++;
            }
        }
    }
    assert_int_equal(tokens, plan_epoch_tokens(plan));
    return all;
}

static void test_plan__weights_are_met_and_each_pair_gets_its_turn(void **state)
{
    (void)state;
    enum { EPOCHS = 10 };
    static unsigned seen[2100];
    struct corpora *corpora = opened_parts(PARTS);
    for (int slots = 1; slots <= 16; slots += 5) {
        struct plan *plan = planned(corpora, slots, 7);
        memset(seen, 0, sizeof seen);
        for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
            assert_int_equal(plan_epoch(plan, epoch), STATUS_OK);
            double expected = 0;
            for (int i = 0; i < PARTS; i++)
                expected += weights[i] * (double)parts[i].pairs;
            assert_in_range(walk_parts(plan, slots, seen, corpora), expected - PARTS, expected + PARTS);
            for (size_t i = 0; i < PARTS; i++) {
                unsigned least = UINT32_MAX, most = 0;
                for (size_t pair = corpora_first(corpora, i); pair < corpora_first(corpora, i + 1); pair++) {
                    least = seen[pair] < least ? seen[pair] : least;
                    most = seen[pair] > most ? seen[pair] : most;
                }
                /* A fraction of the pairs is rounded down. */
                double due = weights[i] * (double)(epoch + 1);
                assert_true(most - least <= 1 && most < due + 1);
                assert_true(least > due - 1 - 1.001 / (double)parts[i].pairs);
            }
        }
        plan_close(plan);
    }
    corpora_close(corpora);
}

/* Halves of a corpus are drawn from all over it, and differ from seed to seed. */
static void test_plan__a_fraction_is_spread(void **state)
{
    (void)state;
    static unsigned seen[2][2100];
    struct corpora *corpora = opened_parts(3);
    size_t first = corpora_first(corpora, 2), early = 0;
    for (int seed = 0; seed < 2; seed++) {
        struct plan *plan = planned(corpora, 8, (uint64_t)seed);
        walk_parts(plan, 8, seen[seed], corpora);
        plan_close(plan);
    }
    for (size_t pair = first; pair < first + 500; pair++)
        early += seen[0][pair];
    assert_in_range(early, 150, 350);
    assert_memory_not_equal(seen[0] + first, seen[1] + first, 1001 * sizeof **seen);
    corpora_close(corpora);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_plan__every_pair_comes_once_an_epoch),
            cmocka_unit_test(test_plan__slots_get_equal_shares_and_batches_equal_lengths),
            cmocka_unit_test(test_plan__seed_and_epoch_decide_the_order),
            cmocka_unit_test(test_plan__skipping_equals_walking),
            cmocka_unit_test(test_plan__the_window_holds_the_pairs),
            cmocka_unit_test(test_plan__a_sentence_that_fits_in_no_batch_is_refused),
            cmocka_unit_test(test_plan__one_corpus_gives_the_recorded_batches),
            cmocka_unit_test(test_plan__weights_are_met_and_each_pair_gets_its_turn),
            cmocka_unit_test(test_plan__a_fraction_is_spread),
    };
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
