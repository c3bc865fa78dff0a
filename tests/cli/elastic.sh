#!/bin/bash
# The same run on 4 ranks, then 1, then 3, a crash by SIGKILL ending each but the last: every byte of its checkpoints, and of
# metrics.jsonl all but the speed, are those of the run that nothing disturbed.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
run_words=(--train.until 24u --checkpoint.every 4u --checkpoint.keep all --validate.every 6u --train.ema 0.9)

crash() { # RANKS RUN UPDATE RANK: that rank is killed at the end of so many updates of this start
    SEQTRAIN_FAULT=kill:$3:$4 train "$1" "$2" "${run_words[@]}"
    [ "$status" -ge 128 ] || fail "$2 on $1 ranks: expected a status from 128 on, found $status: $(tail -n 3 "$2.log")"
}
as_undisturbed() { # RUN
    local file
    [ "$(ls straight/checkpoints)" = "$(ls "$1/checkpoints")" ] || fail "$1: other checkpoints: $(ls "$1/checkpoints")"
    for file in straight/checkpoints/*; do
        cmp "$file" "$1/checkpoints/${file##*/}" || fail "$1: another ${file##*/}"
    done
    diff <(losses_of straight) <(losses_of "$1") || fail "$1: other metrics"
    for file in best.h5 last.h5; do
        [ "$(readlink "straight/$file")" = "$(readlink "$1/$file")" ] || fail "$1: another $file"
    done
    [ -z "$(find "$1" -name '*.tmp' -o -name 'lock*')" ] || fail "$1: left $(find "$1" -name '*.tmp' -o -name 'lock*')"
}

for config in tiny.yaml recurrent.yaml; do
    rm -rf straight elastic
    train 2 straight "${run_words[@]}"
    expect straight 0 'trained 24 updates'
    crash 4 elastic 10 3
    [ -n "$(newest elastic)" ] || fail "elastic: no checkpoint before the first crash"
    crash 1 elastic 7 0
    grep -q 'resumed from' elastic.log || fail "elastic: the second start did not resume: $(tail -n 3 elastic.log)"
    grep -q 'took over' elastic.log || fail "elastic: no lock of the crashed start was taken over"
    train 3 elastic "${run_words[@]}"
    expect elastic 0 'resumed from' 'trained 24 updates'
    as_undisturbed elastic
done
exit "$failed"
