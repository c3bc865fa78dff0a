#!/bin/bash
# translate and score: the same lines on any number of ranks, in input order, in every format; bad input and what it
# leaves behind.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
. "$tests/toy.bash"

make_model run
make_model other model.width 32 model.decoder_layers 1
make_model learned model.position learned model.position_limit 8

make_lines >source.txt

# Order, empty lines, ranks, and where text comes from and goes to.
"$program" translate run --input source.txt --output alone.txt --group 64 --batch 7 || fail "translate: status $?"
[ "$(wc -l <alone.txt)" = 150 ] || fail "$(wc -l <alone.txt) translations of 150 lines"
paste -d '|' source.txt alone.txt | awk -F '|' '($1 == "") && ($2 != "") { bad = 1 } END { exit bad }' || fail "an empty line was translated"
[ "$(sort -u alone.txt | wc -l)" -gt 5 ] || fail "all translations are alike"
for ranks in 2 3 4; do
    mpirun -n "$ranks" "$program" translate run --input source.txt --output "ranks.txt" --group 64 --batch 7 || fail "translate on $ranks ranks: status $?"
    cmp alone.txt ranks.txt || fail "$ranks ranks translate otherwise"
done
"$program" translate run/last.h5 --group 64 --batch 7 <source.txt >piped.txt || fail "translate from standard input: status $?"
cmp alone.txt piped.txt || fail "standard input is translated otherwise"
# Every bit of a translation is its sentence's own, whatever it is decoded with.
"$program" translate run --input source.txt --group 64 --batch 7 --nbest 3 --word-scores >together.txt || fail "n-best: status $?"
for company in "--group 1" "--group 150 --batch 64" "--batch 1"; do
    # shellcheck disable=SC2086
    "$program" translate run --input source.txt $company --nbest 3 --word-scores | cmp - together.txt || fail "$company translates otherwise"
done
gzip -k source.txt
"$program" translate run --input source.txt.gz --group 64 --batch 7 | cmp - alone.txt || fail ".gz is translated otherwise"
"$program" translate run </dev/null >nothing.txt || fail "translate of nothing: status $?"
cmp nothing.txt /dev/null || fail "nothing is not translated to nothing"
"$program" translate run --max-length-ratio 0 --max-length-extra 1 <source.txt | awk 'NF > 1 { bad = 1 } END { exit bad || NR != 150 }' || fail "translations are longer than asked for"

# Line by line: an answer comes while the input stays open.
line_by_line() { # COMMAND...: what starts the program, on any number of ranks
    local job number
    rm -f lines asked.txt
    mkfifo lines
    "$@" translate run --group 1 <lines >answers.txt &
    job=$!
    exec 3>lines
    for number in 10 9 20; do # line 9 is empty
        sed -n ${number}p source.txt >>asked.txt
        sed -n ${number}p source.txt >&3
        for _ in $(seq 600); do [ "$(wc -l <answers.txt)" = "$(wc -l <asked.txt)" ] && break; sleep 0.1; done
        "$program" translate run --group 1 --input asked.txt | cmp - answers.txt || { fail "no answer, or another, while the input stays open: $*"; break; }
    done
    exec 3>&-
    wait "$job" || fail "translate line by line: status $?: $*"
    [ "$(sort -u answers.txt | wc -l)" = 3 ] || fail "answers are alike: $*"
}
line_by_line "$program"
line_by_line mpirun -n 2 "$program"

# Scores: one a line, the same on any number of ranks; each pair's stands for itself.
"$program" score run --source source.txt --target alone.txt >scores.txt || fail "score: status $?"
[ "$(grep -cE '^-[0-9]+\.[0-9]+$' scores.txt)" = 150 ] || fail "150 pairs have other scores"
for ranks in 2 3; do
    mpirun -n "$ranks" "$program" score run --source source.txt --target alone.txt --output ranks.txt || fail "score on $ranks ranks: status $?"
    cmp scores.txt ranks.txt || fail "$ranks ranks score otherwise"
done
sed -n 10p source.txt >one.source
sed -n 10p alone.txt >one.target
one=$("$program" score run --source one.source --target one.target)
paste <(sed -n 10p scores.txt) <(echo "$one") | awk '{ d = $1 - $2; exit !(d * d < 1e-8 * $1 * $1) }' || fail "line 10 scores $(sed -n 10p scores.txt) among others, $one alone"

