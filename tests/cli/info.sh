#!/bin/bash
# info: a corpus, a run and a checkpoint as lines and as JSON; all kinds; what is damaged is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(realpath "${BUILD:-build}/seqtrain")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0
fail() { echo "FAIL: $*"; failed=1; }
shows() { # PATTERN WORDS...
    local pattern=$1
    shift
    "$program" info "$@" >out 2>err || fail "info $*: status $?: $(cat err)"
    grep -qE "$pattern" out || fail "info $* does not show '$pattern': $(cat out)"
}
refuses() { # STATUS PATTERN WORDS...
    local status=$1 pattern=$2
    shift 2
    "$program" info "$@" >out 2>err
    local found=$?
    [ "$found" = "$status" ] || fail "info $*: expected status $status, found $found"
    grep -qE "$pattern" err || fail "info $* does not say '$pattern': $(cat err)"
    [ -s out ] && fail "info $* failed and still wrote: $(cat out)"
}

printf 'a b c\n\nb c d\nc d a\n' >source
printf 'x y\ny\nz x\ny z\n' >target
"$program" prepare --source source --target target --output c.h5 --vocab-kind word --vocab-size 11 >prepared 2>&1 || fail "prepare: $(cat prepared)"
"$program" train --data.train c.h5 --run.directory run --train.until 2u --model.width 8 --model.heads 2 \
    --model.ffn_width 8 --model.encoder_layers 1 --model.decoder_layers 1 --batch.micro_batches 1 \
    --comm.threads 1 >trained 2>&1 || fail "train: $(cat trained)"

shows '^kind +corpus$' c.h5
shows '^pairs +3$' c.h5
shows '^    empty +1$' c.h5
shows 'line 2: empty' c.h5 --skipped
shows '"kind":"corpus".*"pairs":3' c.h5 --json
shows '^verified_arrays +[1-9]' c.h5 --verify
shows '^kind +checkpoint$' run
shows '"kind":"checkpoint".*"update":2.*"parameters":[0-9]+,"parameters_crc32":"[0-9a-f]{8}"' run --json
shows '^update +2$' run/checkpoints/update-00000002.h5 --verify
shows '^optimizer.kind$' # without arguments
shows '^    adam +' # its rows

refuses 64 'expected one file or run directory, found 2' c.h5 run
refuses 64 'info: --verify is about a file or run directory, found none' --verify --json
refuses 64 'info: --skipped is about a file or run directory, found none' --skipped
refuses 64 'info: --skipped is about a corpus, found a checkpoint: run/best.h5|run/last.h5' run --skipped --json
refuses 64 'verfy' c.h5 --verfy
refuses 66 'absent' absent
mkdir empty
refuses 66 'empty: expected a run directory' empty
refuses 65 'another kind of file|with a header' source
for file in c.h5 run/checkpoints/update-00000002.h5; do
    bytes=$(stat -c %s "$file")
    head -c $((bytes - 1)) "$file" >cut.h5
    refuses 65 "cut.h5: expected $bytes bytes as its header says, found $((bytes - 1))" cut.h5
    { head -c 1000 "$file"; printf '\377\376'; tail -c +1003 "$file"; } >flipped.h5
    cmp -s "$file" flipped.h5 && fail "nothing was flipped"
    refuses 65 'flipped.h5: the contents are damaged: expected digest' flipped.h5 --verify
done
exit $failed
