/*
 * What `seqtrain info` finds out. Facts are gathered as one JSON object, which --json prints as it is; otherwise they
 * are printed as aligned lines, with curves where there are validations or updates to draw.
 *
 *     TRY(info_open(&info, &settings));
 *     status = info_run(&info, path);            or info_corpus(), info_checkpoint(), info_kinds()
 *     if (status == STATUS_OK)
 *         status = info_print(&info);
 *     info_close(&info);
 *
 * Private to train/info/, train/report/ and their commands.
 */
#ifndef TRAIN_INFO_INFO_H
#define TRAIN_INFO_INFO_H

#include "train/config.h"
#include "train/training/history.h"

#include <cjson/cJSON.h>
#include <stdio.h>

struct info_settings {
    bool verify, json, skipped, all;
};

/* Values at updates. They rise, unless a file of another origin says otherwise. */
struct points {
    int64_t *updates;
    double *values;
    size_t count, updates_room, values_room;
};
enum status points_add(struct points *points, int64_t update, double value);
void points_release(struct points *points);

/* Those validations that found a value of `metric`. */
enum status points_of_history(struct points *out, const struct history *history, const struct kind *metric);

struct info {
    const struct info_settings *settings;
    cJSON *facts;
    struct config config; /* of the run; `configured`: it could be read */
    bool configured;
    struct history history;
    struct points losses, rates,
            speeds; /* of updates: learning rate, tokens a second; none for a checkpoint */
};

enum status info_open(struct info *out, const struct info_settings *settings);
void info_close(struct info *info);

/* ---- what is told (each adds to info->facts) ---- */

enum status info_corpus(struct info *info, const char *path);
enum status info_checkpoint(struct info *info, const char *path);
enum status info_attention(struct info *info, const char *path);

/* A run directory, with the state of its newest checkpoint that verifies: "state" is running, complete or stopped.
 * STATUS_MISSING for a folder that is none. */
enum status info_run(struct info *info, const char *path);

/* Every table of kinds that a setting or a switch chooses from, under the name of the first that does. */
enum status info_kinds(struct info *info);

/* ---- parts ---- */

/* State, parameters and vocabularies of a checkpoint; its history becomes info->history. */
enum status info_add_checkpoint(struct info *info, struct checkpoint *checkpoint);

/* Unpacks every array of files, which are of `kind`. */
enum status info_verify(struct info *info, const struct text_list *paths, enum h5_kind kind);

/* metrics.jsonl at `path`: figures; losses into info->losses, and validations after those of info->history into that.
 * *last: the last update in it, 0: none. */
enum status info_add_metrics(struct info *info, const char *path, int64_t *last);

/* Reads settings as YAML: from a file, or from a text called `where`. What cannot be read is a warning: info->configured
 * tells. */
void info_read_settings(struct info *info, const char *yaml, const char *where);

/* info->history as "best" and "validations"; info->config as "settings", what differs from the default, and "defaults". */
void info_add_validations(struct info *info);
enum status info_add_settings(struct info *info);

/* Kind and rows of a vocabulary. */
enum status info_add_vocabulary(cJSON *facts, const void *model, size_t bytes, const char *where);

/* ---- printing ---- */

/* info->facts to standard output. */
enum status info_print(const struct info *info);

/* Kinds, as info_kinds() has them. */
void info_print_kinds(const cJSON *facts);

/* Loss, and validate.metric where that is another, by update. */
enum status info_print_curves(const struct info *info);

/* Dots are means of the values that fall into a column, marks stand where they are; fewer than two updates are no curve. */
void curve_print(
        FILE *out, const char *title, const struct points *dots, const struct points *marks, int columns);

/* Columns of the terminal that standard output is; 80 where it is none. */
int info_columns(void);

#endif
