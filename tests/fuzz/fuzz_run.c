/* What lies in a run directory from before: metrics.jsonl, which is cut back on resume, and the lock. */
#include "io/run.h"

#include "io/run_lock.h"
#include "tests/fuzz/targets.h"
#include "tests/io/h5_files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_MOST = 1 << 12 };

static void run_metrics(const uint8_t *bytes, size_t count)
{
    struct run_directory *run;
    struct run_holder holder;
    char words[512];
    const char *folder = files_path("run");
    mkdir(folder, 0777);
    fuzz_file("run/lock", bytes, count);
    if (run_lock_is_held(folder, &holder))
        run_holder_words(&holder, words, sizeof words);
    remove(files_path("run/lock"));
    fuzz_file("run/metrics.jsonl", bytes, count);
    fuzz_must(run_open(&run, folder) == STATUS_OK, "no run directory");
    if (run_metrics_open(run, 10, 5) == STATUS_OK)
        (void)run_metrics_add(run, "{\"update\":11}");
    run_close(run);
}

static void seed_metrics(fuzz_taker *take, void *context)
{
    fuzz_take_text(take, context,
            "{\"update\":9,\"loss\":1}\n{\"update\":10,\"valid_loss\":1}\n{\"update\":11}\n{\"up");
    fuzz_take_text(take, context, "{\"update\":1e400}\n[[[[{\"update\":-1}]]]]\n\"\\ud800\"\n");
    fuzz_take_text(take, context,
            "host a\npid 1\nborn 1\nboot b\nspace s\njob -\nrestart 0\nsince 2026-01-31T12:00:00Z\n");
}

const struct fuzz_target fuzz_metrics = {"metrics", run_metrics, seed_metrics, TEXT_MOST, false};
