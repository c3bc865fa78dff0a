# For tests of training from the command line: a tiny corpus and model, and few words for both.
# shellcheck disable=SC2034,SC2154 shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/folder.bash"

# NAME LINES SEED [prepare's words]: NAME.h5 and NAME-valid.h5 from the built-in text.
make_corpus() {
    local name=$1 lines=$2 seed=$3
    shift 3
    "$program" generate numbers --output "$name" --lines "$lines" --test-lines 40 --seed "$seed" >log 2>&1 &&
        "$program" prepare --source "$name/train.en" --target "$name/train.de" --output "$name.h5" \
            --vocab-size 100 --joint "$@" >>log 2>&1 &&
        "$program" prepare --source "$name/valid.en" --target "$name/valid.de" --output "$name-valid.h5" \
            --vocab "$name.h5" >>log 2>&1 || { cat log; fail "no corpus $name"; exit 1; }
}

# A model so small that updates take milliseconds, with dropout at every site; epochs of a few updates.
cat >tiny.yaml <<'END'
data:
  train: tiny.h5
  valid: tiny-valid.h5
model:
  width: 16
  encoder_layers: 1
  decoder_layers: 1
  heads: 2
  ffn_width: 32
  dropout: 0.1
  attention_dropout: 0.1
  activation_dropout: 0.1
batch:
  tokens: 160
  micro_batches: 8
schedule:
  warmup: 10
train:
  until: 20u
checkpoint:
  every: 5u
log:
  level: detail
END

# The same as a recurrent model.
grep -vE '^  (heads|ffn_width|activation_dropout):' tiny.yaml | sed 's/^model:/model:\n  kind: recurrent/' >recurrent.yaml

# RANKS RUN [words]: trains $config; 0 ranks: without mpirun. Output in RUN.log, status in $status.
train() {
    local ranks=$1 run=$2 launch=
    shift 2
    [ "$ranks" = 0 ] || launch="mpirun -n $ranks"
    # shellcheck disable=SC2086
    $launch "$program" train "${config:-tiny.yaml}" --run.directory "$run" --comm.threads 1 "$@" >"$run.log" 2>&1
    status=$?
}

# RUN STATUS WORDS: the last train ended so, RUN.log holds all of the words (extended expressions), and all memory was freed.
expect() {
    local run=$1 expected=$2 word
    shift 2
    [ "$status" = "$expected" ] || fail "$run: expected status $expected, found $status: $(tail -n 5 "$run.log")"
    for word in "$@"; do
        grep -qE -- "$word" "$run.log" || fail "$run: expected a message with '$word', found: $(tail -n 5 "$run.log")"
    done
    if grep 'not freed' "$run.log"; then fail "$run: memory is left over"; fi
}

train_refused() { # STATUS WORD -- words of train: by one message, on 1 rank and on 2, and nothing is left
    local expected=$1 word=$2 ranks
    shift 3
    for ranks in 0 2; do
        rm -rf refused
        train "$ranks" refused "$@"
        expect refused "$expected" "$word"
        [ ! -e refused ] || fail "$*: left $(find refused)"
        [ "$(grep -c '^seqtrain: ' refused.log)" = 1 ] || fail "$*: expected one message: $(grep '^seqtrain: ' refused.log)"
    done
}

crc_of() { "$program" info "$1" --json | sed -n 's/.*"parameters_crc32": *"\{0,1\}\([^",}]*\).*/\1/p'; }
newest() { find "$1/checkpoints" -name '*.h5' | sort | tail -n 1; }
# What metrics.jsonl must have in common, however the run went: all but the speed.
losses_of() { sed 's/"tokens_per_second":[^,}]*//' "$1/metrics.jsonl"; }
