#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "comm/fault.h"
#include "comm/memory.h"

static void test_memory__sizes_are_checked(void **state)
{
    (void)state;
    size_t out;
    assert_true(size_multiply(&out, 3, 4) && out == 12);
    assert_false(size_multiply(&out, SIZE_MAX / 2, 3));
    assert_true(size_add(&out, 3, 4) && out == 7);
    assert_false(size_add(&out, SIZE_MAX, 1));
}

static void test_memory__is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t count = 0; count < 300; count += 7) {
        unsigned char *block;
        assert_int_equal(memory_new(&block, "test", count, 1), STATUS_OK);
        assert_int_equal((uintptr_t)block % MEMORY_ALIGNMENT, 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xff, count);
        memory_free(block);
    }
    memory_free(NULL);
    assert_int_equal(memory_blocks(), 0);
}

static void test_memory__grows_with_its_contents(void **state)
{
    (void)state;
    int *items = NULL;
    for (size_t count = 1; count <= 1000; count *= 10) {
        assert_int_equal(memory_resize(&items, "test", count, sizeof *items), STATUS_OK);
        for (size_t i = 0; i < count / 10; i++)
            assert_int_equal(items[i], (int)i);
        for (size_t i = count / 10; i < count; i++)
            items[i] = (int)i;
    }
    assert_int_equal(memory_resize(&items, "test", 5, sizeof *items), STATUS_OK);
    assert_int_equal(items[4], 4);
    memory_free(items);
    assert_int_equal(memory_blocks(), 0);
}

static void test_memory__copies(void **state)
{
    (void)state;
    char *text, *bytes;
    assert_int_equal(memory_text(&text, "test", "zwei"), STATUS_OK);
    assert_string_equal(text, "zwei");
    assert_int_equal(memory_copy(&bytes, "test", "a\0b", 3), STATUS_OK);
    assert_memory_equal(bytes, "a\0b\0", 4);
    memory_free(text);
    memory_free(bytes);
    assert_int_equal(memory_blocks(), 0);
}

static bool find_report(const char *label, struct memory_label *out)
{
    for (size_t i = 0; memory_report(i, out); i++)
        if (strcmp(out->label, label) == 0)
            return true;
    return false;
}

static void test_memory__is_reported_by_label(void **state)
{
    (void)state;
    void *one, *two;
    struct memory_label report;
    assert_int_equal(memory_new(&one, "reported", 100, 1), STATUS_OK);
    assert_int_equal(memory_new(&two, "reported", 50, 2), STATUS_OK);
    memory_free(one);
    assert_true(find_report("reported", &report));
    assert_int_equal(report.bytes, 100);
    assert_int_equal(report.peak, 200);
    assert_int_equal(report.blocks, 1);
    memory_free(two);
    assert_false(find_report("never used", &report));
}

static void test_memory__failures_name_label_and_size(void **state)
{
    (void)state;
    void *block = NULL;
    assert_int_equal(memory_new(&block, "huge", SIZE_MAX / 2, 4), STATUS_INTERNAL);
    assert_non_null(strstr(status_message(), "'huge'"));
    assert_int_equal(memory_copy(&block, "huge", "", SIZE_MAX), STATUS_INTERNAL);
    fault_plan("memory:2", 0);
    assert_int_equal(memory_new(&block, "first", 1, 1), STATUS_OK);
    memory_free(block);
    assert_int_equal(memory_new(&block, "second", 17, 3), STATUS_INTERNAL);
    assert_non_null(strstr(status_message(), "out of memory: 51 bytes for 'second'"));
    fault_plan(NULL, 0);
    assert_int_equal(memory_blocks(), 0);
}

static void test_memory__a_failed_resize_keeps_the_block(void **state)
{
    (void)state;
    char *text;
    assert_int_equal(memory_text(&text, "test", "kept"), STATUS_OK);
    fault_plan("memory:1", 0);
    assert_int_equal(memory_resize(&text, "test", 100, 1), STATUS_INTERNAL);
    fault_plan(NULL, 0);
    assert_string_equal(text, "kept");
    memory_free(text);
}

