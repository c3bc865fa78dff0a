#!/bin/bash
# For memcheck.sh: the program on a tiny run, each part with what those before it made; the first that fails ends it.
# Arguments: the checker, valgrind with its switches.
set -eu
program=$BUILD/seqtrain
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" generate numbers --output "$work" --lines 200 --test-lines 20
"$program" prepare --source "$work/train.en" --target "$work/train.de" --output "$work/train.h5" --vocab-kind char --vocab-size 60
train() { # CHECKER... UPDATES
    "${@:1:$#-1}" "$program" train --run.directory "$work/run" --data.train "$work/train.h5" --train.until "${!#}u" --batch.tokens 200 --batch.micro_batches 2 \
        --model.width 16 --model.heads 2 --model.ffn_width 32 --model.encoder_layers 1 --model.decoder_layers 1
}
set -x
train "$@" 3
train "$@" 5
"$@" "$program" info --verify "$work/run/last.h5"
"$@" "$program" translate "$work/run" --input "$work/test.en" --output "$work/out"
