#!/bin/bash
# translate and score: the same lines on any number of ranks, in input order; bad input and what it leaves behind.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$(realpath "${BUILD:-build}/seqtrain")
tool=$(realpath "${BUILD:-build}/tests/models/tool_model")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMP_NUM_THREADS=1
failed=0
fail() { echo "FAIL: $*"; failed=1; }

refused() { # STATUS WORD COMMAND...: ends with that status, and a message that holds the word
    local status=$1 word=$2 found
    shift 2
    "$@" >refused.out 2>refused.err </dev/null
    found=$?
    [ "$found" = "$status" ] || fail "status $found instead of $status: $* ($(tail -n 1 refused.err))"
    grep -qF -- "$word" refused.err || fail "no word of '$word': $* ($(tail -n 1 refused.err))"
    [ "$(grep -c '^seqtrain: ' refused.err)" = 1 ] || fail "not one message: $* ($(grep '^seqtrain: ' refused.err))"
}

mkdir -p run/checkpoints learned/checkpoints
"$tool" run || exit 1
"$tool" learned model.position learned model.position_limit 8 || exit 1

words=(zero one two three four five six seven eight nine unheard)
for i in $(seq 1 150); do
    line=
    for ((k = i * 7 % 9; k > 0; k--)); do line+="${words[$(((i * k + k) % 11))]} "; done
    echo "${line% }" # every ninth is empty
done >source.txt

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
gzip -k source.txt
"$program" translate run --input source.txt.gz --group 64 --batch 7 | cmp - alone.txt || fail ".gz is translated otherwise"
"$program" translate run </dev/null | cmp - /dev/null || fail "nothing is not translated to nothing"
"$program" translate run --max-length-ratio 0 --max-length-extra 1 <source.txt | awk 'NF > 1 { bad = 1 } END { exit bad }' || fail "translations are longer than asked for"

# Line by line: an answer comes while the input stays open.
mkfifo lines
"$program" translate run --group 1 <lines >answers.txt &
job=$!
exec 3>lines
sed -n 10p source.txt >&3
for _ in $(seq 600); do [ -s answers.txt ] && break; sleep 0.1; done
[ "$(cat answers.txt)" = "$(sed -n 10p alone.txt)" ] || fail "no answer, or another, while the input stays open"
exec 3>&-
wait "$job" || fail "translate line by line: status $?"

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

# Bad input: status, message, no file left.
rm -f out.txt
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
refused 65 "150 lines" "$program" score run --source source.txt --target short.txt --output out.txt
refused 65 "149" mpirun -n 2 "$program" score run --source short.txt --target source.txt --output out.txt
refused 64 --target "$program" score run --source source.txt
refused 78 batch "$program" translate run --input source.txt --output out.txt --batch 0
SEQTRAIN_FAULT=write:1 refused 74 out.txt "$program" translate run --input source.txt --output out.txt
[ -e out.txt ] || [ -e out.txt.tmp ] && fail "a failed command left a file"
"$program" translate run --input source.txt >/dev/full 2>full.err
[ $? = 74 ] || fail "a full disk: status $?"

exit $failed
