#!/bin/bash
# comm.timeout: a rank that hangs ends the job by name; a start, a save or a rank that is slow, but gets on, does not.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
limit=(--comm.timeout 1s --validate.every never)
train 1 whole --validate.every never
expect whole 0
left() { # RUN WORDS: what jobs that are lost may leave behind is gone
    local found
    found=$(find "$1" -name 'watch*' -o -name '*.tmp' -o -name 'lock*')
    [ -z "$found" ] || fail "$1: $2: left $found"
}
goes_on() { # RUN RANKS: it ends with the bits of the run that nobody disturbed
    local holder tries=500
    holder=$(sed -n 's/^pid //p' "$1/lock")
    # mpirun does not wait until the kernel is done with those it kills
    while kill -0 "$holder" 2>/dev/null && ((tries-- > 0)); do sleep 0.02; done
    train "$2" "$1" --validate.every never
    expect "$1" 0
    [ "$(crc_of "$1/last.h5")" = "$(crc_of whole/last.h5)" ] || fail "$1: other parameters than the undisturbed run"
    left "$1" "after it went on"
}
lost() { # RUN WORDS: 71, with one line that tells so
    expect "$1" 71 "$2"
    [ "$(grep -c '\] error: ' "$1.log")" = 1 ] || fail "$1: expected one line of an error: $(grep '\] error: ' "$1.log")"
}

# ---- a rank that is stopped, from outside ----
mpirun -n 2 "$program" train tiny.yaml --run.directory hung --comm.threads 1 "${limit[@]}" --train.until 1000000u \
    --checkpoint.every never >hung.log 2>&1 &
job=$!
until grep -q loss hung/metrics.jsonl 2>/dev/null || ! kill -0 "$job"; do sleep 0.02; done
kill -STOP "$(pgrep -P "$job" -x seqtrain | tail -n 1)"
wait "$job"
status=$?
lost hung '^\[rank [01]\] error: rank [01] on .* is silent \(dead, stopped or cut off\).* nothing has got on for 1\.[0-9] s \(comm.timeout 1\.0\)'

# ---- the same after a number of updates, while a checkpoint is under way; some of it may be on the disk ----
for rank in 0 2; do
    SEQTRAIN_FAULT=stop:6:$rank train 3 "stop$rank" "${limit[@]}" --checkpoint.every 1u
    lost "stop$rank" "error: rank $rank on .* is silent"
    expect "stop$rank" 71 "warning: rank $rank on .* is silent .*without progress the job ends"
    for file in "stop$rank"/checkpoints/*.h5; do
        "$program" info --verify "$file" >log 2>&1 || fail "$file does not verify: $(cat log)"
        [[ $file < stop$rank/checkpoints/update-00000007 ]] || fail "$file is of after the stop"
    done
    goes_on "stop$rank" $((rank + 1))
done

# ---- a rank that computes for ever, and a disk that writes for ever: updates go on until the next save ----
SEQTRAIN_FAULT=hang:11:2 train 4 hang "${limit[@]}"
lost hang "\[rank 0\] error: rank 2 on .* is late in phase 'forward' of update 6, [0-9.]+ s without progress; nothing"
goes_on hang 4
SEQTRAIN_FAULT=stuck:1 train 2 stuck "${limit[@]}"
lost stuck "error: rank 0 on .* is late in phase 'save' of update 11"
grep -q '"update": *10,' stuck/metrics.jsonl || fail "stuck: a save that hangs held up updates before the next was due"
goes_on stuck 2

# ---- a rank that is killed: mpirun tells, all ends at once ----
SEQTRAIN_FAULT=kill:7:1 train 3 killed "${limit[@]}"
expect killed 137 'signal 9'
goes_on killed 2

# ---- a rank that works for longer than the limit between two meetings, but gets on ----
SEQTRAIN_FAULT=drag:1+:1 train 2 long "${limit[@]}" --batch.micro_batches 64 --train.until 2u --checkpoint.every never
expect long 0
if grep -E 'is (late|silent)' long.log; then fail "long: a rank that gets on was called late"; fi
left long "after all went well"

# ---- a rank that is slow all the time is named once, when there is enough to go by ----
SEQTRAIN_FAULT=drag:1+:1 train 2 slow_rank --validate.every never --train.until 170u --checkpoint.every never
expect slow_rank 0 "warning: rank 1 on .* is slow: it computes for [0-9.]+ times the median of the ranks .* phase 'forward'"
[ "$(grep -c 'is slow' slow_rank.log)" = 1 ] || fail "slow_rank: expected one line: $(grep 'is slow' slow_rank.log)"

# ---- every read and write of a file of ours is slow: a save that two ranks wait for, then a start ----
for ranks in 2 1; do
    began=$(date +%s)
    SEQTRAIN_FAULT=slow:1+ train "$ranks" slow "${limit[@]}" --train.until $((4 / ranks))u --checkpoint.every never
    expect slow 0 'time of rank 0: .* save [2-9]\.[0-9] s'
done
[ $(($(date +%s) - began)) -ge 5 ] || fail "the start took less than 5 s: nothing was slow"
expect slow 0 'resumed from .*: update 2'
exit "$failed"
