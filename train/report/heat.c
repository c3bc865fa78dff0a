#include "comm/memory.h"
#include "train/report/report.h"

#include <string.h>

/* Units are pixels: a long sentence is scrolled, not made small. Pieces are cut after so many characters. */
enum { CELL = 22, GAP = 8, LABEL_MOST = 16, CHARACTER = 8, SLANT = 60 /* degrees of the source pieces */ };

struct map {
    const struct vocabulary *const *vocabularies;
    const int32_t *source, *target;
    size_t columns, count, rows; /* rows: count, and </s> where it was reached */
    const struct hypothesis *best;
    struct attention_planes planes;
};

static const char *piece_of(const struct map *map, enum side side, size_t i)
{
    if (side == TARGET && i == map->count)
        return vocabulary_piece(map->vocabularies[TARGET], TOKEN_END);
    return vocabulary_piece(map->vocabularies[side], side == SOURCE ? map->source[i] : map->target[i]);
}

/* Bytes of the first LABEL_MOST characters, and how wide they are at most; wide characters count twice. */
static size_t label_bytes(const char *piece, size_t *width)
{
    size_t bytes = 0, characters = 0;
    for (*width = 0; piece[bytes] && characters < LABEL_MOST; characters++) {
        *width += (unsigned char)piece[bytes] >= 0xe3 ? 2 : 1;
        for (bytes++; ((unsigned char)piece[bytes] & 0xc0) == 0x80;)
            bytes++;
    }
    *width += piece[bytes] ? 1 : 0;
    return bytes;
}

static enum status put_label(struct output *page, const char *piece)
{
    char label[LABEL_MOST * 4 + 8];
    size_t width, bytes = label_bytes(piece, &width);
    bytes = bytes < LABEL_MOST * 4 ? bytes : LABEL_MOST * 4; /* of bytes that are no UTF-8 */
    memcpy(label, piece, bytes);
    strcpy(label + bytes, piece[bytes] ? "…" : "");
    return page_text(page, label);
}

static size_t label_room(const struct map *map, enum side side, size_t count)
{
    size_t most = 1, width;
    for (size_t i = 0; i < count; i++) {
        label_bytes(piece_of(map, side, i), &width);
        most = width > most ? width : most;
    }
    return most * CHARACTER;
}

/* ---- the drawing ---- */

static float mean_of_last(const struct map *map, size_t t, size_t s)
{
    float sum = 0;
    size_t heads = map->planes.heads;
    for (size_t h = 0; h < heads; h++)
        sum += map->best->attention[(((map->planes.layers - 1) * heads + h) * map->rows + t) * map->columns +
                                    s];
    return sum / (float)heads;
}

static enum status draw_cells(struct output *page, const struct map *map, size_t left, size_t top)
{
    for (size_t t = 0; t < map->rows; t++)
        for (size_t s = 0; s < map->columns; s++)
            TRY(output_print(page,
                    "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" fill-opacity=\"%.2f\"/>%s",
                    left + s * CELL, top + t * CELL, CELL - 1, CELL - 1, (double)mean_of_last(map, t, s),
                    s + 1 == map->columns ? "\n" : ""));
    return STATUS_OK;
}

static enum status draw_labels(struct output *page, const struct map *map, size_t left, size_t top)
{
    for (size_t s = 0; s < map->columns; s++) {
        TRY(output_print(page, "<text transform=\"translate(%zu %zu) rotate(-%d)\">",
                left + s * CELL + CELL / 2 + 4, top - GAP, SLANT));
        TRY(put_label(page, piece_of(map, SOURCE, s)));
        TRY(page_html(page, "</text>"));
    }
    for (size_t t = 0; t < map->rows; t++) {
        TRY(output_print(page, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"end\">", left - GAP,
                top + t * CELL + CELL / 2 + 4));
        TRY(put_label(page, piece_of(map, TARGET, t)));
        TRY(page_html(page, "</text>"));
    }
    return STATUS_OK;
}

static enum status draw(struct output *page, const struct map *map)
{
    size_t slanted = label_room(map, SOURCE, map->columns);
    size_t left = label_room(map, TARGET, map->rows) + GAP + 4, top = slanted * 9 / 10 + GAP + 12;
    size_t width = left + map->columns * CELL + slanted / 2 + GAP, height = top + map->rows * CELL + GAP;
    TRY(output_print(page,
            "<div class=\"scroll\" tabindex=\"0\"><svg class=\"heat\" width=\"%zu\" height=\"%zu\"", width,
            height));
    TRY(page_html(page, " role=\"img\" aria-label=\"attention of each target piece (rows) to the source "
                        "pieces (columns)\">\n"));
    TRY(draw_labels(page, map, left, top));
    TRY(page_html(page, "<g class=\"cells\">\n"));
    TRY(draw_cells(page, map, left, top));
    return page_html(page, "</g></svg></div>\n");
}

/* ---- the sentence ---- */

static enum status put_text(struct output *page, const char *what, const char *text)
{
    TRY(page_html(page, "<dt>"));
    TRY(page_text(page, what));
    TRY(page_html(page, "</dt><dd>"));
    TRY(page_text(page, text));
    return page_html(page, "</dd>\n");
}

