#include "comm/memory.h"
#include "train/report/report.h"

/* How dark a cell is that nothing looks at. */
#define DARKEST 0.85

/* ---- the picture as part of the page ---- */

static enum status put_base64(struct output *page, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        three |= i + 1 < count ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= i + 2 < count ? bytes[i + 2] : 0;
        const char text[] = {digits[three >> 18], digits[three >> 12 & 63],
                i + 1 < count ? digits[three >> 6 & 63] : '=', i + 2 < count ? digits[three & 63] : '='};
        TRY(output_write(page, text, sizeof text));
    }
    return STATUS_OK;
}

/* Once, for all that show it. */
static enum status define(struct output *page, const struct map *map, size_t number)
{
    uint8_t *png;
    size_t bytes;
    TRY(source_png(&png, &bytes, map->form, map->source));
    enum status status = output_print(page,
            "<svg class=\"defined\"><defs><image id=\"picture%zu\" width=\"%zu\" height=\"%zu\" ", number,
            map->form->width, map->form->height);
    if (status == STATUS_OK)
        status = page_html(page, "href=\"data:image/png;base64,");
    if (status == STATUS_OK)
        status = put_base64(page, png, bytes);
    memory_free(png);
    return status == STATUS_OK ? page_html(page, "\"/></defs></svg>\n") : status;
}

static enum status open_tile(struct output *page, const struct map *map, size_t number, const char *words)
{
    TRY(output_print(page, "<div class=\"tile\"><svg viewBox=\"0 0 %zu %zu\" role=\"img\" aria-label=\"",
            map->form->width, map->form->height));
    TRY(page_text(page, words));
    return output_print(page, "\"><use href=\"#picture%zu\"/>", number);
}

static enum status close_tile(struct output *page, const char *words)
{
    TRY(page_html(page, "</svg>"));
    TRY(page_text(page, words));
    return page_html(page, "</div>\n");
}

/* ---- the cells over it ---- */

/* Pixels of a side that a cell stands for: `cells` halvings of it are left. The last one may be cut. */
static size_t cell_side(size_t pixels, size_t cells)
{
    size_t side = 1;
    while (side * cells < pixels)
        side *= 2;
    return side;
}

static enum status draw_cell(struct output *page, const struct map *map, size_t s, double dark)
{
    size_t width = map->form->width, height = map->form->height, down = cell_side(height, map->planes.height);
    size_t across = cell_side(width, map->planes.width);
    size_t x = s % map->planes.width * across, y = s / map->planes.width * down;
    return output_print(page,
            "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" fill-opacity=\"%.3f\"/>", x, y,
            x + across < width ? across : width - x, y + down < height ? down : height - y, dark);
}

static enum status draw_cells(struct output *page, const struct map *map, size_t t)
{
    float whole = map_whole(map, t);
    TRY(page_html(page, "<g class=\"cells veil\">\n"));
    for (size_t s = 0; s < map->columns; s++)
        TRY(draw_cell(page, map, s, DARKEST * (1 - (double)(map_mean(map, t, s) / whole))));
    return page_html(page, "</g>");
}

enum status picture_draw(struct output *page, const struct map *map, size_t number, bool attends)
{
    char name[32];
    snprintf(name, sizeof name, "picture %zu", number + 1);
    TRY(define(page, map, number));
    TRY(page_html(page, "<div class=\"tiles\">\n"));
    TRY(open_tile(page, map, number, name));
    TRY(close_tile(page, name));
    for (size_t t = 0; attends && t < map->rows; t++) {
        TRY(open_tile(page, map, number, map_target(map, t)));
        TRY(draw_cells(page, map, t));
        TRY(close_tile(page, map_target(map, t)));
    }
    return page_html(page, "</div>\n");
}
