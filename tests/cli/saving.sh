#!/bin/bash
# Saving under failures of the disk, one at each place in turn, and under SIGKILL at many instants of a save: there is
# always a good checkpoint, nothing half-written is left, and the run goes on as if nothing had been.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

train 0 first --train.until 2u
expect first 0
saved=$(cd first/checkpoints && md5sum ./*)
train 0 straight --train.until 12u --checkpoint.every 1u --checkpoint.compression 6
expect straight 0

# ---- each write, sync, rename of a save fails once ----
walk() { # SITE N...: 65 and more are never right; 74 keeps what was there and leaves nothing
    local site=$1 n failures=0
    shift
    for n in "$@"; do
        rm -rf walk && cp -r first walk
        SEQTRAIN_FAULT=$site:$n train 0 walk --train.until 4u --checkpoint.every 0u
        [ "$status" = 0 ] && continue
        failures=$((failures + 1))
        expect walk 74
        (cd walk/checkpoints && md5sum ./update-00000002.h5) | diff - <(echo "$saved") ||
            fail "$site:$n: the old checkpoint changed"
        [ -z "$(find walk -name '*.tmp')" ] || fail "$site:$n: left $(find walk -name '*.tmp')"
        "$program" info walk/last.h5 >/dev/null || fail "$site:$n: last.h5 is not good"
        [ "$(ls walk/lock* 2>/dev/null)" = "" ] || fail "$site:$n: left a lock"
    done
    [ "$failures" -ge 2 ] || fail "$site: expected failures at 2 places or more, found $failures"
}
walk write 1 2 3 4 5 6 8 11 16 23
walk sync 1 2 3 4 5 6
walk rename 1 2 3
train 0 walk --train.until 4u
expect walk 0

# ---- what a failure on the way costs is told as it is ----
rm -rf walk && cp -r first walk
SEQTRAIN_FAULT=rename:2 train 0 walk --train.until 4u --checkpoint.every 1u
expect walk 0 'CHECKPOINT NOT SAVED: .*update-00000003.h5.tmp'
rm -rf walk && cp -r first walk
SEQTRAIN_FAULT=rename:3 train 0 walk --train.until 4u --checkpoint.every 1u
expect walk 0 'warning: the checkpoint is saved, but .*last.h5.tmp'
grep -q 'NOT SAVED' walk.log && fail "a link that failed is told as a checkpoint lost"
[ -e walk/checkpoints/update-00000003.h5 ] || fail "links that fail took the checkpoint with them"
rm -rf walk && cp -r first walk
SEQTRAIN_FAULT=sync:3 train 0 walk --train.until 4u --checkpoint.every 1u
expect walk 0 'warning: metrics.jsonl is incomplete from here on: cannot bring to the disk walk/metrics.jsonl'
sed -i 4,\$d walk/metrics.jsonl
train 0 walk --train.until 5u
expect walk 0 'warning: walk/metrics.jsonl ends at update 3: lines up to update 4 are lost'

# ---- updates overtake the packing: the file is that of a run which ends there and waits for it ----
wide=(--model.width 128 --model.ffn_width 512 --batch.micro_batches 2 --train.ema 0.9 --checkpoint.every 2u --checkpoint.keep 0)
for compression in 0 1 9; do
    for ranks in 0 2; do
        train $ranks beside "${wide[@]}" --checkpoint.compression $compression --train.until 4u
        expect beside 0
        train $ranks still "${wide[@]}" --checkpoint.compression $compression --train.until 2u
        expect still 0
        cmp {still,beside}/checkpoints/update-00000002.h5 || fail "compression $compression, $ranks ranks: training on changed what is saved"
        rm -rf beside still
    done
done
held=$(sed -n 's/.*most at once:.* checkpoint \([0-9.]*\) MB.*/\1/p' beside.log)
awk -v held="${held:-0}" 'BEGIN { exit !(held > 3) }' || fail "no update has overtaken a save of level 9: it held ${held:-?} MB"

# ---- SIGKILL while a save is under way ----
instants=0
for delay in 0 0 0.001 0.001 0.002 0.003 0.005 0.007 0.01 0.02; do
    "$program" train tiny.yaml --run.directory killed --comm.threads 1 --train.until 12u --checkpoint.every 1u \
        --checkpoint.compression 6 >killed.log 2>&1 &
    until compgen -G 'killed/checkpoints/*.tmp' >/dev/null || ! kill -0 $! 2>/dev/null; do :; done
    sleep "$delay"
    had=(killed/checkpoints/*.h5) # a glob, which takes no time
    kill -KILL $! 2>/dev/null && instants=$((instants + 1))
    wait $! 2>/dev/null
    [[ ${had[-1]} = *'*'* || ! $(newest killed) < ${had[-1]} ]] || fail "SIGKILL cost ${had[-1]}: found $(newest killed)"
    for file in killed/checkpoints/*.h5; do
        [ ! -e "$file" ] || "$program" info "$file" --verify >/dev/null || fail "after SIGKILL $file is not good"
    done
done
[ "$instants" -ge 3 ] || fail "expected 3 kills or more before the end, found $instants"
train 0 killed --train.until 12u --checkpoint.every 1u --checkpoint.compression 6
expect killed 0
cmp "$(newest straight)" "$(newest killed)" || fail "the killed run ends in another checkpoint"
diff <(losses_of straight) <(losses_of killed) || fail "other losses than the straight run"
for name in best last; do
    [ "$(readlink straight/$name.h5)" = "$(readlink killed/$name.h5)" ] || fail "another $name.h5"
done
[ "$(ls straight/checkpoints)" = "$(ls killed/checkpoints)" ] || fail "other checkpoints: $(ls killed/checkpoints)"
[ -z "$(find killed -name '*.tmp')" ] || fail "left $(find killed -name '*.tmp')"
exit "$failed"
