#!/bin/bash
# What goes by the clock: the end of the job, told by the environment, and a clock that jumps, which changes nothing.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
unset SLURM_JOB_END_TIME SEQTRAIN_END_TIME
endless=(--train.until 1000000u --checkpoint.every 20u --validate.every never)

# ---- the end of the job ----
in_seconds() { date -d "+$1 seconds" "+$2"; }
SEQTRAIN_END_TIME=$(in_seconds 3 %FT%T) train 2 job "${endless[@]}"
expect job 75 'the job ends in [0-3] s, at [-0-9T:]+ by SEQTRAIN_END_TIME' \
    '^seqtrain: stopped after update [0-9]+ .the job ends at [-0-9T:]+ by SEQTRAIN_END_TIME.; run the same command again'
grep -q '^stopped after update .*the job ends at' job/log.txt || fail "job: log.txt does not tell its end"
[ -n "$(newest job)" ] || fail "job: nothing is saved"
SEQTRAIN_END_TIME=N/A SLURM_JOB_END_TIME=$(in_seconds 3 %s) train 1 job "${endless[@]}"
expect job 75 'resumed from' 'stopped after update [0-9]+ .the job ends at [-0-9T:]+ by SLURM_JOB_END_TIME'
grep -q warning job.log && fail "job: a warning of a job without an end: $(grep warning job.log)"

# The earlier of the two counts, and what makes no sense is told and does not.
SEQTRAIN_END_TIME=$(in_seconds 3600 %s) train 2 earlier "${endless[@]}" --train.time_limit 0.1s
expect earlier 75 'stopped after update [0-9]+ .train.time_limit.'
for nonsense in tomorrow 2026-02-31T25:00:00 1e10 -1; do
    SEQTRAIN_END_TIME=$nonsense train 0 nonsense --train.until 2u
    expect nonsense 0 "warning: SEQTRAIN_END_TIME=$nonsense is passed over: expected seconds since 1970"
    rm -rf nonsense
done
SEQTRAIN_END_TIME=1000000000 train 2 past --train.until 2u
expect past 0 'warning: SEQTRAIN_END_TIME=1000000000 is passed over: expected a time to come'
[ "$(grep -c 'warning: SEQTRAIN_END_TIME' past.log)" = 1 ] || fail "past: not told once"

# No validation is begun that leaves no time to save, and one that would take too long ends early: nothing of it counts.
make_corpus big 6000 1 >/dev/null
SEQTRAIN_FAULT=slow:1+ SEQTRAIN_END_TIME=$(in_seconds 4 %s) train 2 validating --data.train big.h5 --data.valid big.h5 \
    --train.until 1000000u --validate.every 1u --validate.metrics bleu --checkpoint.every never
expect validating 75 'stopped after update [0-9]+ .the job ends at'
last=$(tail -n 1 validating/metrics.jsonl)
[[ $last != *valid_loss* ]] || fail "validating: the job ended, but not within or before a validation: $last"

# ---- a time of day that jumps ----
cat >shim.c <<'END'
/* The time of day is ten years ahead once there is a file "jump"; and another at each call in the folder "wild". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long ahead(void)
{
    static atomic_int calls;
    static const long jumps[] = {0, 4000000000, -900000000, 3600, -3600};
    if (access("wild", F_OK) == 0)
        return jumps[atomic_fetch_add(&calls, 1) % 5];
    return access("jump", F_OK) == 0 ? 315360000 : 0;
}
int clock_gettime(clockid_t id, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, out);
    if (id == CLOCK_REALTIME)
        out->tv_sec += ahead();
    return code;
}
time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
END
${CC:-cc} -shared -fPIC -O1 -o shim.so shim.c -ldl || fail "cannot build the shim of the clock"

train 0 straight --checkpoint.every 1u --checkpoint.keep 2
expect straight 0
touch wild
program="env LD_PRELOAD=$folder/shim.so $program"
for until in 7u 20u; do
    # shellcheck disable=SC2086
    $program train tiny.yaml --run.directory wild-run --comm.threads 1 --checkpoint.every 1u --checkpoint.keep 2 \
        --train.until $until --train.time_limit 10m >wild-run.log 2>&1
    status=$?
    expect wild-run 0
done
rm wild
cmp straight/last.h5 wild-run/last.h5 || fail "a clock that jumps: another last checkpoint"
diff <(losses_of straight) <(losses_of wild-run) || fail "a clock that jumps: other losses"
[ "$(ls straight/checkpoints)" = "$(ls wild-run/checkpoints)" ] || fail "a clock that jumps: other checkpoints"

SEQTRAIN_END_TIME=$(in_seconds 3600 %s) $program train tiny.yaml --run.directory ahead --comm.threads 1 "${endless[@]}" \
    --train.time_limit 1h >ahead.log 2>&1 &
job=$!
lines() { grep -c loss ahead/metrics.jsonl 2>/dev/null; }
until [ "$(lines)" -ge 5 ] 2>/dev/null || ! kill -0 "$job"; do sleep 0.02; done
touch jump
until [ "$(lines)" -ge 15 ] || ! kill -0 "$job"; do sleep 0.02; done
kill -USR1 "$job"
wait "$job"
status=$?
expect ahead 75 'the job ends in 3[56][0-9][0-9] s' 'stopped after update [0-9]+ .on a signal: SIGUSR1.'
[ "$(lines)" -ge 15 ] || fail "ahead: stopped when the clock jumped: $(tail -n 1 ahead.log)"
rm jump

# ---- the newest checkpoint is that of the latest update, whatever its time stamp ----
program=$build/seqtrain
train 0 stamps --checkpoint.every 1u --checkpoint.keep 3 --train.until 6u
expect stamps 0
touch -d 1971-01-01 "$(newest stamps)"
touch -d 2100-01-01 stamps/checkpoints/update-00000004.h5
rm -f stamps/{best,last}.h5
[ "$("$program" info stamps --json | grep -o '"update": *[0-9]*' | head -n 1 | tr -dc 0-9)" = 6 ] || fail "stamps: info takes another for the newest"
train 2 stamps --checkpoint.every 1u --checkpoint.keep 3 --train.until 8u
expect stamps 0 'resumed from .*update-00000006.h5'
[ "$(cd stamps/checkpoints && echo *)" = "update-00000006.h5 update-00000007.h5 update-00000008.h5" ] ||
    fail "stamps: other checkpoints are kept: $(ls stamps/checkpoints)"
exit "$failed"