"$program" score run --source <(cat source.txt) --target <(cat alone.txt) --output - | cmp - scores.txt || fail "a pipe scores otherwise"
mkfifo results
cat results >received.txt &
"$program" score run --source source.txt --target alone.txt --output results || fail "score into a pipe: status $?"
wait
[ -p results ] || fail "a file took the place of a pipe"
cmp received.txt scores.txt || fail "a pipe receives other scores"
ln -s linked.txt link
"$program" score run --source source.txt --target alone.txt --output link && [ -L link ] && cmp linked.txt scores.txt || fail "a link was not written through"
"$program" score run --source source.txt --target alone.txt --word-scores >words.txt || fail "score --word-scores: status $?"
sed 's/ ||| .*//' words.txt | cmp - scores.txt || fail "scores of pieces change the sums"
"$program" score run --source source.txt --target alone.txt --normalise >means.txt || fail "score --normalise: status $?"
paste -d ' ' words.txt means.txt | awk '{ sum = 0; for (i = 4; i < NF; i++) sum += $i; d = sum - $1; e = sum / (NF - 4) - $NF
    if (NF < 5 || d * d > 1e-9 || e * e > 1e-10) bad = 1 } END { exit bad || NR != 150 }' || fail "scores of pieces do not add up"

# Several translations of a line: best first, the first is the plain translation, JSON tells the same.
"$program" translate run --input source.txt --group 64 --batch 7 --nbest 3 --word-scores --alignment hard --output nbest.txt || fail "n-best: status $?"
awk -F ' [|][|][|] ' '{ n[$1]++; if (NF != 6 || $1 + 0 < line || (n[$1] > 1 && $6 + 0 > score) || n[$1] > 3) bad = 1; line = $1; score = $6 }
    $5 !~ /^F0= -?[0-9]+\.[0-9]+$/ || $3 !~ /^([0-9]+-[0-9]+ )*([0-9]+-[0-9]+)?$/ || $4 !~ /^WordScores=( -?[0-9.]+)*$/ { bad = 1 }
    { m = split($4, s, " "); sum = 0; for (i = 2; i <= m; i++) sum += s[i]; split($5, f, " "); d = sum - f[2]; if (d * d > 1e-8) bad = 1 }
    END { for (i = 0; i < 150; i++) if (!n[i]) bad = 1; exit bad }' nbest.txt || fail "n-best lists look otherwise"
[ "$(wc -l <nbest.txt)" -gt 400 ] || fail "only $(wc -l <nbest.txt) translations of 150 lines"
awk -F ' [|][|][|] ' '!seen[$1]++ { print $2 }' nbest.txt | cmp - alone.txt || fail "the best of n is not the translation"
"$program" translate run --input source.txt --group 64 --batch 7 --nbest 3 --format json | sed 's/"text"/\n"text"/g' |
    sed -n 's/^"text":"\(.*\)","log_probability":\([^,]*\),"score":\([^}]*\)}.*/\1 ||| F0= \2 ||| \3/p' >json.txt
awk -F ' [|][|][|] ' '{ print $2 " ||| " $5 " ||| " $6 }' nbest.txt | cmp - json.txt || fail "JSON tells other translations"

# The log probability of a translation is its score: of those that ended, and whose text gives the same pieces again.
"$program" translate run --input source.txt --group 64 --batch 7 --beam 8 --nbest 8 --word-scores --pieces | awk -F ' [|][|][|] ' '$2 ~ /</ || $3 ~ / 0\.000000$/ || $2 == "" { next }
    { gsub(/ *▁/, " ", $2); sub(/^ /, "", $2); print $1 "\t" $2 "\t" $4 }' >ended.txt
[ "$(wc -l <ended.txt)" -gt 40 ] || fail "only $(wc -l <ended.txt) translations ended"
while IFS=$'\t' read -r line _; do sed -n "$((line + 1))p" source.txt; done <ended.txt >ended.source
cut -f 2 ended.txt >ended.target
"$program" score run --source ended.source --target ended.target | paste ended.txt - |
    awk -F '\t' '{ sub("F0= ", "", $3); d = $3 - $4; if (d * d > 1e-10) { print; bad = 1 } } END { exit bad }' || fail "translations score otherwise than they were found"

# Prefixes: every translation begins with its own; an empty line with one is translated.
awk '{ print NR % 3 == 0 ? "" : NR % 3 == 1 ? "four" : "nine two" }' source.txt >prefix.txt
"$program" translate run --input source.txt --prefix prefix.txt --group 64 --batch 7 >prefixed.txt || fail "prefixes: status $?"
paste -d '|' prefix.txt prefixed.txt source.txt alone.txt | awk -F '|' 'index($2, $1) != 1 || ($1 == "" && $2 != $4) { bad = 1 } END { exit bad || NR != 150 }' ||
    fail "a translation does not begin with its prefix, or an empty one changes it"

