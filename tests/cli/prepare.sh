#!/bin/bash
# seqtrain prepare: good text, and each kind of bad input with its exit status, its words, and nothing left behind.
# shellcheck disable=SC2154
. "$(dirname "$0")/prepare.bash"

# Root reads everything: nobody does it, with a copy of the program in a folder that is open to all.
cp "$seqtrain" program
chmod 755 . program
as_nobody() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --clear-groups ./program "$@"; else ./program "$@"; fi
}
denied() { # what the message names, arguments of prepare...
    local words=$1 found
    shift
    as_nobody prepare "$@" >out 2>err
    found=$?
    [ "$found" = 77 ] || fail "prepare $*: expected status 77, found $found"
    grep -qF -- "$words: Permission denied" err || fail "prepare $*: '$words: Permission denied' is not in the message"
    [ "$(find open -mindepth 1)" = "" ] || fail "prepare $*: left $(find open -mindepth 1)"
}
mkdir -m 777 open
mkdir -m 755 closed
[ "$(id -u)" = 0 ] || chmod 555 closed

small="--vocab-size 60"
for i in $(seq 200); do
    echo "the $((i * 7 % 90)) small houses stand at road $i"
    echo "die $((i * 7 % 90)) kleinen Häuser stehen an Straße $i" >&3
done >a.en 3>a.de

# ---- good text ----
expect 0 "joint unigram vocabulary of 60 pieces from 400 lines" --source a.en --target a.de $small
says "200 sentence pairs"
says "vocabulary of 60 pieces (joint)"
says "left out    none"
says "next: seqtrain train"
mv out.h5 plain.h5
expect 0 "" --source a.en --target a.de $small
same out.h5 plain.h5
OMP_NUM_THREADS=3 expect 0 "" --source a.en --target a.de $small
same out.h5 plain.h5
gzip -k a.en a.de
expect 0 "" --source a.en.gz --target a.de.gz $small
same out.h5 plain.h5
expect 0 "" --source - --target a.de $small < <(cat a.en)
same out.h5 plain.h5
expect 0 "" --source a.en --target - $small < <(cat a.de.gz)
same out.h5 plain.h5
expect 0 "" --source <(cat a.en) --target <(cat a.de.gz) $small # the vocabulary is learned in a pass of its own
same out.h5 plain.h5
expect 0 "" --source /dev/stdin --target a.de $small --duplicates drop < <(cat a.en)
expect 0 "" --source <(cat a.en) --target a.de --vocab plain.h5
same out.h5 plain.h5
head -n 90 a.en >a1.en
tail -n +91 a.en >a2.en
head -n 90 a.de >a1.de
tail -n +91 a.de | gzip >a2.de.gz
expect 0 "" --source a1.en a2.en --target a1.de a2.de.gz $small
same out.h5 plain.h5
for kind in unigram bpe word char; do
    expect 0 "source $kind vocabulary of 50|target $kind vocabulary of 50" \
        --source a.en --target a.de --vocab-size 50 --vocab-kind $kind --separate
done
says "vocabulary of 26 pieces" # fewer characters than asked for: the real number is told
expect 0 "" --source a.en --target a.de --vocab plain.h5
same out.h5 plain.h5
expect 0 "" --source a.en --target a.de --no-joint --vocab-size 50
mv out.h5 separate.h5
expect 0 "" --source a.en --target a.de --separate --vocab-size 50
same out.h5 separate.h5
expect 0 "" --source a.en --target a.de --vocab-sample 100 $small
cp out.h5 sample.h5
expect 0 "" --source a.en --target a.de --vocab-sample 100 $small --seed 1
same out.h5 sample.h5
expect 0 "" --source a.en --target a.de --vocab-sample 100 $small --seed 2
cmp -s out.h5 sample.h5 && fail "another seed draws the same sample"
expect 0 "" --source a.en --target a.de --vocab plain.h5 --no-text --compression 9
cmp -s out.h5 plain.h5 && fail "--no-text and --compression change nothing"

