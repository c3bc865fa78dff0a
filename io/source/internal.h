/* Inside the readers of sources that are not text: reader.c goes through sentences, a kind opens and reads one. */
#ifndef IO_SOURCE_INTERNAL_H
#define IO_SOURCE_INTERNAL_H

#include "io/source.h"

struct source_reader;

/* A row for each kind but text. */
struct source_kind_row {
    const char *what; /* its files hold */
    /* Fills in reader->data; completes and checks reader->form. */
    enum status (*open)(struct source_reader *reader);
    /* The next sentence into reader->tokens and *count; *end: there was none. */
    enum status (*next)(struct source_reader *reader, size_t *count, bool *end);
    void (*rewind)(struct source_reader *reader);
    void (*close)(void *data);
};

extern const struct source_kind_row source_frames, source_images;

struct source_reader {
    const struct source_kind_row *row;
    struct source_form form;
    char *path;
    void *data;   /* the kind's own */
    void *tokens; /* of the sentence read last */
    size_t room;  /* words */
    int64_t number;
};

/* Room for so many tokens in reader->tokens. STATUS_DATA if that is more than a sentence may have. */
enum status source_reserve(struct source_reader *reader, uint64_t tokens);

#endif
