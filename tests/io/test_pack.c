#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/memory.h"
#include "comm/random.h"
#include "io/h5.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { ROWS = 1000 };

/* Weights-like floats: normal, with a few specials. */
static void fill_floats(float *values, size_t count)
{
    struct random_stream stream = random_stream(7, RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = 0.05f * (float)random_normal(&stream, i);
    values[0] = -0.0f;
    values[1] = (float)(1e-42); /* denormal */
}

static struct h5_array array_of(enum h5_type type, size_t text_bytes, size_t rows, int compression)
{
    struct h5_array array = {.name = "/x",
            .type = type,
            .text_bytes = text_bytes,
            .rank = 1,
            .shape = {rows},
            .chunk_rows = rows,
            .compression = compression};
    return array;
}

static void check_round_trip(const struct h5_array *array, const void *chunk)
{
    uint8_t *packed = NULL, *back = calloc(1, h5_chunk_bytes(array));
    size_t capacity = 0, bytes;
    assert_int_equal(h5_pack(array, chunk, &packed, &capacity, &bytes), STATUS_OK);
    assert_true(bytes <= capacity);
    assert_int_equal(h5_unpack(array, packed, bytes, back), STATUS_OK);
    assert_memory_equal(back, chunk, h5_chunk_bytes(array));
    free(back);
    memory_free(packed);
    assert_int_equal(memory_blocks(), 0);
}

static void test_pack__round_trips_every_type_and_level(void **state)
{
    (void)state;
    static double chunk[ROWS];
    fill_floats((float *)chunk, 2 * ROWS);
    static const enum h5_type types[] = {H5_FLOAT32, H5_FLOAT64, H5_INT32, H5_INT64, H5_BYTE, H5_TEXT};
    static const size_t rows[] = {1, 2, 3, 63, 64, ROWS};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            for (int level = 0; level <= 9; level++) {
                struct h5_array array = array_of(types[t], types[t] == H5_TEXT ? 5 : 0, rows[r], level);
                check_round_trip(&array, chunk);
            }
}

static void test_pack__planes_beat_plain_deflate_on_weights(void **state)
{
    (void)state;
    enum { COUNT = 65536 };
    float *weights = malloc(COUNT * sizeof *weights);
    uint8_t *packed = NULL;
    size_t capacity = 0, bytes;
    fill_floats(weights, COUNT);
    struct h5_array array = array_of(H5_FLOAT32, 0, COUNT, 1);
    check_round_trip(&array, weights);
    assert_int_equal(h5_pack(&array, weights, &packed, &capacity, &bytes), STATUS_OK);
    assert_true((double)COUNT * 4 / (double)bytes > 1.15);
    memory_free(packed);
    free(weights);
}

/* A stream that declares a small chunk and would fill memory: stopped where the chunk ends. */
static void test_pack__refuses_a_decompression_bomb(void **state)
{
    (void)state;
    enum { BOMB = 64 << 20 };
    struct h5_array array = array_of(H5_FLOAT32, 0, 16384, 1);
    uint8_t *zeros = calloc(1, BOMB), *chunk = malloc(h5_chunk_bytes(&array));
    uLongf bytes = compressBound(BOMB);
    uint8_t *bomb = malloc(bytes);
    assert_int_equal(compress(bomb, &bytes, zeros, BOMB), Z_OK);
    struct memory_label label;
    assert_int_equal(h5_unpack(&array, bomb, bytes, chunk), STATUS_DATA);
    assert_non_null(strstr(status_message(), "gives more"));
    for (size_t i = 0; memory_report(i, &label); i++)
        if (strcmp(label.label, "h5") == 0)
            assert_true(label.peak < 1 << 20);
    free(zeros);
    free(chunk);
    free(bomb);
}

static void test_pack__refuses_damage(void **state)
{
    (void)state;
    float values[64], back[64];
    uint8_t *packed = NULL;
    size_t capacity = 0, bytes;
    fill_floats(values, 64);
    struct h5_array array = array_of(H5_FLOAT32, 0, 64, 1), larger = array_of(H5_FLOAT32, 0, 65, 1);
    assert_int_equal(h5_pack(&array, values, &packed, &capacity, &bytes), STATUS_OK);
    for (size_t i = 0; i < bytes; i++) {
        packed[i] ^= 0x10;
        /* zlib's header has bits that change nothing; all else is found. */
        if (h5_unpack(&array, packed, bytes, back) == STATUS_OK)
            assert_memory_equal(values, back, sizeof values);
        packed[i] ^= 0x10;
        assert_int_equal(h5_unpack(&array, packed, i, back), STATUS_DATA);
    }
    float room[65];
    assert_int_equal(h5_unpack(&larger, packed, bytes, room), STATUS_DATA);
    assert_non_null(strstr(status_message(), "gives fewer"));
    assert_int_equal(h5_unpack(&array, packed, (size_t)1 << 40, back), STATUS_DATA);
    array.compression = 0;
    assert_int_equal(h5_unpack(&array, packed, bytes, back), STATUS_DATA);
    memory_free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_pack__round_trips_every_type_and_level),
            cmocka_unit_test(test_pack__planes_beat_plain_deflate_on_weights),
            cmocka_unit_test(test_pack__refuses_a_decompression_bomb),
            cmocka_unit_test(test_pack__refuses_damage),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
