#include "comm/memory.h"
#include "train/report/report.h"

#include <stdio.h>

/* ---- the map of a sentence ---- */

static struct map map_of(const struct sample *sample, size_t i)
{
    const struct hypothesis *best = sample->found[i].items;
    const struct sentence_list *sources = &sample->sources;
    size_t first = (size_t)sources->offsets[i] * sentence_list_words(sources);
    return (struct map){.form = saved_ensemble_form(&sample->saved),
            .vocabularies = (const struct vocabulary *const *)sample->saved.vocabularies,
            .source = sources->ids + first,
            .columns = attention_columns(&sample->planes, sentence_list_length(sources, i)),
            .rows = best->count + best->ended,
            .best = best,
            .planes = sample->planes};
}

const char *map_target(const struct map *map, size_t t)
{
    return vocabulary_piece(map->vocabularies[TARGET], t < map->best->count ? map->best->ids[t] : TOKEN_END);
}

/* What a column is called; `room` is for what is no piece. */
static const char *name_column(const struct map *map, size_t s, char room[64])
{
    if (map->form->kind == SOURCE_TEXT)
        return vocabulary_piece(map->vocabularies[SOURCE], map->source[s]);
    if (map->form->kind == SOURCE_FRAMES)
        snprintf(room, 64, "frame %zu", s + 1);
    else
        snprintf(room, 64, "row %zu, column %zu", s / map->planes.width + 1, s % map->planes.width + 1);
    return room;
}

float map_mean(const struct map *map, size_t t, size_t s)
{
    float sum = 0;
    size_t heads = map->planes.heads, first = (map->planes.layers - 1) * heads;
    for (size_t h = 0; h < heads; h++)
        sum += map->best->attention[((first + h) * map->rows + t) * map->columns + s];
    return sum / (float)heads;
}

float map_whole(const struct map *map, size_t t)
{
    float most = 1e-9f;
    for (size_t s = 0; s < map->columns; s++)
        most = map_mean(map, t, s) > most ? map_mean(map, t, s) : most;
    return map->form->kind == SOURCE_TEXT ? 1 : most;
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
    if (saved_ensemble_form(&sample->saved)->kind == SOURCE_TEXT)
        TRY(put_source(page, sample, i));
    TRY(put_translations(page, report, i));
    if (sample->starts)
        TRY(put_reference(page, sample, i));
    return page_html(page, "</dl>\n");
}

/* ---- data for the script ---- */

static void add_names(cJSON *object, const struct map *map)
{
    char room[64];
    cJSON *source = cJSON_AddArrayToObject(object, "source"),
          *target = cJSON_AddArrayToObject(object, "target");
    for (size_t s = 0; s < map->columns; s++)
        cJSON_AddItemToArray(source, cJSON_CreateString(name_column(map, s, room)));
    for (size_t t = 0; t < map->rows; t++)
        cJSON_AddItemToArray(target, cJSON_CreateString(map_target(map, t)));
}

/* Three hexadecimal digits a weight, fff being 1. */
static enum status add_weights(cJSON *object, const struct hypothesis *best)
{
    static const char digits[] = "0123456789abcdef";
    char *text;
    TRY(memory_new(&text, "report", best->attention_count + 1, 3));
    for (size_t i = 0; i < best->attention_count; i++) {
        int value = (int)(best->attention[i] * 4095 + 0.5f);
        value = value < 0 ? 0 : value > 4095 ? 4095 : value;
        text[3 * i] = digits[value / 256];
        text[3 * i + 1] = digits[value / 16 % 16];
        text[3 * i + 2] = digits[value % 16];
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
    add_names(object, &map);
    return add_weights(object, map.best);
}

static enum status put_data(struct output *page, const struct sample *sample)
{
    cJSON *data = cJSON_CreateObject();
    cJSON_AddNumberToObject(data, "layers", (double)sample->planes.layers);
    cJSON_AddNumberToObject(data, "heads", (double)sample->planes.heads);
    enum source_kind kind = saved_ensemble_form(&sample->saved)->kind;
    cJSON_AddBoolToObject(data, "relative", kind != SOURCE_TEXT);
    cJSON_AddBoolToObject(data, "over", kind == SOURCE_IMAGES);
    cJSON *maps = cJSON_AddArrayToObject(data, "maps");
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sample->shown_count && status == STATUS_OK; i++)
        status = add_map(maps, sample, sample->shown[i]);
    if (status == STATUS_OK)
        status = page_json(page, data);
    cJSON_Delete(data);
    return status;
}

static enum status put_map(struct output *page, const struct report *report, size_t i)
{
    struct map map = map_of(&report->runs[0].sample, i);
    bool image = map.form->kind == SOURCE_IMAGES, attends = report->count == 1 && map.best->attention;
    TRY(page_html(page, "<figure class=\"map\">\n"));
    TRY(put_texts(page, report, i));
    if (image)
        TRY(picture_draw(page, &map, i, attends));
    else if (attends)
        TRY(heat_draw(page, &map));
    return page_html(page, "</figure>\n");
}

/* ---- the section ---- */

static const char *about(const struct report *report)
{
    static const char *const words[] = {
            [SOURCE_TEXT] = "Rows: pieces of the translation; columns: pieces of the source. The stronger "
                            "the colour, the more is looked at; a row sums to 1.",
            [SOURCE_FRAMES] =
                    "Rows: pieces of the translation; columns: frames of the source. The stronger the "
                    "colour, the more is looked at; the strongest of a row is what is looked at most.",
            [SOURCE_IMAGES] = "The picture as each piece sees it: what is looked at most is as bright as it "
                              "is, the rest the darker, the less."};
    const struct sample *sample = &report->runs[0].sample;
    if (report->count > 1)
        return "The same sentences by each of the runs; a report of one run shows what its pieces look at.";
    if (sample->planes.layers == 0)
        return "This model has no attention.";
    return words[saved_ensemble_form(&sample->saved)->kind];
}

enum status sentences_write(struct output *page, const struct report *report)
{
    static const char shown[] = " Shown is <span id=\"shown\">the last layer, the mean of all heads</span>.";
    const struct sample *sample = &report->runs[0].sample;
    bool attends = report->count == 1 && sample->planes.layers > 0;
    if (!report->translated || sample->shown_count == 0)
        return STATUS_OK;
    TRY(page_html(page, report->count > 1 ? "<section><h2>Translations</h2>\n"
                                          : "<section id=\"maps\"><h2>What translations look at</h2>\n"));
    TRY(page_html(page, "<p class=\"note\">"));
    TRY(page_html(page, about(report)));
    TRY(page_html(page, attends ? shown : ""));
    TRY(page_html(page, "</p>\n"));
    for (size_t i = 0; i < sample->shown_count; i++)
        TRY(put_map(page, report, sample->shown[i]));
    if (attends)
        TRY(put_data(page, sample));
    return page_html(page, "</section>\n");
}