# ---- left out, and told ----
{ head -n 5 a.en; echo; head -n 5 a.en; echo text; yes word | head -n 300 | tr '\n' ' '; echo; } >e.en
{ head -n 5 a.de; echo; head -n 5 a.de; echo "  "; echo kurz; } >e.de
expect 0 "" --source e.en --target e.de --vocab plain.h5
says "10 sentence pairs"
says "left out    2 with an empty line, 1 longer than --max-length"
printf 'good\nb\xffd\nx\0y\nfine\n' >b.en
printf 'gut\nb\nxy\nfein\n' >b.de
expect 0 "" --source b.en --target b.de --vocab plain.h5 --bad-lines skip
says "2 sentence pairs"
says "left out    2 that are no text"

# ---- bad input ----
: >empty.en
expect 66 "nothing.en: No such file" --source nothing.en --target a.de $small
expect 66 "nothing.en: No such file" --source b.en nothing.en --target b.de a.de $small # before b.en is read
expect 66 "nothing.h5: No such file" --source a.en --target a.de --vocab nothing.h5
expect 65 "empty.en: expected text, found an empty file" --source empty.en --target a.de $small
expect 65 "empty.en: expected text, found an empty file" --source a.en --target empty.en $small
expect 65 "empty.en: expected text, found an empty file" --source empty.en --target empty.en $small
mkdir dir.en
expect 74 "dir.en: Is a directory" --source dir.en --target a.de $small
cp a.en locked.en
chmod 0 locked.en
cp plain.h5 locked.h5
cp a.en locked.model
chmod 0 locked.*
denied locked.en --source locked.en --target a.de --output open/out.h5 $small
denied locked.en --source a.en --target locked.en --output open/out.h5 --vocab plain.h5
denied locked.h5 --source a.en --target a.de --output open/out.h5 --vocab locked.h5
denied locked.model --source a.en --target a.de --output open/out.h5 --vocab locked.model
denied closed/out.h5 --source a.en --target a.de --output closed/out.h5 $small
head -n 150 a.de >short.de
expect 65 "as many lines in a.en as in short.de, found 200 and 150" --source a.en --target short.de $small
expect 65 "as many lines in a1.en as in a.de, found 90 and 200" --source a1.en --target a.de $small
expect 65 "as many lines in a1.en as in a.de, found 90 and 200" --source a1.en --target a.de --vocab plain.h5
expect 65 "b.en:2: expected UTF-8, found 0xff at byte 2" --source b.en --target b.de $small
expect 65 "b.en:2: expected UTF-8, found 0xff at byte 2" --source b.en --target b.de --vocab plain.h5
sed -n '3,$p' b.en >n.en
expect 65 "n.en:1: expected text, found a NUL byte at byte 2" --source n.en --target n.en $small
{ head -c 1000001 /dev/zero | tr '\0' x; echo; } >long.en
expect 65 "long.en:1: expected a line of at most 1000000 bytes, found 1000001" --source long.en --target long.en $small
head -c 300 a.en.gz >cut.en.gz
expect 65 "cut.en.gz|truncated" --source cut.en.gz --target a.de $small
cp a.en.gz flip.gz
printf '\252' | dd of=flip.gz bs=1 seek=200 conv=notrunc status=none
expect 65 "flip.gz: expected a gzip file, found damage after line" --source flip.gz --target a.de $small
grep -q 'fd:' err && fail "the message names a file descriptor"
cp a.en named.gz
expect 65 "named.gz: expected gzip data" --source named.gz --target a.de $small
expect 65 "expected at most" --source a.en --target a.de --vocab-size 5000
largest=$(sed -n 's/.*expected at most \([0-9]*\),.*/\1/p' err)
expect 0 "" --source a.en --target a.de --vocab-size "${largest:-0}"
expect 65 "a source unigram vocabulary of 5000 pieces|expected at most" --source a.en --target a.de --vocab-size 5000 --separate
expect 65 "expected at least" --source a.en --target a.de --vocab-size 8
expect 65 "found none to keep: 200 longer than --max-length" \
    --source a.en --target a.de --max-length 3 $small
