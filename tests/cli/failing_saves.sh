#!/bin/bash
# Saves that fail while training goes on: checkpoint.on_failure, a disk that is full before a save begins or while it is
# written, and retries. There is always the older checkpoint, it is named, and nothing half-written is left.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
train 0 first --train.until 4u --checkpoint.every 2u
expect first 0
train 0 straight --train.until 12u --checkpoint.every 2u --checkpoint.keep all
expect straight 0
saving=(--train.until 12u --checkpoint.every 2u)

again() { # RUN: a copy of the run that has four updates
    rm -rf "$1" && cp -r first "$1"
}
whole() { # RUN: as if nothing had been, and nothing is left over
    cmp "$(newest straight)" "$(newest "$1")" || fail "$1: another last checkpoint"
    diff <(losses_of straight) <(losses_of "$1") || fail "$1: other losses"
    [ -z "$(find "$1" -name '*.tmp')" ] || fail "$1: left $(find "$1" -name '*.tmp')"
}
old_is_there() { # RUN
    cmp {first,"$1"}/checkpoints/update-00000004.h5 || fail "$1: the old checkpoint is not as it was"
    [ "$(readlink "$1/last.h5")" = checkpoints/update-00000004.h5 ] || fail "$1: last.h5 is $(readlink "$1/last.h5")"
    [ -z "$(find "$1" -name '*.tmp')" ] || fail "$1: left $(find "$1" -name '*.tmp')"
}

# ---- warn: told with the checkpoint that stands; the next one is tried, in a file of its own ----
for ranks in 0 3; do
    for plan in space:2:0 write:20:0 sync:4:0; do # space:1 is the look ahead at the start
        again warned
        SEQTRAIN_FAULT=$plan train $ranks warned "${saving[@]}"
        expect warned 0 'warning: CHECKPOINT NOT SAVED: .*training goes on, the newest good checkpoint is warned/checkpoints/update-0000000[46].h5, the next one is tried when it is due'
        [ "$(grep -c 'NOT SAVED' warned.log)" = 1 ] || fail "$plan: told $(grep -c 'NOT SAVED' warned.log) times"
        whole warned
    done
done
SEQTRAIN_FAULT=space:2 train 0 fresh "${saving[@]}"
expect fresh 0 'NOT SAVED: .*.it needs [0-9]+ bytes; the file system says 0 are free.; training goes on, there is no good checkpoint,'
[ ! -e fresh/checkpoints/update-00000002.h5 ] || fail "a save without space was begun all the same"

# ---- stop: all ranks, by 74 ----
for ranks in 0 3; do
    for plan in space:2+ write:20+:0 rename:2+:0 sync:4+:0; do
        again halted
        SEQTRAIN_FAULT=$plan train $ranks halted "${saving[@]}" --checkpoint.on_failure stop
        expect halted 74 '^seqtrain: CHECKPOINT NOT SAVED: .*; the newest good checkpoint is halted/checkpoints/update-00000004.h5 .checkpoint.on_failure stop'
        [ "$(grep -c '^seqtrain: ' halted.log)" = 1 ] || fail "$plan: told $(grep -c '^seqtrain: ' halted.log) times"
        grep -q '^error: CHECKPOINT NOT SAVED' halted/log.txt || fail "$plan: log.txt does not tell its end"
        ! grep -q '"update":10' halted/metrics.jsonl || fail "$plan: went on for long"
        old_is_there halted
    done
done
train 2 halted "${saving[@]}" --checkpoint.on_failure stop
expect halted 0 'resumed from'
whole halted
again linked
SEQTRAIN_FAULT=rename:3 train 0 linked "${saving[@]}" --checkpoint.on_failure stop
expect linked 0 'warning: the checkpoint is saved, but not all links'

