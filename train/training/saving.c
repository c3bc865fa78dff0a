#include "train/training/saving.h"

#include "comm/log.h"
#include "comm/world.h"

#include <stdio.h>

struct save_failure_kind {
    struct kind kind;
    bool stop;
};

static const struct save_failure_kind kinds[] = {
        {{"warn", "training goes on, and the next one is tried when it is due", NULL}, false},
        {{"stop", "the run ends with status 74", NULL}, true},
};

const struct kind_table save_failure_kinds = KIND_TABLE("failure of a save", kinds);

/* Where the same command would go on. */
static const char *say_good(const struct trainer *trainer, char *out, size_t bytes)
{
    const char *good = checkpoint_good(trainer->checkpointer);
    snprintf(out, bytes, "%s%s", good ? "the newest good checkpoint is " : "there is no good checkpoint",
            good ? good : "");
    return out;
}

void saving_judge(struct saving *saving, enum status status, bool started)
{
    const struct trainer *trainer = saving->trainer;
    char good[1024];
    if (status == STATUS_OK || world()->rank != 0)
        return;
    if (started && checkpoint_is_named(trainer->checkpointer)) {
        log_line(LOG_WARNING,
                "the checkpoint is saved, but not all links to it are set or older ones removed: %s; "
                "training goes on",
                status_message());
        return;
    }
    say_good(trainer, good, sizeof good);
    if (((const struct save_failure_kind *)trainer->config->checkpoint.on_failure)->stop) {
        saving->failed = true;
        snprintf(saving->reason, sizeof saving->reason,
                "CHECKPOINT NOT SAVED: %s; %s (checkpoint.on_failure stop)", status_message(), good);
    } else {
        log_line(LOG_WARNING,
                "CHECKPOINT NOT SAVED: %s; training goes on, %s, the next one is tried when it is due",
                status_message(), good);
    }
}

void saving_progress(struct saving *saving)
{
    saving_judge(saving, checkpoint_progress(saving->trainer->checkpointer), true);
}

enum status saving_status(const struct saving *saving)
{
    return saving->failed ? status_fail(STATUS_IO, "%s", saving->reason) : STATUS_OK;
}

static enum status fail_last(const struct trainer *trainer, bool started)
{
    char good[1024];
    bool named = started && checkpoint_is_named(trainer->checkpointer);
    return status_fail(STATUS_IO, "%s: %s; %s",
            named ? "the last checkpoint is saved, but not all links to it are set or older ones removed"
                  : "THE LAST CHECKPOINT IS NOT SAVED",
            status_message(), say_good(trainer, good, sizeof good));
}

enum status saving_last(struct trainer *trainer)
{
    enum status status = trainer_save(trainer);
    bool started = status == STATUS_OK;
    if (started)
        status = checkpoint_wait(trainer->checkpointer);
    if (status == STATUS_OK || status == STATUS_BUSY)
        return status;
    return status_agree(world()->rank == 0 ? fail_last(trainer, started) : STATUS_OK);
}
