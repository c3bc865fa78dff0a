#!/bin/bash
# `make demo`: from nothing to a tested translation model. It makes a corpus from rules (numbers, dates, times, amounts in
# English and German words; the test values occur in no training sentence), trains on 2 ranks, is stopped half-way by a
# signal, resumes on 1 rank, then on 2, and translates the held-out part.
#   DEMO_SEED   another corpus and another start (default 1)
#   DEMO_DIR    where it works (default: build/demo)
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
SEED=${DEMO_SEED:-1}
DIR=${DEMO_DIR:-$BUILD/demo}
EPOCHS=${DEMO_EPOCHS:-8}
seqtrain=$BUILD/seqtrain
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMPI_MCA_rmaps_base_oversubscribe=1

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
epochs() { # the one under way, from 1
    sed -n '$s/.*"epoch": *\([0-9]*\).*/\1/p' "$DIR/run/metrics.jsonl" 2>/dev/null | grep . || echo 0
}
train() { # ranks, further settings: the same command each time; the run directory knows where it stands
    local ranks=$1
    shift
    exec mpirun -q -n "$ranks" "$seqtrain" train train/recipes/demo.yaml --run.directory "$DIR/run" --run.seed "$SEED" \
        --data.train "$DIR/train.h5" --data.valid "$DIR/valid.h5" --train.until "${EPOCHS}e" "$@"
}

start=$SECONDS
rm -rf "$DIR"
mkdir -p "$DIR"

say "1. Parallel text from rules (seed $SEED)"
"$seqtrain" generate numbers --output "$DIR" --seed "$SEED" --lines 20000 --test-lines 500
paste -d '|' "$DIR/train.en" "$DIR/train.de" | head -n 4 | sed 's/|/   ->   /; s/^/    /'

say "2. Text to corpus: one vocabulary for both sides"
"$seqtrain" prepare --source "$DIR/train.en" --target "$DIR/train.de" --output "$DIR/train.h5" --vocab-size 300 --joint
"$seqtrain" prepare --source "$DIR/valid.en" --target "$DIR/valid.de" --output "$DIR/valid.h5" --vocab "$DIR/train.h5"

say "3. Train on 2 ranks; half-way a signal asks it to stop"
train 2 &
pid=$!
while kill -0 "$pid" 2>/dev/null && [ "$(epochs)" -lt $((EPOCHS / 2)) ]; do sleep 0.2; done
kill -USR1 "$pid" 2>/dev/null || true
status=0
wait "$pid" || status=$?
[ "$status" = 75 ] || { echo "expected exit status 75 (stopped after saving), found $status" >&2; exit 1; }

say "4. Resume on 1 rank, for a little while"
status=0
(train 1 --train.time_limit 8s) || status=$?
[ "$status" = 75 ] || { echo "expected exit status 75 (stopped after saving), found $status" >&2; exit 1; }

say "5. Resume on 2 ranks, to the end"
(train 2)

say "6. Translate ${DIR}/test.en: values that occur in no training sentence"
began=$SECONDS
mpirun -q -n 2 "$seqtrain" translate "$DIR/run" --input "$DIR/test.en" --output "$DIR/test.out"
paste -d '|' "$DIR/test.en" "$DIR/test.out" | head -n 5 | sed 's/|/   ->   /; s/^/    /'

total=$(wc -l <"$DIR/test.de")
exact=$(paste -d '\n' "$DIR/test.de" "$DIR/test.out" | awk 'NR % 2 { want = $0; next } want == $0 { n++ } END { print n + 0 }')
speed=$(sed -n 's/.*"tokens_per_second": *\([0-9.]*\).*/\1/p' "$DIR/run/metrics.jsonl" | sort -n | awk '{ v[NR] = $1 } END { printf "%.0f", v[int((NR + 1) / 2)] }')
say "$exact of $total translations exact ($((100 * exact / total)) %), $((SECONDS - began)) s to translate, $speed tokens/s in training, $((SECONDS - start)) s in all"
[ $((100 * exact)) -ge $((95 * total)) ] || { echo "expected at least 95 % exact" >&2; exit 1; }
echo "Next: $seqtrain help, or the same with text of your own: see README.md."