# ---- the last one fails: 74 in any case, and what is there is named ----
for policy in warn stop; do
    again last
    SEQTRAIN_FAULT=space:2:0 train 2 last --train.until 6u --checkpoint.every never --checkpoint.on_failure $policy
    expect last 74 '^seqtrain: THE LAST CHECKPOINT IS NOT SAVED: .*update-00000006.h5.*; the newest good checkpoint is last/checkpoints/update-00000004.h5'
    old_is_there last
done
again gone
"$program" train tiny.yaml --run.directory gone --comm.threads 1 --train.until 1000000u --checkpoint.every never >gone.log 2>&1 &
until grep -q '"update":9' gone/metrics.jsonl 2>/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
mv gone/checkpoints gone/moved && kill -TERM $!
wait $!
status=$?
expect gone 74 'THE LAST CHECKPOINT IS NOT SAVED: cannot create gone/checkpoints/update-[0-9]*.h5.tmp'
SEQTRAIN_FAULT=space:2+ train 2 start --train.until start
expect start 74 'THE LAST CHECKPOINT IS NOT SAVED: .*; there is no good checkpoint'

# ---- a disk of 8 MB ----
mkdir mnt
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=8m none mnt 2>/dev/null; then
    trap 'umount "$folder/mnt"; rm -rf "$folder"' EXIT
    fill() { # leave so many KiB
        rm -f mnt/filler
        dd if=/dev/zero of=mnt/filler bs=1k count=$(($(df --output=avail -k mnt | tail -n 1) - $1)) status=none
    }
    big=(--model.width 128 --model.ffn_width 256 --checkpoint.keep 1 --validate.every never)
    train 0 roomy "${saving[@]}" "${big[@]}"
    expect roomy 0
    grep -q 'not all can be saved' roomy.log && fail "a warning of space where there is enough"
    mkdir mnt/run && ln -s mnt/run full
    train 0 full "${big[@]}" --train.until 4u --checkpoint.every 2u
    expect full 0
    file=$(($(stat -c %s "$(newest full)") / 1024))
    old=$(md5sum <"$(newest full)")
    # Less than a file needs: known before it is begun, and at the start.
    fill $((file / 2))
    train 2 full "${big[@]}" --train.until 8u --checkpoint.every 2u
    expect full 74 'warning: .*checkpoints: [0-9]+ more checkpoints? (is|are) of about [0-9.]+ MB to come, but the file system says [0-9.]+ MB are free' \
        'CHECKPOINT NOT SAVED: cannot write .*update-00000006.h5: no space for it .it needs [0-9]+ bytes; the file system says [0-9]+ are free' \
        'THE LAST CHECKPOINT IS NOT SAVED: .*no space for it .*the newest good checkpoint is .*update-00000004.h5'
    # As much as it can be at least, but not what it takes: found while it is written.
    fill $((file * 93 / 100))
    train 2 full "${big[@]}" --train.until 8u --checkpoint.every 2u
    expect full 74 'CHECKPOINT NOT SAVED: cannot write .*update-00000006.h5.tmp: No space left on device .it needs at least'
    [ "$(md5sum <"$(newest full)")" = "$old" ] || fail "a full disk changed the old checkpoint"
    [ -z "$(find mnt/run/ -name '*.tmp')" ] || fail "a full disk is left with $(find mnt/run/ -name '*.tmp')"
    # Room again while it trains: the next save is the first that fits.
    fill $((file / 2))
    "$program" train tiny.yaml --run.directory full --comm.threads 1 "${big[@]}" --train.until 100000u --checkpoint.every 10u >full.log 2>&1 &
    until grep -q 'NOT SAVED' full.log || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    rm mnt/filler
    until [ "$(readlink full/last.h5)" != checkpoints/update-00000004.h5 ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    kill -TERM $!
    wait $!
    status=$?
    expect full 75
    [ "$(md5sum <"$(newest full)")" != "$old" ] || fail "no save after there was room again"
else
    echo "skipped: a disk of 8 MB cannot be mounted here (tmpfs, as root)"
fi
exit "$failed"