static void test_memory__arena_grows_in_place(void **state)
{
    (void)state;
    struct arena *arena;
    struct memory_label report;
    float *taken[100], *first = NULL;
    assert_int_equal(arena_open(&arena, "arena test", 256), STATUS_OK);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++) {
            taken[i] = arena_take(arena, 10 + i, sizeof(float));
            assert_non_null(taken[i]);
            assert_int_equal((uintptr_t)taken[i] % MEMORY_ALIGNMENT, 0);
            for (size_t j = 0; j < 10 + i; j++)
                taken[i][j] = (float)i;
        }
        for (size_t i = 0; i < 100; i++)
            for (size_t j = 0; j < 10 + i; j++)
                assert_true(taken[i][j] == (float)i);
        assert_int_equal(arena_status(arena), STATUS_OK);
        assert_int_equal((char *)taken[99] + 109 * sizeof(float) + 12 - (char *)taken[0], arena_peak(arena));
        first = first ? first : taken[0];
        assert_ptr_equal(taken[0], first);
        arena_clear(arena);
        assert_true(find_report("arena test", &report));
        assert_int_equal(report.bytes, report.peak); /* what was held at once is held still, and no more */
        assert_int_equal(report.blocks, 2);          /* the arena and its pages */
        assert_in_range(
                report.bytes, arena_peak(arena), arena_peak(arena) + 4096); /* and nothing is held in vain */
    }
    assert_true(arena_peak(arena) >= 100 * 59 * sizeof(float));
    arena_close(arena);
    assert_int_equal(memory_blocks(), 0);
}

static void test_memory__arena_goes_back_to_a_mark(void **state)
{
    (void)state;
    struct arena *arena;
    assert_int_equal(arena_open(&arena, "test", 128), STATUS_OK);
    int *kept = arena_take_zeroed(arena, 4, sizeof *kept);
    assert_int_equal(kept[3], 0);
    kept[3] = 7;
    struct arena_mark mark = arena_mark(arena);
    char *first = arena_take(arena, 1000, 1);
    arena_take(arena, 5000, 1);
    arena_reset(arena, mark);
    assert_int_equal(kept[3], 7);
    assert_ptr_equal(arena_take(arena, 1000, 1), first);
    arena_close(arena);
    arena_close(NULL);
    assert_int_equal(memory_blocks(), 0);
}

static void test_memory__arena_remembers_a_failure(void **state)
{
    (void)state;
    struct arena *arena;
    fault_plan("memory:3", 0);
    assert_int_equal(arena_open(&arena, "test", 128), STATUS_OK);
    assert_null(arena_take(arena, 5000, 1));
    assert_null(arena_take(arena, SIZE_MAX / 2, 3));
    assert_int_equal(arena_status(arena), STATUS_INTERNAL);
    arena_clear(arena);
    assert_int_equal(arena_status(arena), STATUS_OK);
    assert_non_null(arena_take(arena, 5000, 1));
    arena_close(arena);
    fault_plan(NULL, 0);
    assert_int_equal(memory_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_memory__sizes_are_checked),
            cmocka_unit_test(test_memory__is_zeroed_and_aligned),
            cmocka_unit_test(test_memory__grows_with_its_contents),
            cmocka_unit_test(test_memory__copies),
            cmocka_unit_test(test_memory__is_reported_by_label),
            cmocka_unit_test(test_memory__failures_name_label_and_size),
            cmocka_unit_test(test_memory__a_failed_resize_keeps_the_block),
            cmocka_unit_test(test_memory__arena_grows_in_place),
            cmocka_unit_test(test_memory__arena_goes_back_to_a_mark),
            cmocka_unit_test(test_memory__arena_remembers_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
