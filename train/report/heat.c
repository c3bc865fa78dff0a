#include "train/report/report.h"

#include <string.h>

/* Units are pixels: a long sentence is scrolled, not made small. Pieces are cut after so many characters. Frames are narrow
 * where there are many. */
enum {
    CELL = 22,
    NARROWEST = 3,
    FRAMES_WIDTH = 880,
    GAP = 8,
    LABEL_MOST = 16,
    CHARACTER = 8,
    SLANT = 60, /* degrees of the source pieces */
    NUMBERS_HEIGHT = 40
};

/* Where the cells are. */
struct area {
    size_t left, top, cell; /* cell: width of one */
    size_t right;           /* room for what leans over */
};

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

static size_t label_room(
        const struct map *map, const char *(*name)(const struct map *map, size_t i), size_t count)
{
    size_t most = 1, width;
    for (size_t i = 0; i < count; i++) {
        label_bytes(name(map, i), &width);
        most = width > most ? width : most;
    }
    return most * CHARACTER;
}

static const char *source_piece(const struct map *map, size_t s)
{
    return vocabulary_piece(map->vocabularies[SOURCE], map->source[s]);
}

/* ---- cells and the pieces of the translation ---- */

static enum status draw_cells(struct output *page, const struct map *map, const struct area *area)
{
    for (size_t t = 0; t < map->rows; t++) {
        float whole = map_whole(map, t);
        for (size_t s = 0; s < map->columns; s++)
            TRY(output_print(page,
                    "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill-opacity=\"%.2f\"/>%s",
                    area->left + s * area->cell, area->top + t * CELL, area->cell - 1, CELL - 1,
                    (double)(map_mean(map, t, s) / whole), s + 1 == map->columns ? "\n" : ""));
    }
    return STATUS_OK;
}

static enum status draw_rows(struct output *page, const struct map *map, const struct area *area)
{
    for (size_t t = 0; t < map->rows; t++) {
        TRY(output_print(page, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"end\">", area->left - GAP,
                area->top + t * CELL + CELL / 2 + 4));
        TRY(put_label(page, map_target(map, t)));
        TRY(page_html(page, "</text>"));
    }
    return STATUS_OK;
}

/* ---- above them: pieces that lean, or numbers of frames ---- */

static enum status draw_pieces(struct output *page, const struct map *map, const struct area *area)
{
    for (size_t s = 0; s < map->columns; s++) {
        TRY(output_print(page, "<text transform=\"translate(%zu %zu) rotate(-%d)\">",
                area->left + s * CELL + CELL / 2 + 4, area->top - GAP, SLANT));
        TRY(put_label(page, source_piece(map, s)));
        TRY(page_html(page, "</text>"));
    }
    return STATUS_OK;
}

static enum status draw_numbers(struct output *page, const struct map *map, const struct area *area)
{
    size_t step = (size_t)figure_step(map->columns > 8 ? (double)map->columns : 8, 8);
    TRY(output_print(
            page, "<text x=\"%zu\" y=\"%zu\">frames of the source</text>", area->left, area->top - GAP - 18));
    for (size_t n = step; n <= map->columns; n += step)
        TRY(output_print(page, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\">%zu</text>",
                area->left + n * area->cell - area->cell / 2, area->top - GAP, n));
    return STATUS_OK;
}

static struct area area_of(const struct map *map)
{
    struct area area = {.left = label_room(map, map_target, map->rows) + GAP + 4, .cell = CELL};
    if (map->form->kind == SOURCE_TEXT) {
        size_t slanted = label_room(map, source_piece, map->columns);
        area.top = slanted * 9 / 10 + GAP + 12;
        area.right = slanted / 2 + GAP;
        return area;
    }
    size_t fitting = FRAMES_WIDTH / (map->columns + 1);
    area.cell = fitting > CELL ? CELL : fitting < NARROWEST ? NARROWEST : fitting;
    area.top = NUMBERS_HEIGHT;
    area.right = map->columns * area.cell < 160 ? 160 : GAP; /* the words above */
    return area;
}

enum status heat_draw(struct output *page, const struct map *map)
{
    struct area area = area_of(map);
    bool text = map->form->kind == SOURCE_TEXT;
    TRY(output_print(page,
            "<div class=\"scroll\" tabindex=\"0\"><svg class=\"heat\" width=\"%zu\" height=\"%zu\"",
            area.left + map->columns * area.cell + area.right, area.top + map->rows * CELL + GAP));
    TRY(output_print(
            page, " role=\"img\" aria-label=\"attention of each target piece (rows) to the source "));
    TRY(output_print(page, "%s (columns)\">\n", text ? "pieces" : "frames"));
    TRY(text ? draw_pieces(page, map, &area) : draw_numbers(page, map, &area));
    TRY(draw_rows(page, map, &area));
    TRY(page_html(page, "<g class=\"cells\">\n"));
    TRY(draw_cells(page, map, &area));
    return page_html(page, "</g></svg></div>\n");
}
