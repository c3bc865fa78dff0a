#!/bin/bash
# Guided alignment: what prepare makes of a file of word alignments, what it refuses, and that attention learns the alignment
# it is given many times sooner.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/prepare.bash"
fail() { # what
    echo "FAIL: $*"
    failures=$((failures + 1))
}
points() { "$seqtrain" info out.h5 --json | sed -n 's/.*"points":\([0-9]*\).*/\1/p'; }

# ---- prepare: words become tokens ----
for i in $(seq 60); do
    printf 'line %d of the text\tZeile %d des Textes\n' "$i" "$i"
done >good.tsv
for i in $(seq 60); do echo '1-1 0-0 2-2	3-2 4-3 0-0'; done >good.align
vocabulary="--vocab-kind word --vocab-size 200"
expect 0 "" --pairs good.tsv --alignments good.align $vocabulary
says "alignment   300 points, 1.00 a target token"
[ "$(points)" = 300 ] || fail "info tells $(points) points"
mv out.h5 words.h5
expect 0 "" --pairs good.tsv --vocab words.h5
[ -z "$(points)" ] || fail "points without an alignment"
expect 0 "" --pairs good.tsv --alignments good.align --vocab-kind char --vocab-size 40
# Letters with the mark before the word: line-Zeile 5·6, number, of-des 3·4, the-des 4·4, text-Textes 5·7.
awk '{ n = length(NR) + 1; all += 30 + n * n + 12 + 16 + 35 } END { exit all != '"$(points)"' }' good.align || fail "$(points) points of letters"
gzip -k good.align
expect 0 "" --pairs good.tsv --alignments good.align.gz --vocab words.h5
same out.h5 <("$seqtrain" prepare --pairs good.tsv --alignments good.align --vocab words.h5 --output again.h5 >/dev/null && cat again.h5)
# Pairs that are left out take their alignment with them; the same whatever the number of threads.
sed '7s/.*/\tNothing/; 9s/.*/line 1 of the text\tZeile 1 des Textes/' good.tsv >holes.tsv
sed '7s/.*/5-5/; 20s/.*//' good.align >holes.align
expect 0 "" --pairs holes.tsv --alignments holes.align --vocab words.h5 --duplicates drop
says "58 sentence pairs"
[ "$(points)" = 285 ] || fail "$(points) points of 58 pairs"
OMP_NUM_THREADS=3 "$seqtrain" prepare --pairs holes.tsv --alignments holes.align --vocab words.h5 --duplicates drop --output three.h5 >/dev/null
same out.h5 three.h5

# ---- what is no alignment ----
bad() { # WORDS LINE
    sed "4s/.*/$2/" good.align >bad.align
    expect 65 "bad.align:4: $1" --pairs good.tsv --alignments bad.align --vocab words.h5
}
bad "expected a source word and a target word as 0-0, found '0:0'" "0-0 0:0"
bad "expected a source word and a target word as 0-0, found '1-'" "1-"
bad "expected a source word and a target word as 0-0, found '-1-1'" "-1-1"
bad "expected a source word and a target word as 0-0, found '1-1-1'" "1-1-1"
bad "expected a source word and a target word as 0-0, found '99999999-1'" "99999999-1"
bad "expected source words below 5, as many as the line of text has, found 5 in 5-0" "5-0"
bad "expected target words below 4, as many as the line of text has, found 4 in 0-4" "0-4"
head -n 59 good.align >few.align
expect 65 "few.align: expected a line for each sentence pair, found 59 lines for 60 pairs and more" --pairs good.tsv --alignments few.align --vocab words.h5
cat good.align few.align >many.align
expect 65 "many.align: expected a line for each of 60 sentence pairs, found more" --pairs good.tsv --alignments many.align --vocab words.h5
expect 66 "nothing.align: No such file" --pairs good.tsv --alignments nothing.align $vocabulary
expect 64 "--alignments expects a file, found -" --pairs good.tsv --alignments - $vocabulary
cut -f 2 good.tsv >good.de
expect 64 "--alignments good.align is of words, but --source-features gives none" --source-features f.h5:/x --target good.de --alignments good.align