# An ensemble of a model and itself is the model; weights count; several ranks say the same, also of samples.
"$program" translate run run/last.h5 --input source.txt --group 64 --batch 7 | cmp - alone.txt || fail "a model twice translates otherwise"
several=(translate run other --input source.txt --group 64 --batch 7 --nbest 2 --prefix prefix.txt --alignment soft --word-scores --format json --weights)
drawn=(translate run other --input source.txt --group 64 --batch 7 --nbest 2 --sample --top-k 8 --top-p 0.9 --seed)
"$program" "${several[@]}" 3 1 --output several.txt || fail "ensemble: status $?"
"$program" "${several[@]}" 1 1 --output equal.txt || fail "ensemble of equals: status $?"
cmp -s equal.txt several.txt && fail "weights do not count"
"$program" "${drawn[@]}" 5 --output drawn.txt || fail "samples: status $?"
"$program" "${drawn[@]}" 6 --output others.txt || fail "samples of another seed: status $?"
cmp -s others.txt drawn.txt && fail "another seed draws the same"
for ranks in 2 3; do
    mpirun -n "$ranks" "$program" "${several[@]}" 3 1 --output ranks.txt || fail "ensemble on $ranks ranks: status $?"
    cmp several.txt ranks.txt || fail "$ranks ranks translate otherwise with an ensemble"
    mpirun -n "$ranks" "$program" "${drawn[@]}" 5 --output ranks.txt || fail "samples on $ranks ranks: status $?"
    cmp drawn.txt ranks.txt || fail "$ranks ranks draw otherwise"
done

# What cannot be: status, message, no file left.
printf 'one two three\none two\n' >own.txt
"$program" prepare --source own.txt --target own.txt --output own.h5 --vocab-kind word --vocab-size 6 >log 2>&1 || fail "prepare: $(cat log)"
"$program" train --run.directory own --data.train own.h5 --train.until start --model.width 16 --model.heads 2 --model.ffn_width 16 --batch.micro_batches 1 >log 2>&1 || fail "train: $(cat log)"
rm -f out.txt
out=(--input source.txt --output out.txt)
refused 65 "own/" "$program" translate run own "${out[@]}"
refused 65 "run/last.h5 and" mpirun -n 2 "$program" translate run own "${out[@]}"
refused 64 "--weights expects one number for each MODEL: 2, found 1" "$program" translate run other "${out[@]}" --weights 1
refused 64 "--weights counts only with several MODELs" "$program" translate run "${out[@]}" --weights 0.3
refused 78 weights "$program" translate run other "${out[@]}" --weights 1 0
refused 78 weights "$program" translate run other "${out[@]}" --weights 1 much
refused 64 "--nbest 6" "$program" translate run "${out[@]}" --nbest 6
refused 64 "--format text" "$program" translate run "${out[@]}" --nbest 2 --format text
refused 64 "--sample" "$program" translate run "${out[@]}" --beam 4 --sample
for switch in "--temperature 0.5" "--top-k 5" "--top-p 0.5" "--seed 5"; do
    # shellcheck disable=SC2086
    refused 64 "${switch% *} is ${switch#* }, but counts only with --sample, found nothing: give --sample, or leave ${switch% *} out" \
        "$program" translate run "${out[@]}" $switch
done
refused 64 "no room for a token" "$program" translate run "${out[@]}" --max-length-ratio 0 --max-length-extra 0
refused 64 "can be read once" "$program" translate run --prefix - --output out.txt
refused 64 "can be read once" "$program" score run --source - --target - --output out.txt
cp source.txt kept.txt
refused 64 "--output ./kept.txt would replace kept.txt" mpirun -n 2 "$program" translate run --input kept.txt --output ./kept.txt
refused 64 "--output kept.txt would replace kept.txt" "$program" score run --source source.txt --target kept.txt --output kept.txt
# shellcheck disable=SC2016
refused 64 "--output kept.txt would replace standard input" bash -c '"$0" translate run --output kept.txt <kept.txt' "$program"
cmp -s source.txt kept.txt || fail "a refused output was written"
refused 64 "--length-alpha is 0.5, but counts only with --length-penalty average or gnmt, found none" "$program" translate run "${out[@]}" --length-penalty none --length-alpha 0.5
refused 78 "hard" "$program" translate run "${out[@]}" --alignment crooked
refused 66 "nowhere.txt" "$program" translate run "${out[@]}" --prefix nowhere.txt
head -n 149 prefix.txt >few.txt
refused 65 "few.txt has 149 lines, but source.txt has 150" "$program" translate run "${out[@]}" --prefix few.txt
cat prefix.txt few.txt >many.txt
refused 65 "source.txt has 150 lines, but many.txt has 299" mpirun -n 2 "$program" translate run "${out[@]}" --prefix many.txt
printf 'one\n' >short.source
printf 'one two three four five six seven eight nine\n' >long.prefix
refused 78 "long.prefix:1" "$program" translate learned --input short.source --prefix long.prefix --output out.txt
printf 'one \377\n' >bad.prefix
refused 65 "bad.prefix:1" "$program" translate run --input short.source --prefix bad.prefix --output out.txt
refused 64 "takes one MODEL" "$program" score run other --source source.txt --target source.txt --output out.txt

