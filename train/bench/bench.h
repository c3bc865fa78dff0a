/*
 * What `seqtrain bench` does: trains for some updates in a folder that is removed afterwards, with all time counted; then
 * finds out how fast the machine could be.
 *
 *     TRY(bench_folder_make(&folder, "."));
 *     TRY(bench_run(&bench, &config, &options));                                              collective
 *     bench_print(&bench);
 *     bench_folder_remove(folder);
 */
#ifndef TRAIN_BENCH_H
#define TRAIN_BENCH_H

#include "comm/clock.h"
#include "models/peak.h"
#include "train/config.h"

struct bench_options {
    int64_t updates, warm_up; /* counted; before them */
    char *folder;             /* where the temporary folder is made */
    bool json;
};

/* How fast ranks together do one kind of product. */
struct bench_product {
    struct product_shape shape;
    double rates[PEAK_WAYS]; /* operations a second */
    double seconds;          /* all of them in the micro-batch, the fastest way */
};

struct bench_label {
    char name[32];
    double most, mean; /* bytes at once, over ranks */
};

enum { BENCH_LABELS = 96 };

/* Sums over ranks, if nothing else is said. */
struct bench {
    const char *model; /* kind */
    size_t parameters;
    int ranks, threads; /* threads: of rank 0 */

    int64_t updates, tokens; /* source and target */
    double seconds;          /* of training: without validation and saving; the slowest rank */
    double whole;            /* with them, measured apart */
    double *rates;           /* [updates] tokens a second, sorted */
    double phases_mean[PHASES], phases_most[PHASES];
    struct op_profile ops[PROFILE_OPS]; /* calls and seconds: mean over ranks */
    double operations;                  /* of all ops */

    double products_peak; /* operations a second: the products of a micro-batch, by BLAS, the fastest way each */
    double products_own;                             /* the same as the model does them */
    double memory_peak;                              /* bytes a second */
    struct bench_product products[PROFILE_PRODUCTS]; /* most time first */
    size_t product_count;

    struct bench_label labels[BENCH_LABELS]; /* largest first */
    size_t label_count;
    double resident; /* bytes of a process, the largest */
};

/* config: run.directory and data.train exist, train.until is warm_up + updates. What is learned stays in run.directory.
 * STATUS_STOPPED if a rank is asked to stop. Collective. */
enum status bench_run(struct bench *out, const struct config *config, const struct bench_options *options);
void bench_release(struct bench *bench);

/* Tokens a second, and what they would be if products took all the time. */
double bench_speed(const struct bench *bench);
double bench_limit(const struct bench *bench);

void bench_print(const struct bench *bench);
enum status bench_print_json(const struct bench *bench);

/* A new folder in `parent`; its path for all ranks (label "text"). Collective. */
enum status bench_folder_make(char **out, const char *parent);
void bench_folder_remove(const char *folder); /* with all that is in it, by rank 0 */

/* Built-in text as a corpus FOLDER/train.h5, by rank 0. Collective. */
enum status bench_corpus_make(const char *folder, const char *path);

#endif
