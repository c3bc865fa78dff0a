#include "io/source.h"

#include <stdio.h>
#include <string.h>

#define MARK   "seqtrain source: "
#define FRAMES "frames of %zu values"
#define IMAGES "images of %zux%zux%zu"

size_t source_values(const struct source_form *form)
{
    return form->kind == SOURCE_IMAGES ? form->width * form->channels : form->width;
}

size_t source_words(const struct source_form *form)
{
    switch (form->kind) {
    case SOURCE_FRAMES:
        return form->width;
    case SOURCE_IMAGES:
        return form->width * form->channels / sizeof(int32_t);
    default:
        return 1;
    }
}

bool source_is_possible(const struct source_form *form)
{
    if (form->kind == SOURCE_FRAMES)
        return form->width > 0 && form->width <= SOURCE_WIDTH_MOST;
    return form->width > 0 && form->width <= SOURCE_PIXELS_MOST && form->height > 0 &&
           form->height <= SOURCE_PIXELS_MOST && (form->channels == 1 || form->channels == 3) &&
           form->width * form->channels % sizeof(int32_t) == 0;
}

bool source_same(const struct source_form *a, const struct source_form *b)
{
    return a->kind == b->kind && a->width == b->width && a->height == b->height && a->channels == b->channels;
}

void source_describe(const struct source_form *form, char out[SOURCE_FORM_BYTES])
{
    if (form->kind == SOURCE_FRAMES)
        snprintf(out, SOURCE_FORM_BYTES, FRAMES, form->width);
    else if (form->kind == SOURCE_IMAGES)
        snprintf(out, SOURCE_FORM_BYTES, IMAGES, form->height, form->width, form->channels);
    else
        snprintf(out, SOURCE_FORM_BYTES, "text");
}

void source_write_form(const struct source_form *form, char out[SOURCE_FORM_BYTES])
{
    char text[SOURCE_FORM_BYTES];
    source_describe(form, text);
    snprintf(out, SOURCE_FORM_BYTES, MARK "%.*s", SOURCE_FORM_BYTES - (int)sizeof MARK, text);
}

bool source_read_form(struct source_form *out, const void *bytes, size_t count)
{
    char text[SOURCE_FORM_BYTES] = {0}, again[SOURCE_FORM_BYTES];
    struct source_form form = {.kind = SOURCE_FRAMES};
    if (count >= sizeof text)
        return false;
    memcpy(text, bytes, count);
    if (sscanf(text, MARK FRAMES, &form.width) != 1) {
        form.kind = SOURCE_IMAGES;
        if (sscanf(text, MARK IMAGES, &form.height, &form.width, &form.channels) != 3)
            return false;
    }
    source_write_form(&form, again);
    if (strcmp(text, again) != 0 || !source_is_possible(&form))
        return false;
    *out = form;
    return true;
}
