#!/bin/bash
# bench: what it tells, that its parts agree with the whole, and that nothing is left behind. No time is judged.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

bench() { # RANKS NAME [words]: in NAME.json; 0 ranks: without mpirun
    local ranks=$1 name=$2 launch=
    shift 2
    [ "$ranks" = 0 ] || launch="mpirun -n $ranks"
    # shellcheck disable=SC2086
    $launch "$program" bench tiny.yaml --comm.threads 1 --updates 6 --warm-up 2 --json "$@" >"$name.json" 2>"$name.log"
    status=$?
    expect "$name" 0
    [ ! -s "$name.log" ] || fail "$name says: $(cat "$name.log")"
}
figure() { grep -o "\"$2\":[0-9.e+-]*" "$1.json" | head -n 1 | cut -d : -f 2; } # RUN KEY
holds() { awk "BEGIN { exit !($2) }" || fail "$1: expected $2"; } # RUN CONDITION
sum() { tr '{,' '\n\n' <"$1.json" | awk -F: -v key="\"$2\"" '$1 == key { n += $2 } END { print n }'; } # RUN KEY: of all objects
clean() { [ -z "$(find . -name 'seqtrain-bench*')" ] || fail "$1 left $(find . -name 'seqtrain-bench*')"; }

# ---- parts and whole, on 1 and 2 ranks ----
for ranks in 0 2; do
    run=on$ranks
    bench $ranks $run
    clean $run
    whole=$(figure $run whole_seconds) seconds=$(figure $run seconds) tokens=$(figure $run tokens)
    [ "$(figure $run updates)" = 6 ] || fail "$run: $(figure $run updates) updates"
    grep -q '"validate":{"mean":0,' $run.json && fail "$run: there was no validation"
    for phase in data forward backward exchange update validate save other; do
        grep -q "\"$phase\":{\"mean\":[0-9.e-]*,\"max\":[0-9.e-]*}" $run.json || fail "$run: no time of $phase"
    done
    holds $run "$seconds > 0 && $seconds < $whole"
    phases=$(sed 's/.*"phases"://; s/"ops".*//' $run.json | grep -o '"mean":[0-9.e-]*' | cut -d : -f 2 | awk '{ n += $1 } END { print n }')
    holds $run "$phases > 0.9 * $whole && $phases < 1.1 * $whole"
    holds $run "$(figure $run tokens_per_second) * $seconds / $tokens > 0.999 && $(figure $run tokens_per_second) * $seconds / $tokens < 1.001"
    ops=$(awk -v a="$(sum $run forward_seconds)" -v b="$(sum $run backward_seconds)" 'BEGIN { print a + b }')
    holds $run "$ops > 0 && $ops <= $seconds"
    share=$(figure $run share_of_limit)
    holds $run "$share * $(figure $run limit_tokens_per_second) / $(figure $run tokens_per_second) > 0.999"
    for op in embedding linear attention residual_norm loss; do
        grep -q "\"$op\":{\"calls\":[1-9]" $run.json || fail "$run: op $op is not counted"
    done
    for label in gradient 'model step'; do
        grep -q "\"$label\":[1-9]" $run.json || fail "$run: no memory for $label"
    done
    holds $run "$(figure $run resident_bytes) > 1e6"
done
# The same updates on any layout: the same work.
for key in tokens operations parameters; do
    [ "$(figure on0 $key)" = "$(figure on2 $key)" ] || fail "$key: $(figure on0 $key) on 1 rank, $(figure on2 $key) on 2"
done

# ---- the updates are those of train ----
train 0 run --train.until 8u --validate.every 8u --checkpoint.every never
expect run 0
tokens=$(sed -n '3,8s/.*"tokens":\([0-9]*\).*/\1/p' run/metrics.jsonl | awk '{ n += $1 } END { print n }')
[ "$(figure on0 tokens)" = "$tokens" ] || fail "bench counted $(figure on0 tokens) tokens, train has $tokens in these updates"

# ---- as text, on built-in text, elsewhere ----
mkdir elsewhere
"$program" bench --comm.threads 1 --model.width 16 --model.ffn_width 32 --model.heads 2 --model.encoder_layers 1 --model.decoder_layers 1 \
    --batch.tokens 500 --batch.micro_batches 2 --updates 2 --warm-up 1 --folder elsewhere --log.level detail >text.log 2>err.log
status=$?
expect text 0 '^machine ' '^model +transformer, [0-9]+ parameters; 1 rank, 1 thread each' '^training +[0-9]+ tokens/s over 2 updates' \
    '^limit +[0-9]+ tokens/s' '^share +[0-9.]+ % of the limit' '^  forward +[0-9.]+ +[0-9.]+ +[0-9.]+ %' \
    '^  linear .* GFLOP/s ' '^  residual_norm .* GB/s ' '^ +[0-9]+ +16 +16 +[0-9]+ tn ' '^  model step +[0-9.]+'
grep -q 'memory of rank 0' err.log || fail "--log.level detail says: $(cat err.log)"
grep -E 'not freed|warning' err.log && fail "bench says: $(cat err.log)"
clean text

# ---- what is refused, and leaves nothing ----
refuses() { # STATUS WORD words
    local expected=$1 word=$2
    shift 2
    "$program" bench "$@" >refused.log 2>&1
    status=$?
    expect refused "$expected" "$word"
    clean "$*"
}
refuses 78 'bench trains .*: --train.until does not count' tiny.yaml --train.until 3u
refuses 78 'bench trains .*: --run.directory does not count' tiny.yaml --run.directory run
refuses 66 'absent.h5' --data.train absent.h5
refuses 78 'updates' tiny.yaml --updates 0
refuses 66 'absent/seqtrain-bench|create a folder in absent' tiny.yaml --folder absent
refuses 78 'batch.tokens 5: ' tiny.yaml --batch.tokens 5

# ---- a signal: it ends with the status of a stop, and nothing is left ----
"$program" bench tiny.yaml --comm.threads 1 --updates 1000000 >stopped.log 2>&1 &
pid=$!
for _ in $(seq 200); do
    grep -qs '"update":3' seqtrain-bench*/run/metrics.jsonl && break
    sleep 0.1
done
kill -USR1 "$pid"
wait "$pid"
status=$?
expect stopped 75 'stopped on a signal; nothing is kept'
clean "a stopped bench"
exit "$failed"
