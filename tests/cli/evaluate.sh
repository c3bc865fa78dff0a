#!/bin/bash
# evaluate: the same numbers on any number of ranks, those of translate and score; files compared; what is refused.
# shellcheck disable=SC2154,SC2054
. "$(dirname "$0")/common.bash"
. "$tests/toy.bash"

number() { # NAME FILE [METRIC]: a number of a JSON object: of METRIC's where it is given, else beside the metrics
    local object='s/"metrics":.*//'
    [ "$#" -lt 3 ] || object="/\"$3\":{/!d; s/.*\"$3\":{\([^}]*\)}.*/\1/"
    sed -n "$object; s/.*\"$1\":\(-\{0,1\}[0-9][0-9.e+-]*\).*/\1/p" "$2"
}
near() { [ -n "$1" ] && [ -n "$2" ] && awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d <= t) }'; }

make_model run
make_model learned model.position learned model.position_limit 8
make_lines >source.txt
sed 's/one/two/; s/^zero \(.*\)/\1 zero/' source.txt >target.txt

# A model: bytes equal on any number of ranks; the translations of translate; the loss of score.
switches=(--source source.txt --target target.txt --metrics bleu,chrf chrf++ ter exact --group 64 --batch 7)
"$program" evaluate run "${switches[@]}" --output kept.txt --json >alone.json || fail "evaluate: status $?"
for ranks in 2 3; do
    mpirun -n $ranks "$program" evaluate run "${switches[@]}" --json >ranks.json || fail "evaluate on $ranks ranks: status $?"
    cmp alone.json ranks.json || fail "$ranks ranks find other numbers: $(cat alone.json ranks.json)"
done
"$program" translate run --group 64 --batch 7 <source.txt | cmp - kept.txt || fail "evaluate translates otherwise than translate"
[ "$(number pairs alone.json)" = 150 ] || fail "pairs: $(cat alone.json)"
sum=$("$program" score run --source source.txt --target target.txt | awk '{ s -= $1 } END { printf "%.8f", s }')
near "$(number loss alone.json)" "$(awk -v s="$sum" -v n="$(number target_tokens alone.json)" 'BEGIN { print s / n }')" 1e-5 ||
    fail "loss $(number loss alone.json), score gives $sum over $(number target_tokens alone.json) tokens"
near "$(number perplexity alone.json)" "$(awk -v l="$(number loss alone.json)" 'BEGIN { print exp(l) }')" 0.001 || fail "perplexity is not exp of the loss: $(cat alone.json)"
# The model's own greedy translations as the target: it predicts every token, and </s> where they ended.
"$program" translate run --input source.txt --beam 1 --format nbest --word-scores --pieces >pieces.txt || fail "translate: status $?"
awk -F ' [|][|][|] ' '$2 != "" && $2 !~ /</' pieces.txt >greedy.txt
[ "$(wc -l <greedy.txt)" -ge 5 ] || fail "only $(wc -l <greedy.txt) translations are of words alone"
while read -r line _; do sed -n "$((line + 1))p" source.txt; done <greedy.txt >greedy.source
awk -F ' [|][|][|] ' '{ gsub(/ *▁/, " ", $2); sub(/^ /, "", $2); print $2 }' greedy.txt >greedy.target
expected=$(awk -F ' [|][|][|] ' '{ tokens += split($2, pieces, " "); ended += $3 !~ / 0\.000000$/ } END { print (tokens + ended) / (tokens + NR) }' greedy.txt)
"$program" evaluate run --source greedy.source --target greedy.target --json >greedy.json || fail "evaluate of greedy translations: status $?"
near "$(number accuracy greedy.json)" "$expected" 1e-5 || fail "accuracy: $(cat greedy.json), expected $expected"
awk -v e="$expected" 'BEGIN { exit !(e > 0.5 && e < 1) }' || fail "an accuracy of $expected tells little"
"$program" evaluate run "${switches[@]}" >alone.txt || fail "evaluate as text: status $?"
grep -q '^loss  *[0-9.]*$' alone.txt || fail "no loss: $(cat alone.txt)"

# A file gives the numbers of the model that wrote it.
"$program" evaluate --translation kept.txt --target target.txt --metrics bleu chrf chrf++ ter exact >file.txt || fail "evaluate of a file: status $?"
tail -n 5 alone.txt | cmp - file.txt || fail "a file and its model differ: $(cat alone.txt file.txt)"
"$program" evaluate --translation - --target target.txt --metrics bleu chrf chrf++ ter exact <kept.txt | cmp - file.txt || fail "standard input gives other numbers"
cat >expected <<'TEXT'
BLEU|nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:seqtrain = 100.00 100.0/100.0/100.0/100.0 (BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)
chrF2|nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:seqtrain = 100.00
TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:seqtrain = 0.00
exact|nrefs:1|case:lc|version:seqtrain = 100.00
TEXT
echo 'Größe: 1.5, ÄRGER' >one.txt
echo 'größe: 1.5, ärger' >two.txt
"$program" evaluate --translation one.txt --target two.txt --lowercase --metrics bleu,chrf,ter,exact | diff expected - || fail "lines that differ in case only"

