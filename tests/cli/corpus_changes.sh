#!/bin/bash
# A corpus that changes: between two starts of a run, and while one reads it. What was prepared anew is refused; what is cut
# off or written over is told by name, and never read as other numbers; another file of that name is none of the run's.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus many 12000 1
{ head -n 11000 many/train.en >en && head -n 11000 many/train.de >de &&
    "$program" prepare --source en --target de --output other.h5 --vocab many.h5; } >log 2>&1 || fail "no other corpus"
endless=(--data.train used.h5 --data.valid many-valid.h5 --train.until 20000u --validate.every never --checkpoint.every 0u)

beside() { # RUN [words]: trains on used.h5 until it has made updates
    local run=$1
    shift
    cp many.h5 used.h5
    "$program" train tiny.yaml --run.directory "$run" --comm.threads 1 "${endless[@]}" "$@" >"$run.log" 2>&1 &
    job=$!
    until grep -q loss "$run/metrics.jsonl" 2>/dev/null || ! kill -0 $job 2>/dev/null; do sleep 0.02; done
    sleep 0.1 # times of files are those of the last tick
}
ended() { # RUN: by itself, and names the file
    wait $job
    status=$?
    expect "$1" 74 '^seqtrain: used.h5: .*(found the end: the file was cut off|has been written to since)'
    grep -q '^error: used.h5: ' "$1/log.txt" || fail "$1: log.txt does not tell its end"
}

beside cut
truncate -s 2000 used.h5
ended cut
beside emptied
: >used.h5
ended emptied
beside over
cat other.h5 >used.h5
ended over
beside patched # the same length, the header as it was
printf '\252' | dd of=used.h5 bs=1 seek=$(($(stat -c %s used.h5) - 9)) conv=notrunc status=none
ended patched

# Another file takes the name, or the same is touched: the run goes on with what it has opened.
beside replaced
cp other.h5 new.h5 && mv new.h5 used.h5 && touch used.h5
updates=$(wc -l <replaced/metrics.jsonl)
until [ "$(wc -l <replaced/metrics.jsonl)" -gt $((updates + 60)) ] || ! kill -0 $job 2>/dev/null; do sleep 0.02; done
kill -TERM $job
wait $job
status=$?
expect replaced 75 'stopped after update'
train 1 replaced "${endless[@]}"
expect replaced 65 'update-[0-9]*.h5 was trained on another corpus: expected fingerprint .*, found .* in used.h5'
cp many.h5 used.h5 && touch used.h5
last=$(sed -n 's/.*stopped after update \([0-9]*\).*/\1/p' replaced/log.txt)
train 0 same "${endless[@]}" --train.until "${last}u"
expect same 0
cmp "$(newest same)" "$(newest replaced)" || fail "a run whose corpus was replaced is not that of the corpus it had opened"
exit "$failed"