# ---- training: letters again or backwards, each target word of one source word ----
learn() { # NAME AWK: corpus NAME.h5, where target word t of n is aligned with source word AWK
    "$program" generate "$1" --output "$1" --lines 3000 --test-lines 30 >log 2>&1 || fail "no text: $(cat log)"
    awk '{ n = NF; for (t = 0; t < n; t++) printf "%d-%d ", '"$2"', t; print "" }' "$1/train.target" >"$1.align"
    expect 0 "" --source "$1/train.source" --target "$1/train.target" --alignments "$1.align" --vocab-kind word --vocab-size 40 --joint
    mv out.h5 "$1.h5"
}
cat >guided.yaml <<'END'
model: {width: 64, encoder_layers: 1, decoder_layers: 1, dropout: 0}
batch: {tokens: 1024, micro_batches: 2}
optimizer: {learning_rate: 0.004}
schedule: {warmup: 50}
train: {until: 150u, label_smoothing: 0}
checkpoint: {every: never}
END

# CORPUS NAME AWK [words]: trains; then the share of the reference's words, in percent, that look most where the alignment says.
share() {
    local corpus=$1 name=$2 source=$3
    shift 3
    "$program" train guided.yaml --data.train "$corpus.h5" --run.directory "$name" --comm.threads 1 "$@" >"$name.log" 2>&1 ||
        fail "$name: $(tail -n 3 "$name.log")"
    "$program" translate "$name" --input "$corpus/valid.source" --prefix "$corpus/valid.target" --beam 1 --alignment hard --output "$name.out" 2>>"$name.log" ||
        fail "$name: $(tail -n 3 "$name.log")"
    paste -d '|' "$name.out" "$corpus/valid.target" | awk -F '|' '{
        n = split($NF, word, " ")
        for (f = 1; f < NF; f++) if ($f ~ /^ *[0-9]+-[0-9]+( [0-9]+-[0-9]+)* *$/) line = $f
        split(line, found, " ")
        for (t = 0; t < n; t++) { all++; good += found[t + 1] == ('"$source"') "-" t }
    } END { printf "%.0f\n", 100 * good / all }'
}
sooner() { # CORPUS NAME AWK [words]: with guidance almost all, without hardly more than by chance
    local corpus=$1 name=$2 source=$3 with without
    shift 3
    without=$(share "$corpus" "$name-alone" "$source" "$@")
    with=$(share "$corpus" "$name-guided" "$source" --train.guided_alignment ce --train.guided_weight 1 "$@")
    echo "$name: $without % of the words look where they should without guidance, $with % with it"
    [ "$with" -ge 80 ] && [ "$without" -le 50 ] || fail "$name: $without % without guidance, $with % with it"
    grep -q '"alignment_loss":' "$name-guided/metrics.jsonl" || fail "$name: metrics.jsonl has no alignment_loss"
    ! grep -q '"alignment_loss":' "$name-alone/metrics.jsonl" || fail "$name: an alignment_loss without guidance"
}
learn copy t
learn reverse "n - 1 - t"
sooner copy transformer t
sooner reverse bahdanau "n - 1 - t" --model.kind recurrent --train.until 300u

# ---- what cannot be ----
refuse() { # WORDS -- words of train
    rm -rf refused
    refused 78 "$1" "$program" train guided.yaml --data.train copy.h5 --run.directory refused --train.guided_alignment ce "${@:3}"
}
"$program" prepare --source copy/train.source --target copy/train.target --vocab copy.h5 --output plain.h5 >/dev/null || fail "no corpus"
refuse "data.train plain.h5 has none: prepare it with --alignments FILE" -- --data.train plain.h5
refuse "data.train plain.h5 has none" -- --data.train copy.h5 plain.h5
refuse "model.attention none has none: set another model.attention" -- --model.kind recurrent --model.attention none
refuse "data.sampling 0.1 cuts words into others" -- --data.sampling 0.1
refused 78 "train.guided_weight" "$program" train guided.yaml --data.train copy.h5 --run.directory refused --train.guided_weight 2
exit $((failures > 0 || failed))