# Two translations compared.
"$program" evaluate --translation target.txt --target target.txt --baseline kept.txt --json >better.json || fail "baseline: status $?"
near "$(number value better.json bleu)" 100 1e-9 || fail "the target against itself: $(cat better.json)"
near "$(number p_value better.json bleu)" 0 0.01 || fail "not significant: $(cat better.json)"
near "$(number better better.json bleu)" 1 0 || fail "not better: $(cat better.json)"
"$program" evaluate --translation kept.txt --target target.txt --baseline kept.txt --metrics chrf --json >same.json || fail "the same twice: status $?"
near "$(number difference same.json chrf)" 0 0 || fail "a file differs from itself: $(cat same.json)"
"$program" evaluate --translation target.txt --target target.txt --baseline kept.txt --resamples 10 --resample-seed 3 >ten.txt || fail "ten samples: status $?"
grep -q 'of 10 samples, p = 0.0909 (seed 3)' ten.txt || fail "ten samples: $(cat ten.txt)"
"$program" evaluate --translation target.txt --target - --baseline <(cat kept.txt) --json <target.txt | cmp - better.json || fail "each file is to be read once"
"$program" evaluate --translation target.txt --target <(cat target.txt) --baseline - --json <kept.txt | cmp - better.json || fail "each file is to be read once"

# Refusals.
head -n 149 target.txt >short.txt
: >nothing.txt
printf 'one\n\377\n' >bad.txt
printf 'one\none\n' >two-lines.txt
refused 64 "takes a MODEL or --translation FILE, found neither" "$program" evaluate --target target.txt
refused 64 "takes one MODEL" "$program" evaluate run run --source source.txt --target target.txt
refused 64 "--beam 4 keeps" "$program" evaluate run --source source.txt --target target.txt --sample --beam 4
for switch in "--length-penalty gnmt" "--length-alpha 0.6" "--word-penalty 1"; do
    for search in "--beam 1" --sample; do
        # shellcheck disable=SC2086
        refused 64 "$switch counts only where hypotheses differ in length" "$program" evaluate run --source source.txt --target target.txt $search $switch
    done
done
refused 64 "--output - would put translations among the metrics" "$program" evaluate run --source source.txt --target target.txt --output - --json
refused 64 "--output target.txt would replace target.txt" "$program" evaluate run --source source.txt --target target.txt --output target.txt
refused 64 "found both: run and kept.txt" "$program" evaluate run --translation kept.txt --target target.txt
refused 64 "needs --source" "$program" evaluate run --target target.txt
refused 64 target "$program" evaluate run --source source.txt
refused 64 "one translation of each line" "$program" evaluate run --source source.txt --target target.txt --nbest 2
refused 64 "--baseline is kept.txt, but counts only with --translation, found nothing: give --translation, or leave --baseline out" "$program" evaluate run --source source.txt --target target.txt --baseline kept.txt
refused 64 "counts only with --baseline" "$program" evaluate --translation kept.txt --target target.txt --resamples 5
for switch in --source --output --group --beam --batch --max-length-ratio --parameters; do
    refused 64 "$switch counts only with a MODEL" "$program" evaluate --translation kept.txt --target target.txt $switch 64
done
refused 64 "expected bleu, chrf, chrf++, ter or exact, found 'chfr'; did you mean chrf?" "$program" evaluate --translation kept.txt --target target.txt --metrics bleu chfr
known=$(sed -n "s/.*expected \(.*\) or \(.*\), found.*/\1, \2/p" refused.err)
"$program" help evaluate | tr -s ' \n' '  ' | grep -qF -- "--metrics NAME... $known;" || fail "help lists other metrics than $known"
refused 64 "found ''" "$program" evaluate --translation kept.txt --target target.txt --metrics bleu,
refused 64 "bleu is named twice" "$program" evaluate --translation kept.txt --target target.txt --metrics bleu,bleu
refused 64 "--tokenizer is char, but counts only with bleu in --metrics" "$program" evaluate --translation kept.txt --target target.txt --metrics chrf --tokenizer char
refused 64 "--lowercase is true, but counts only with bleu, chrf, chrf++ or exact in --metrics" "$program" evaluate --translation kept.txt --target target.txt --metrics ter --lowercase
refused 78 "13a" "$program" evaluate --translation kept.txt --target target.txt --tokenizer zh
refused 64 "can be read once" "$program" evaluate --translation kept.txt --target - --baseline -
refused 64 "can be read once" "$program" evaluate --translation - --target target.txt --baseline -
refused 64 "runs alone" mpirun -n 2 "$program" evaluate --translation kept.txt --target target.txt
refused 66 nowhere.txt "$program" evaluate --translation nowhere.txt --target target.txt
refused 65 "149 and 150" "$program" evaluate --translation short.txt --target target.txt
refused 65 "short.txt as in target.txt, found 149 and 150" "$program" evaluate --translation kept.txt --target target.txt --baseline short.txt
refused 65 "target.txt as in short.txt, found 150 and 149" "$program" evaluate --translation short.txt --target short.txt --baseline target.txt
refused 65 "bad.txt:2" "$program" evaluate --translation two-lines.txt --target two-lines.txt --baseline bad.txt
refused 66 nowhere.txt "$program" evaluate --translation kept.txt --target target.txt --baseline nowhere.txt
refused 65 "149" mpirun -n 2 "$program" evaluate run --source source.txt --target short.txt --output out.txt
refused 65 "bad.txt:2" "$program" evaluate --translation two-lines.txt --target bad.txt
refused 65 "empty file" "$program" evaluate --translation nothing.txt --target target.txt
refused 65 "empty file" "$program" evaluate run --source nothing.txt --target nothing.txt
refused 78 "source.txt:5" "$program" evaluate learned --source source.txt --target source.txt --output out.txt
[ -e out.txt ] || [ -e out.txt.tmp ] && fail "a failed command left a file"
"$program" evaluate --translation kept.txt --target target.txt >/dev/full 2>full.err
[ $? = 74 ] || fail "a full disk: status $?"

exit $failed
