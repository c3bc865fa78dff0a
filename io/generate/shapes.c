#include "io/generate/rules.h"

#include "comm/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two things on a light ground, and where the first is as seen from the second: one caption is right, not two. */
enum { SIDE = SHAPES_SIDE, SIZES = 2, COLOURS = 4, SHAPES = 3, PLACES = 2, PATH_BYTES = 4096 };

static const char *const size_names[SIZES] = {"small", "big"};
static const char *const shape_names[SHAPES] = {"circle", "square", "triangle"};
static const char *const place_names[PLACES] = {"left of", "above"};
static const struct {
    const char *name;
    uint8_t channels[3];
} colours[COLOURS] = {{"red", {220, 40, 40}}, {"green", {40, 170, 60}}, {"blue", {50, 70, 220}},
        {"yellow", {235, 200, 40}}};

struct thing {
    int size, colour, shape;
    int x, y; /* its middle */
};

struct scene {
    struct thing things[2];
    int place;
};

static int draw(const struct random_stream *draws, uint64_t *index, int limit)
{
    return (int)random_below(draws, (*index)++, (uint64_t)limit);
}

static uint64_t thing_number(const struct thing *thing)
{
    return (uint64_t)((thing->size * COLOURS + thing->colour) * SHAPES + thing->shape);
}

/* What is said of a scene as a number, wherever its things lie. */
static uint64_t scene_number(const struct scene *scene)
{
    uint64_t number = (uint64_t)scene->place;
    for (int i = 0; i < 2; i++)
        number = number * SIZES * COLOURS * SHAPES + thing_number(&scene->things[i]);
    return number;
}

/* The first thing near one end of an axis, the second near the other, both about as far along the other axis. */
static void place_things(const struct random_stream *draws, uint64_t *index, struct scene *scene)
{
    int near = 6 + draw(draws, index, 4), far = SIDE - 7 - draw(draws, index, 4);
    int other = 9 + draw(draws, index, SIDE - 18), shift = draw(draws, index, 5) - 2;
    bool down = scene->place == 1;
    int along[2] = {near, far}, across[2] = {other, other + shift};
    for (int i = 0; i < 2; i++) {
        scene->things[i].x = down ? across[i] : along[i];
        scene->things[i].y = down ? along[i] : across[i];
    }
}

static struct scene draw_scene(const struct line *line, uint64_t *index)
{
    const struct random_stream *draws = &line->draws;
    struct scene scene;
    do {
        scene.place = draw(draws, index, PLACES);
        for (int i = 0; i < 2; i++)
            scene.things[i] = (struct thing){.size = draw(draws, index, SIZES),
                    .colour = draw(draws, index, COLOURS),
                    .shape = draw(draws, index, SHAPES)};
    } while (generate_split(line->seed, SHAPES_GROUP, scene_number(&scene)) != line->split);
    place_things(draws, index, &scene);
    return scene;
}

static bool covers(const struct thing *thing, int x, int y)
{
    int radius = thing->size ? 6 : 3, dx = abs(x - thing->x), dy = y - thing->y;
    switch (thing->shape) {
    case 0:
        return dx * dx + dy * dy <= radius * radius;
    case 1:
        return dx < radius && abs(dy) < radius;
    default: /* its tip is up */
        return abs(dy) < radius && 2 * dx <= dy + radius;
    }
}

static void paint(
        const struct scene *scene, const struct random_stream *draws, uint64_t *index, uint8_t *pixels)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++) {
                int value = 230;
                for (int i = 0; i < 2; i++)
                    if (covers(&scene->things[i], x, y))
                        value = colours[scene->things[i].colour].channels[c];
                *pixels++ = (uint8_t)(value + draw(draws, index, 41) - 20);
            }
}

static enum status write_picture(const char *path, const uint8_t *pixels)
{
    const size_t bytes = SIDE * SIDE * 3;
    FILE *file = fopen(path, "wb");
    if (!file)
        return status_fail_errno("create", path);
    bool written = fprintf(file, "P6\n%d %d\n255\n", SIDE, SIDE) > 0 &&
                   fwrite(pixels, 1, bytes, file) == bytes && !fault_fires(FAULT_WRITE);
    return fclose(file) == 0 && written ? STATUS_OK : status_fail_errno("write", path);
}

enum status shapes_say(const struct generator *generator, const struct line *line, struct phrase out[SIDES])
{
    uint64_t index = 0;
    uint8_t pixels[SIDE * SIDE * 3];
    char path[PATH_BYTES];
    struct scene scene = draw_scene(line, &index);
    out[SOURCE].bytes = out[TARGET].bytes = 0;
    phrase_add(
            &out[SOURCE], "%s/%s-%06zu.ppm", generator->pictures, split_names[line->split], line->number + 1);
    for (int i = 0; i < 2; i++) {
        const struct thing *thing = &scene.things[i];
        phrase_add(&out[TARGET], "%sa %s %s %s", i ? " " : "", size_names[thing->size],
                colours[thing->colour].name, shape_names[thing->shape]);
        if (i == 0)
            phrase_add(&out[TARGET], " %s", place_names[scene.place]);
    }
    paint(&scene, &line->draws, &index, pixels);
    int bytes = snprintf(path, sizeof path, "%s/%s", line->folder, out[SOURCE].text);
    CHECK(bytes < PATH_BYTES, STATUS_USAGE, "--output: expected a path below %d bytes, found %zu", PATH_BYTES,
            strlen(line->folder));
    return write_picture(path, pixels);
}