static enum status put_source(struct output *page, struct sample *sample, size_t i)
{
    const char *text;
    size_t bytes;
    TRY(sample_text(sample, SOURCE, sample->sources.ids + sample->sources.offsets[i],
            sentence_list_length(&sample->sources, i), &text, &bytes));
    return put_text(page, "source", text);
}

static enum status put_translations(struct output *page, const struct report *report, size_t i)
{
    const char *text;
    size_t bytes;
    for (size_t r = 0; r < report->count; r++) {
        TRY(sample_translation(&report->runs[r].sample, i, &text, &bytes));
        TRY(put_text(page, report->count > 1 ? report->runs[r].name : "translation", text));
    }
    return STATUS_OK;
}

static enum status put_reference(struct output *page, const struct sample *sample, size_t i)
{
    char *text;
    size_t start = (size_t)sample->starts[i];
    TRY(memory_copy(&text, "report", sample->references + start, (size_t)sample->starts[i + 1] - start));
    enum status status = put_text(page, "reference", text);
    memory_free(text);
    return status;
}

static enum status put_texts(struct output *page, const struct report *report, size_t i)
{
    struct sample *sample = &report->runs[0].sample;
    TRY(page_html(page, "<dl class=\"texts\">"));
    TRY(put_source(page, sample, i));
    TRY(put_translations(page, report, i));
    if (sample->starts)
        TRY(put_reference(page, sample, i));
    return page_html(page, "</dl>\n");
}

static struct map map_of(const struct sample *sample, size_t i)
{
    const struct hypothesis *best = sample->found[i].items;
    return (struct map){.vocabularies = (const struct vocabulary *const *)sample->saved.vocabularies,
            .source = sample->sources.ids + sample->sources.offsets[i],
            .target = best->ids,
            .columns = sentence_list_length(&sample->sources, i),
            .count = best->count,
            .rows = best->count + best->ended,
            .best = best,
            .planes = sample->planes};
}

static enum status put_map(struct output *page, const struct report *report, size_t i)
{
    struct map map = map_of(&report->runs[0].sample, i);
    TRY(page_html(page, "<figure class=\"map\">\n"));
    TRY(put_texts(page, report, i));
    if (report->count == 1 && map.best->attention)
        TRY(draw(page, &map));
    return page_html(page, "</figure>\n");
}

/* ---- data for the script ---- */

static cJSON *json_pieces(const struct map *map, enum side side, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateString(piece_of(map, side, i)));
    return array;
}

/* Two hexadecimal digits a weight, ff being 1. */
static enum status add_weights(cJSON *object, const struct hypothesis *best)
{
    static const char digits[] = "0123456789abcdef";
    char *text;
    TRY(memory_new(&text, "report", best->attention_count + 1, 2));
    for (size_t i = 0; i < best->attention_count; i++) {
        int value = (int)(best->attention[i] * 255 + 0.5f);
        value = value < 0 ? 0 : value > 255 ? 255 : value;
        text[2 * i] = digits[value / 16];
        text[2 * i + 1] = digits[value % 16];
    }
    cJSON_AddStringToObject(object, "weights", text);
    memory_free(text);
    return STATUS_OK;
}

static enum status add_map(cJSON *maps, const struct sample *sample, size_t i)
{
    struct map map = map_of(sample, i);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(maps, object);
    cJSON_AddItemToObject(object, "source", json_pieces(&map, SOURCE, map.columns));
    cJSON_AddItemToObject(object, "target", json_pieces(&map, TARGET, map.rows));
    return add_weights(object, map.best);
}

static enum status put_data(struct output *page, const struct sample *sample)
{
    cJSON *data = cJSON_CreateObject();
    cJSON_AddNumberToObject(data, "layers", (double)sample->planes.layers);
    cJSON_AddNumberToObject(data, "heads", (double)sample->planes.heads);
    cJSON *maps = cJSON_AddArrayToObject(data, "maps");
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sample->shown_count && status == STATUS_OK; i++)
        status = add_map(maps, sample, sample->shown[i]);
    if (status == STATUS_OK)
        status = page_json(page, data);
    cJSON_Delete(data);
    return status;
}

static const char *about(const struct report *report)
{
    if (report->count > 1)
        return "The same sentences by each of the runs; a report of one run shows what its pieces look at.";
    if (report->runs[0].sample.planes.layers == 0)
        return "This model has no attention.";
    return "Rows: pieces of the translation; columns: pieces of the source. The stronger the colour, the "
           "more is "
           "looked at; a row sums to 1. Shown is <span id=\"shown\">the last layer, the mean of all "
           "heads</span>.";
}

enum status heat_write(struct output *page, const struct report *report)
{
    const struct sample *sample = &report->runs[0].sample;
    if (!report->translated || sample->shown_count == 0)
        return STATUS_OK;
    TRY(page_html(
            page, report->count > 1
                          ? "<section><h2>Translations</h2>\n<p class=\"note\">"
                          : "<section id=\"maps\"><h2>What translations look at</h2>\n<p class=\"note\">"));
    TRY(page_html(page, about(report)));
    TRY(page_html(page, "</p>\n"));
    for (size_t i = 0; i < sample->shown_count; i++)
        TRY(put_map(page, report, sample->shown[i]));
    if (report->count == 1 && sample->planes.layers > 0)
        TRY(put_data(page, sample));
    return page_html(page, "</section>\n");
}
