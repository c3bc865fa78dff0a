#!/bin/bash
# comm.timeout: a rank that hangs ends the job by name; a start or a save that is slow, but gets on, does not.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
limit=(--comm.timeout 1s --validate.every never)

# ---- a rank that is stopped ----
mpirun -n 2 "$program" train tiny.yaml --run.directory hung --comm.threads 1 "${limit[@]}" --train.until 1000000u \
    --checkpoint.every never >hung.log 2>&1 &
job=$!
until grep -q loss hung/metrics.jsonl 2>/dev/null || ! kill -0 "$job"; do sleep 0.02; done
kill -STOP "$(pgrep -P "$job" -x seqtrain | tail -n 1)"
wait "$job"
status=$?
expect hung 71 "^\[rank [01]\] error: no progress for 1\.[0-9] s \(comm.timeout 1\.0\) on .* in phase '[a-z]+'"

# ---- every read and write of a file of ours is slow: a save that two ranks wait for, then a start ----
for ranks in 2 1; do
    began=$(date +%s)
    SEQTRAIN_FAULT=slow:1+ train "$ranks" slow "${limit[@]}" --train.until $((4 / ranks))u --checkpoint.every never
    expect slow 0 'time of rank 0: .* save [2-9]\.[0-9] s'
done
[ $(($(date +%s) - began)) -ge 5 ] || fail "the start took less than 5 s: nothing was slow"
expect slow 0 'resumed from .*: update 2'
exit "$failed"
