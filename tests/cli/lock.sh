#!/bin/bash
# A run directory belongs to one job at a time: a second is refused at once and told of the first; after the first was killed
# the next starts without help, whoever was its parent; one that was stopped for long and goes on writes nothing more.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
endless=(--train.until 1000000u --validate.every never --checkpoint.every 50u --checkpoint.keep 1)

wait_for_checkpoint() { # RUN
    until [ -e "$1/last.h5" ] || ! kill -0 "$job" 2>/dev/null; do sleep 0.02; done
}
holder_of() { sed -n 's/^pid //p' "$1/lock"; }
finish() {
    wait "$job"
    status=$?
}

# ---- the first runs: the second is refused, on any number of ranks ----
SLURM_JOB_ID=4711 mpirun -n 2 "$program" train tiny.yaml --run.directory two --comm.threads 1 "${endless[@]}" >two.log 2>&1 &
job=$!
wait_for_checkpoint two
pid=$(holder_of two)
for ranks in 0 2; do
    $([ $ranks = 0 ] || echo mpirun -n $ranks) "$program" train tiny.yaml --run.directory two --comm.threads 1 >second.log 2>&1
    status=$?
    expect second 73 "^seqtrain: two/lock: the run directory is in use by process $pid on $(hostname), job 4711, since 20"
done
[ "$(holder_of two)" = "$pid" ] || fail "the second took the lock"

# ---- kill -9 of the first, all of it at once ----
pids=$(pgrep -P $job)
# shellcheck disable=SC2086
kill -KILL $job $pids
finish
[ -e two/lock ] || fail "the lock of a killed run is not there"
train 1 two --train.until start
expect two 0 "warning: took over the run directory from process $pid on $(hostname), job 4711, since .* which is gone" 'resumed from'
[ -z "$(find two -name 'lock*')" ] || fail "left $(find two -name 'lock*')"

# ---- its parent has not taken notice: a process that was killed has an entry until it does ----
sh -c "\"$program\" train tiny.yaml --run.directory orphan --comm.threads 1 ${endless[*]} >orphan.log 2>&1 & exec sleep 1000" &
job=$!
wait_for_checkpoint orphan
pid=$(holder_of orphan)
kill -KILL "$pid"
until [[ $(ps -o state= "$pid") = [ZX]* ]] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -0 "$pid" 2>/dev/null || fail "the killed process has left no entry: nothing is tested"
# Files beside the lock, as of starts that were killed while they took it: of a process that is gone, and of one that is not.
cp orphan/lock orphan/lock.dead1
sed "s/^pid .*/pid $$/; s/^born .*/born $(awk '{ print $22 }' /proc/$$/stat)/" orphan/lock >orphan/lock.alive1
train 0 orphan --train.until start
expect orphan 0 "took over the run directory from process $pid"
[ "$(find orphan -name 'lock*')" = orphan/lock.alive1 ] || fail "expected lock.alive1 alone, found $(find orphan -name 'lock*')"
kill $job

# ---- stopped: alive, until its heartbeat is ten minutes old; then another may have it, and the first notices ----
"$program" train tiny.yaml --run.directory stopped --comm.threads 1 "${endless[@]}" >stopped.log 2>&1 &
job=$!
wait_for_checkpoint stopped
kill -STOP $job
train 0 second --run.directory stopped
expect second 73 "in use by process $job on"
touch -d '11 minutes ago' stopped/lock
"$program" train tiny.yaml --run.directory stopped --comm.threads 1 "${endless[@]}" >third.log 2>&1 &
third=$!
until grep -q 'resumed from' third.log || ! kill -0 $third 2>/dev/null; do sleep 0.02; done
kill -CONT $job
finish
expect stopped 73 "the run directory was taken over by process $third on"
kill -0 $third || fail "the new holder ended: $(tail -n 3 third.log)"
[ "$(holder_of stopped)" = "$third" ] || fail "the lock is not the new holder's"
kill -TERM $third
wait $third
[ $? = 75 ] || fail "the new holder did not end as asked: $(tail -n 3 third.log)"
"$program" info stopped/last.h5 --verify >/dev/null || fail "stopped: last.h5 is not good"
[ -z "$(find stopped -name '*.tmp' -o -name 'lock*')" ] || fail "left $(find stopped -name '*.tmp' -o -name 'lock*')"
exit "$failed"