# Bad input.
refused 64 "expected a MODEL" "$program" translate
refused 66 nowhere "$program" translate nowhere --output out.txt
refused 66 nowhere.txt "$program" translate run --input nowhere.txt --output out.txt
refused 66 nowhere/out.txt "$program" translate run --input source.txt --output nowhere/out.txt
refused 65 source.txt "$program" translate source.txt --output out.txt
printf 'one two\n' >one.txt
"$program" prepare --source one.txt --target one.txt --output corpus.h5 --vocab run >log 2>&1 || fail "prepare: $(cat log)"
mkdir empty
for ranks in 1 2; do
    refused 65 "corpus.h5: expected a checkpoint, found a corpus" mpirun -n $ranks "$program" translate corpus.h5 --output out.txt
    refused 65 "corpus.h5: expected a checkpoint, found a corpus" mpirun -n $ranks "$program" score corpus.h5 --source one.txt --target one.txt --output out.txt
    refused 66 "empty: expected a run directory" mpirun -n $ranks "$program" translate empty --output out.txt
    refused 66 "empty: expected a run directory" mpirun -n $ranks "$program" score empty --source one.txt --target one.txt --output out.txt
done
cp one.txt locked.txt
cp "$program" program
chmod 0 locked.txt
chmod 755 . program
chmod -R go+rX run
mkdir -m 777 open
mkdir -m 555 closed
as=
[ "$(id -u)" != 0 ] || as="setpriv --reuid 65534 --clear-groups"
refused 77 "locked.txt: Permission denied" $as ./program translate run --input locked.txt --output open/out.txt
refused 77 "locked.txt: Permission denied" $as ./program score run --source one.txt --target locked.txt --output open/out.txt
refused 77 "locked.txt: Permission denied" $as ./program translate locked.txt --output open/out.txt
refused 77 "closed/out.txt.tmp: Permission denied" $as ./program translate run --input one.txt --output closed/out.txt
[ -z "$(find open closed -type f)" ] || fail "a refused command left $(find open closed -type f)"
head -c 1000001 /dev/zero | tr '\0' x >wide.txt
refused 65 "wide.txt:1: expected a line of at most 1000000 bytes, found 1000001" "$program" translate run --input wide.txt --output out.txt
printf 'one\nt\0wo\n' >nul.txt
refused 65 "nul.txt:2: expected text, found a NUL byte at byte 2" "$program" translate run --input nul.txt --output out.txt
printf 'one two\none \377 two\n' >bad.txt
refused 65 bad.txt:2 "$program" translate run --input bad.txt --output out.txt
refused 65 bad.txt:2 mpirun -n 2 "$program" translate run --input bad.txt --output out.txt
head -c 100 source.txt.gz >cut.gz
refused 65 cut.gz "$program" translate run --input cut.gz --output out.txt
printf 'one\none two three four five six seven eight nine\n' >long.txt
refused 78 long.txt:2 "$program" translate learned --input long.txt --output out.txt
refused 78 model.position_limit "$program" score learned --source long.txt --target long.txt --output out.txt
head -n 149 alone.txt >short.txt
refused 65 "expected as many lines in source.txt as in short.txt, found 150 and 149" "$program" score run --source source.txt --target short.txt --output out.txt
refused 65 "149" mpirun -n 2 "$program" score run --source short.txt --target source.txt --output out.txt
head -n 1 long.txt >brief.txt # whose partner is no text past its end
refused 65 "brief.txt as in bad.txt, found 1 and 2" "$program" score run --source brief.txt --target bad.txt --output out.txt
cat long.txt bad.txt >worse.txt
refused 65 "brief.txt has 1 lines, but worse.txt has 4 lines" "$program" translate run --input brief.txt --prefix worse.txt --output out.txt
: >nothing.txt
refused 65 "nothing.txt: expected text, found an empty file" "$program" score run --source nothing.txt --target nothing.txt --output out.txt
refused 64 --target "$program" score run --source source.txt
refused 78 batch "$program" translate run --input source.txt --output out.txt --batch 0
SEQTRAIN_FAULT=write:1 refused 74 out.txt "$program" translate run --input source.txt --output out.txt
[ -e out.txt ] || [ -e out.txt.tmp ] && fail "a failed command left a file"
"$program" translate run --input source.txt >/dev/full 2>full.err
[ $? = 74 ] || fail "a full disk: status $?"

exit $failed
