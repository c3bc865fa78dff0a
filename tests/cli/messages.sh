#!/bin/bash
# A failure that four ranks meet is told once; no other rank has more than a line to say.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

told_once() { # NAME STATUS WORDS [words of train]
    local run=$1 expected=$2 words=$3 rank
    shift 3
    mpirun -n 4 "$program" train tiny.yaml --run.directory "$run" --comm.threads 1 "$@" >"$run.log" 2>&1
    status=$?
    expect "$run" "$expected" "^seqtrain: .*$words"
    [ "$(grep -c '^seqtrain: ' "$run.log")" = 1 ] || fail "$run: told $(grep -c '^seqtrain: ' "$run.log") times"
    for rank in 1 2 3; do
        [ "$(grep -c "^\[rank $rank\] [^i]" "$run.log")" -le 1 ] || fail "$run: rank $rank has much to say: $(grep "^\[rank $rank\]" "$run.log")"
    done
}
told_once missing 66 'absent.h5' --data.train absent.h5
told_once wrong 78 'model.widht' --model.widht 16
told_once heads 78 'model.heads' --model.width 18 --model.heads 4
export SEQTRAIN_FAULT=write:1+
told_once full 74 'No space left' --train.until 2u
export SEQTRAIN_FAULT=read:5:2
told_once onlyone 74 'rank 2 on ' --train.until 2u
exit "$failed"
