#!/bin/bash
# `make lengths`: what becomes of long sentences. The same LSTM without attention, which has all of the source in one vector that it sees
# at every step (Cho et al. 2014), and with it (Bahdanau et al. 2015), trained on the same text; BLEU by length of the source as a picture, and its figures as markdown on standard output.
#   LENGTHS_SOURCE LENGTHS_TARGET             text to train on (default: numbers, dates, times and amounts, 1 to 4 of them on a line)
#   LENGTHS_TEST_SOURCE LENGTHS_TEST_TARGET   and to test on
#   LENGTHS_VOCAB (500)                       pieces
#   LENGTHS_SETTINGS                          words of `seqtrain train`, for both: "--train.until 20e --model.width 512"
#   LENGTHS_RUNS LENGTHS_NAMES                run directories to draw in place of training, and what they are called: "one, another"
#   LENGTHS_OUTPUT (build/lengths/lengths.svg)
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
seqtrain=$BUILD/seqtrain
folder=$BUILD/lengths
output=${LENGTHS_OUTPUT:-$folder/lengths.svg}
if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
mkdir -p "$folder"

join() { # SPLIT: 1, 2, 3, 4, 1 ... of its lines become one
    paste -d '|' "$folder/numbers/$1.en" "$folder/numbers/$1.de" | awk -F '|' -v source="$folder/$1.source" -v target="$folder/$1.target" '
        { s = s (n ? " , " : "") $1; t = t (n ? " , " : "") $2 }
        ++n == want + 1 { print s >source; print t >target; s = t = ""; n = 0; want = (want + 1) % 4 }'
}

make_text() {
    "$seqtrain" generate numbers --output "$folder/numbers" --lines 50000 --test-lines 2500 >&2
    join train
    join test
    LENGTHS_SOURCE=$folder/train.source LENGTHS_TARGET=$folder/train.target
    LENGTHS_TEST_SOURCE=$folder/test.source LENGTHS_TEST_TARGET=$folder/test.target
}

train() { # RUN SETTINGS...
    rm -rf "${folder:?}/$1"
    # shellcheck disable=SC2086
    "$seqtrain" train tests/lengths/lstm.yaml --run.directory "$folder/$1" --data.train "$folder/train.h5" "${@:2}" ${LENGTHS_SETTINGS:-} >&2
}

train_both() {
    "$seqtrain" prepare --source "$LENGTHS_SOURCE" --target "$LENGTHS_TARGET" --output "$folder/train.h5" --joint --vocab-size "${LENGTHS_VOCAB:-500}" >&2
    train fixed --model.attention none --model.context every_step
    train attention --model.attention bahdanau
    runs=("$folder/fixed" "$folder/attention")
    names=("fixed vector" "attention")
}

figures() { # PICTURE: a row for each length, a column for each run
    grep -oE '>[0-9–+]+</text><text class="count"[^>]*>n=[0-9]+|class="mark s[0-9]+[^>]*><title>[^<]*' "$1" | awk -F '>' '
        /count/ { sub("<.*", "", $2); lengths[++rows] = $2; counts[$2] = substr($NF, 3); next }
        { match($1, /s[0-9]+/); run = substr($1, RSTART + 1, RLENGTH - 1) }
        $NF !~ / pieces: [0-9.]+ BLEU$/ { names[run] = $NF; runs = run > runs ? run : runs; next }
        { split($NF, part, " "); value[run, part[1]] = part[3] }
        END {
            printf "| pieces | sentences |"
            for (r = 1; r <= runs; r++) printf " %s |", names[r]
            printf "\n| --- | --- |"
            for (r = 1; r <= runs; r++) printf " --- |"
            for (i = 1; i <= rows; i++) {
                printf "\n| %s | %s |", lengths[i], counts[lengths[i]]
                for (r = 1; r <= runs; r++) printf " %s |", value[r, lengths[i]]
            }
            print ""
        }'
}

if [ -n "${LENGTHS_RUNS:-}" ]; then
    read -ra runs <<<"$LENGTHS_RUNS"
    IFS=, read -ra names <<<"${LENGTHS_NAMES:-${LENGTHS_RUNS// /,}}"
    names=("${names[@]# }")
else
    [ -n "${LENGTHS_SOURCE:-}" ] || make_text
    train_both
fi
: "${LENGTHS_TEST_SOURCE:?sentences to test on}" "${LENGTHS_TEST_TARGET:?their references}"
"$seqtrain" report "${runs[@]}" --names "${names[@]}" --source "$LENGTHS_TEST_SOURCE" --target "$LENGTHS_TEST_TARGET" --chart lengths --output "$output"
"$seqtrain" report "${runs[@]}" --names "${names[@]}" --source "$LENGTHS_TEST_SOURCE" --target "$LENGTHS_TEST_TARGET" --output "$folder/report.html"
figures "$output"
echo "$output; $folder/report.html" >&2
