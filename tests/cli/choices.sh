#!/bin/bash
# The same result on any layout, and a resume is no event, for every choice of a model: models that tests/models/choices.h
# draws, so that each value of each table stands in one, train 6 updates on one rank with two threads; 3 on three ranks and
# the rest on two end in the same file.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 120 1
"$build/tests/io/tool_frames" tiny/train.en frames.h5 || fail "no frames"
"$program" prepare --source-features frames.h5:/frames:/offsets --target tiny/train.de --output spoken.h5 --vocab-size 60 >log 2>&1 ||
    fail "frames: $(tail -n 3 log)"
"$program" generate shapes --output shapes --lines 100 --test-lines 1 >log 2>&1 &&
    "$program" prepare --source-images shapes/train.images --image-size 8x8 --target shapes/train.en --output shapes.h5 \
        --vocab-kind word --vocab-size 40 >>log 2>&1 || fail "images: $(tail -n 3 log)"
cat >choices.yaml <<'END'
batch: {tokens: 160, micro_batches: 6}
schedule: {warmup: 10}
checkpoint: {every: never}
END

walk() { # RANKS FOLDER UPDATES THREADS: the names of all
    local ranks=$1 launch=
    shift
    [ "$ranks" = 1 ] || launch="mpirun -n $ranks"
    $launch "$build/tests/train/tool_choices" choices.yaml "$@" tiny.h5 spoken.h5 shapes.h5 >"names-$1-$2" 2>log ||
        fail "$1 on $ranks ranks: $(tail -n 3 log)"
}
walk 1 straight 6 2
walk 3 parts 3 1
walk 2 parts 6 1
[ "$(wc -l <names-straight-6)" -ge 10 ] || fail "expected 10 models or more, found $(wc -l <names-straight-6)"
while read -r number what; do
    cmp "$(newest "straight/$number")" "$(newest "parts/$number")" || fail "3 ranks, then 2 are not as 1: $what"
done <names-straight-6

# The test can fail: no two of them are the same.
same=$(for run in straight/*; do md5sum <"$(newest "$run")"; done | sort | uniq -d)
[ -z "$same" ] || fail "models end alike: $same"
exit "$failed"
