#include "models/parameters.h"

#include "comm/memory.h"
#include "comm/random.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

/* Parameters start on multiples of a cache line. */
enum { ALIGN_FLOATS = MEMORY_ALIGNMENT / sizeof(float) };

/* Elements initialised by one thread at a time. */
enum { INITIALISE_TILE = 16384 };

void parameters_init(struct parameters *parameters)
{
    *parameters = (struct parameters){0};
}

void parameters_release(struct parameters *parameters)
{
    memory_free(parameters->items);
    memory_free(parameters->values);
    *parameters = (struct parameters){0};
}

static enum status grow(struct parameters *parameters)
{
    if (parameters->count < parameters->capacity)
        return STATUS_OK;
    size_t capacity = parameters->capacity ? 2 * parameters->capacity : 64;
    TRY(memory_resize(&parameters->items, "parameters", capacity, sizeof *parameters->items));
    parameters->capacity = capacity;
    return STATUS_OK;
}

enum status parameters_declare(struct parameters *parameters, const struct parameter *parameter, size_t *out)
{
    const struct flat_array *array = &parameter->array;
    ASSERT(!parameters->values && array->rank > 0 && array->rank <= H5_RANK_LIMIT);
    CHECK(!parameters_find(parameters, array->name), STATUS_INTERNAL, "parameter %s is declared twice",
            array->name);
    size_t floats = 1, end;
    bool fits = true;
    for (int i = 0; i < array->rank; i++)
        fits = fits && size_multiply(&floats, floats, array->shape[i]);
    fits = fits && size_add(&end, parameters->floats, floats) && size_add(&end, end, ALIGN_FLOATS - 1);
    CHECK(fits, STATUS_INTERNAL, "parameter %s exceeds the address space", array->name);
    TRY(grow(parameters));
    struct parameter *item = &parameters->items[parameters->count];
    *item = *parameter;
    item->floats = floats;
    item->array.offset = parameters->floats;
    parameters->floats = end / ALIGN_FLOATS * ALIGN_FLOATS;
    *out = parameters->count++;
    return STATUS_OK;
}

enum status parameters_allocate(struct parameters *parameters)
{
    ASSERT(!parameters->values);
    return memory_new(&parameters->values, "parameters", parameters->floats, sizeof *parameters->values);
}

/* The value of element i, given what the draw depends on. */
static float initial_value(const struct parameter *parameter, const struct random_stream *stream, size_t i)
{
    switch (parameter->initialiser) {
    case INITIALISE_ZERO:
        return 0;
    case INITIALISE_ONE:
        return 1;
    case INITIALISE_XAVIER: {
        double limit = sqrt(6.0 / (double)(parameter->fan_in + parameter->fan_out));
        return (float)(limit * (2 * random_uniform(stream, i) - 1));
    }
    case INITIALISE_NORMAL:
        return (float)(parameter->scale * random_normal(stream, i));
    }
    return 0;
}

static void initialise_one(const struct parameter *parameter, uint64_t seed, float *values)
{
    const struct flat_array *array = &parameter->array;
    /* The name takes the place of the update in the key: 32 bits, no order of declaration. */
    uint32_t name = (uint32_t)crc32(0, (const Bytef *)array->name, (uInt)strlen(array->name));
    struct random_stream stream = random_stream(seed, RANDOM_INITIALISE, name, 0, 0);
    size_t row = array->shape[0] ? parameter->floats / array->shape[0] : 0;
    size_t drawn = parameter->floats - parameter->zero_rows * row;
    size_t tiles = (drawn + INITIALISE_TILE - 1) / INITIALISE_TILE;
#pragma omp parallel for schedule(dynamic)
    for (size_t tile = 0; tile < tiles; tile++) {
        size_t first = tile * INITIALISE_TILE;
        size_t end = first + INITIALISE_TILE < drawn ? first + INITIALISE_TILE : drawn;
        for (size_t i = first; i < end; i++)
            values[i] = initial_value(parameter, &stream, i);
    }
    memset(values + drawn, 0, (parameter->floats - drawn) * sizeof *values);
    for (size_t i = 0; i < parameter->ones.count; i++)
        values[parameter->ones.first + i] = 1;
}

void parameters_initialise(struct parameters *parameters, uint64_t seed)
{
    for (size_t i = 0; i < parameters->count; i++)
        initialise_one(&parameters->items[i], seed, parameters->values + parameters->items[i].array.offset);
}

size_t parameters_count(const struct parameters *parameters)
{
    size_t count = 0;
    for (size_t i = 0; i < parameters->count; i++)
        count += parameters->items[i].floats;
    return count;
}

const struct parameter *parameters_find(const struct parameters *parameters, const char *name)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (strcmp(parameters->items[i].array.name, name) == 0)
            return &parameters->items[i];
    return NULL;
}