printf '\n\n' >blank.en
expect 65 "found none of which both lines hold text" --source blank.en --target blank.en $small
{ head -c 20000 /dev/zero | tr '\0' q; echo; } >q.en
echo x >x.de
expect 0 "no vocabulary is learned from 1 pairs with a line longer than 16383 bytes" --source a.en q.en --target a.de x.de $small
expect 65 "both lines hold text, of at most 16383 bytes" --source q.en --target x.de $small
expect 65 "a.de" --source a.en --target a.de --vocab a.de
cp a.en text.model
expect 65 "text.model: expected a SentencePiece model" --source a.en --target a.de --vocab text.model
head -c 3000 plain.h5 >half.h5
expect 65 "half.h5" --source a.en --target a.de --vocab half.h5
expect 66 "open: expected a run directory" --source a.en --target a.de --vocab open
printf 'old' >out.old
for words in "--source b.en" "--source nothing.en" "--source short.de"; do
    cp out.old kept.h5
    "$seqtrain" prepare --output kept.h5 $words --target a.de --vocab plain.h5 >out 2>err && fail "prepare $words: no failure"
    cmp -s out.old kept.h5 || fail "prepare $words: the file that was there is gone"
done

# ---- a disk that fails at any moment ----
rm -f out.h5
for site in write sync rename; do
    pass=1
    until SEQTRAIN_FAULT=$site:$pass "$seqtrain" prepare --output out.h5 --source a.en --target a.de \
        --vocab plain.h5 >out 2>err; do
        found=$?
        [ $found = 74 ] || fail "$site $pass: expected status 74, found $found"
        [ "$(grep -c '^seqtrain: ' err)" = 1 ] || fail "$site $pass: not one message"
        [ ! -e out.h5 ] && [ ! -e out.h5.tmp ] || fail "$site $pass: a file is left"
        grep -q out.h5 err || [ $site = sync ] || fail "$site $pass: the message names no file"
        pass=$((pass + 1))
        [ $pass -lt 200 ] || break
    done
    [ $pass -gt 1 ] && [ $pass -lt 200 ] || fail "$site: failed $((pass - 1)) times"
    rm -f out.h5
done

# ---- wrong command lines ----
expect 64 "as many source files as target files, found 2 and 1" --source a1.en a2.en --target a.de
expect 64 "found it 2 times" --source - --target - <a.en
for word in "--vocab-size 9" "--vocab-size 8000" "--vocab-kind unigram" --vocab-sample=5 --joint --no-joint --separate "--seed 1" \
    --byte-fallback "--character-coverage 1"; do
    expect 64 "is about a vocabulary to be learned; --vocab plain.h5" --source a.en --target a.de --vocab plain.h5 $word
done
expect 64 "found both" --source a.en --target a.de --joint --separate
expect 64 "--source FILE is missing"
expect 64 "--target FILE is missing" --source a.en
expect 64 "found word" word --source a.en --target a.de
expect 78 "max-length" --source a.en --target a.de --max-length many
expect 66 "no/out.h5" --source a.en --target a.de --output no/out.h5
cp a.en kept.en
expect 64 "--output ./kept.en would replace kept.en, which is read" --source kept.en --target a.de --vocab plain.h5 --output ./kept.en
cmp -s a.en kept.en || fail "the text was replaced"
expect 64 "--output plain.h5 would replace plain.h5" --source a.en --target a.de --vocab plain.h5 --output plain.h5
expect 74 "dir.en: Is a directory" --source a.en --target a.de --output dir.en
mkfifo pipe
expect 74 "pipe: expected a plain file" --source a.en --target a.de --output pipe

[ "$failures" = 0 ] || echo "$failures failures"
[ "$failures" = 0 ]
