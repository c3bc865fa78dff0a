#!/bin/bash
# Sources that are not text: frames of numbers from prepare to translation, the same on any layout, and what is refused.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

frames() { "$(dirname "$program")/tests/io/tool_frames" "$1" "$2" || fail "no frames of $1"; }
frames tiny/train.en train-frames.h5
frames tiny/valid.en valid-frames.h5
spoken() { # SPLIT OUT.h5 [words]
    local split=$1 out=$2
    shift 2
    "$program" prepare --source-features "$split-frames.h5:/frames:/offsets" --target "tiny/$split.de" --output "$out" "$@" >>log 2>&1
}
spoken train frames.h5 --vocab-size 60 || fail "prepare: $(tail -n 3 log)"
spoken valid frames-valid.h5 --vocab frames.h5 || fail "prepare with --vocab: $(tail -n 3 log)"
"$program" info frames.h5 | grep -q 'form *frames of 8 values' || fail "info does not tell the form"
"$program" info frames.h5 --verify >log || fail "info --verify: $(cat log)"
train 2 once --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --validate.every 10u
expect once 0

# As on one rank; stopped and resumed.
train 0 alone --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --validate.every 10u --comm.threads 2
expect alone 0
train 3 parts --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --validate.every 10u --train.until 10u
train 1 parts --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --validate.every 10u
expect parts 0
for run in alone parts; do
    [ "$(crc_of once)" = "$(crc_of "$run")" ] || fail "$run: other parameters than on two ranks"
done
train 0 drop --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --train.r_drop 2 --train.until 2u
expect drop 0

# A recurrent encoder reads frames too.
config=recurrent.yaml
recurrent() { train "$1" "$2" --data.train frames.h5 --data.valid frames-valid.h5 --batch.tokens 400 --validate.every 10u "${@:3}"; }
recurrent 2 gru
expect gru 0
recurrent 3 gru-parts --train.until 10u
recurrent 1 gru-parts --comm.threads 2
expect gru-parts 0
[ "$(crc_of gru)" = "$(crc_of gru-parts)" ] || fail "gru-parts: other parameters than on two ranks"
config=
for run in once gru; do
    "$program" translate "$run" --input valid-frames.h5:/even --attention "$run-attention.h5" >even 2>log || fail "$run: --attention: $(cat log)"
    mpirun -n 2 "$program" translate "$run" --input valid-frames.h5:/even --attention ranks.h5 --batch 3 | cmp - even || fail "$run: translations depend on batch and ranks"
    cmp "$run-attention.h5" ranks.h5 || fail "$run: what is looked at depends on batch and ranks"
    "$program" info ranks.h5 --json --verify | grep -q '"sentences":40,' || fail "$run: no attention of 40 sentences"
done

translate() { "$program" translate once --input valid-frames.h5:/frames:/offsets "$@"; }
translate >all 2>log || fail "translate: $(cat log)"
translate --batch 1 --group 7 | cmp - all || fail "translations depend on --batch"
mpirun -n 3 "$program" translate once --input valid-frames.h5:/frames:/offsets | cmp - all || fail "translations depend on the ranks"
"$program" translate once --input frames-valid.h5:/source/features:/source/offsets | cmp - all || fail "a corpus is no input"
[ "$(wc -l <all)" = 40 ] || fail "expected 40 translations, found $(wc -l <all)"
"$program" score once --source valid-frames.h5:/frames:/offsets --target tiny/valid.de >scores || fail "no scores"
[ "$(wc -l <scores)" = 40 ] || fail "expected 40 scores"
"$program" evaluate once --source valid-frames.h5:/frames:/offsets --target tiny/valid.de --output evaluated >log || fail "evaluate: $(cat log)"
cmp all evaluated || fail "evaluate translates otherwise than translate"

refuse() { # STATUS WORDS COMMAND...
    local expected=$1 words=$2
    shift 2
    "$program" "$@" >refused 2>&1
    local found=$?
    [ "$found" = "$expected" ] || fail "$*: expected status $expected, found $found: $(tail -n 2 refused)"
    grep -q -- "$words" refused || fail "$*: expected '$words', found: $(tail -n 2 refused)"
}
own=(--target tiny/valid.de --output x.h5 --vocab frames.h5)
refuse 66 'cannot read no.h5' prepare --source-features no.h5:/frames "${own[@]}"
refuse 64 'FILE.h5:/DATASET' prepare --source-features valid-frames.h5 "${own[@]}"
refuse 65 'a dataset /no, found none' prepare --source-features valid-frames.h5:/no "${own[@]}"
refuse 65 'name the offsets' prepare --source-features valid-frames.h5:/frames "${own[@]}"
refuse 65 'expected offsets' prepare --source-features valid-frames.h5:/frames:/even "${own[@]}"
refuse 65 'an HDF5 file' prepare --source-features tiny/valid.de:/frames "${own[@]}"
head -n 30 tiny/valid.de >short.de
refuse 65 'found 30 and 40' prepare --source-features valid-frames.h5:/even --target short.de --output x.h5 --vocab frames.h5
refuse 65 'more than its 40' prepare --source-features valid-frames.h5:/even --target tiny/train.de --output x.h5 --vocab frames.h5
refuse 64 'both give the source' prepare --source-features valid-frames.h5:/even --source tiny/valid.en "${own[@]}"
refuse 64 '--joint' prepare --source-features valid-frames.h5:/even --target tiny/valid.de --output x.h5 --joint
refuse 65 'expected a source of text' prepare --source tiny/valid.en "${own[@]}"
refuse 64 'standard input' translate once
refuse 64 '--alignment tells pieces of text.*use --attention' translate once --input valid-frames.h5:/even --format json --alignment soft
refuse 64 'FILE.h5:/DATASET' report once --source short.de --output r.html
refuse 65 'another source vocabulary' train tiny.yaml --run.directory other --data.train frames.h5
refuse 78 'data.sampling' train tiny.yaml --run.directory other --data.train frames.h5 --data.valid frames-valid.h5 --data.sampling 0.1
[ ! -e x.h5 ] || fail "a refused prepare left a corpus"
"$program" prepare --source-features valid-frames.h5:/even "${own[@]}" >log 2>&1 || fail "frames of equal length: $(cat log)"

# Any flipped byte of the frames is found.
cp frames.h5 flipped.h5
printf '\377' | dd of=flipped.h5 bs=1 seek=20000 conv=notrunc 2>/dev/null
refuse 65 'flipped.h5' info flipped.h5
exit "$failed"
