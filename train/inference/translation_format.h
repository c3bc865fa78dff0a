/*
 * How translations are written: as text, as n-best lists, or as JSON, with what was asked for beside the words. Lines
 * look as Marian's do:
 *
 *     text       TEXT[ ||| ALIGNMENT][ ||| WordScores= S ...]
 *     nbest      LINE ||| TEXT[ ||| ALIGNMENT][ ||| WordScores= S ...] ||| F0= LOGPROBABILITY ||| SCORE
 *     json       {"line":0,"translations":[{"text":"...","log_probability":-1.5,"score":-0.3}]}
 *
 * Lines count from 0. F0 is the natural log probability, SCORE what hypotheses are ranked by. All else is of pieces: one
 * score for each and one for </s> (0 where it was not reached). A hard ALIGNMENT is pairs S-T of a piece of the source
 * and one of the translation (both from 0, </s> left out), for each T the S it looks at most; a soft one is for each T,
 * </s> included, its weights over all S, </s> included: "0.9,0.1 0.2,0.8".
 */
#ifndef TRAIN_TRANSLATION_FORMAT_H
#define TRAIN_TRANSLATION_FORMAT_H

#include "io/options.h"
#include "io/vocabulary.h"
#include "models/models.h"
#include "train/inference/output.h"

struct format_options {
    const struct kind *format;    /* into translation_formats */
    const struct kind *alignment; /* into alignment_kinds */
    bool word_scores, pieces;
};

extern const struct option_group format_group;
extern const struct kind_table translation_formats; /* auto, text, nbest, json */
extern const struct kind_table alignment_kinds;     /* none, hard, soft */

/* STATUS_USAGE for a format that cannot show so many hypotheses of a line. */
enum status format_check(const struct format_options *options, int64_t nbest);

/* Whether alignments are shown. */
bool format_aligns(const struct format_options *options);

/* What is written, and between calls the text of a hypothesis. */
struct translation_writer {
    const struct format_options *options;
    struct vocabulary *const *vocabularies; /* [SIDES] */
    struct output *output;
    int64_t nbest; /* asked for */
    char *text;
    size_t room;
};

struct translation_line {
    int64_t number; /* from 0 */
    const int32_t *source;
    size_t source_tokens;                  /* </s> included */
    const struct translation *translation; /* nothing found: shown as one without words */
};

enum status translation_write(struct translation_writer *writer, const struct translation_line *line);
void translation_writer_release(struct translation_writer *writer);

#endif
