#!/bin/bash
# seqtrain prepare: pairs in one file, what is left out on request, and how a vocabulary treats rare characters.
# shellcheck disable=SC2154
. "$(dirname "$0")/prepare.bash"

skipped() { # the lines that info lists, "NUMBER: REASON" each
    "$seqtrain" info out.h5 --skipped >listed 2>&1
    sed -n '/^skipped_lines/,$ s/^ *line //p' listed >found
    printf '%s\n' "$@" >wanted
    cmp -s wanted found || { fail "expected '$*' among the lines left out"; cat listed; }
}

for i in $(seq 60); do
    printf 'line %d of the text\tZeile %d des Textes\n' "$i" "$i"
done >good.tsv
cut -f 1 good.tsv >good.en
cut -f 2 good.tsv >good.de
small="--vocab-size 36"

# ---- both sides in one file ----
expect 0 "" --source good.en --target good.de $small
mv out.h5 plain.h5
expect 0 "" --pairs good.tsv $small
same out.h5 plain.h5
says "60 sentence pairs"
expect 0 "" --pairs - $small <good.tsv
same out.h5 plain.h5
expect 0 "" --pairs - --vocab plain.h5 < <(gzip -c good.tsv)
same out.h5 plain.h5
head -n 20 good.tsv >one.tsv
tail -n +21 good.tsv | gzip >two.tsv.gz
expect 0 "" --pairs one.tsv two.tsv.gz $small
same out.h5 plain.h5
expect 0 "" --pairs one.tsv - $small < <(zcat two.tsv.gz)
same out.h5 plain.h5

printf 'a line\teine Zeile\nno tab\none\ttab\ttoo many\n\n\t\n\tZeile\nb\xff\tb\nlast\tletzte\n' >bad.tsv
expect 65 "bad.tsv:2: expected source, one tab and target, found 0 tabs" --pairs bad.tsv --vocab plain.h5
expect 65 "bad.tsv:2: expected source, one tab and target, found 0 tabs" --pairs bad.tsv $small
sed 2d bad.tsv >more.tsv
expect 65 "more.tsv:2: expected source, one tab and target, found 2 tabs" --pairs good.tsv more.tsv --vocab plain.h5
expect 65 "standard input:2: expected source, one tab and target, found 2 tabs" --pairs - $small <more.tsv
sed '2,5d' bad.tsv >latin.tsv
expect 65 "latin.tsv:3: expected UTF-8, found 0xff at byte 2" --pairs latin.tsv --vocab plain.h5
expect 0 "" --pairs bad.tsv --vocab plain.h5 --bad-lines skip
says "2 sentence pairs"
says "left out    2 with an empty line, 3 without exactly one tab, 1 that are no text"
says "seqtrain info out.h5 --skipped"
skipped "2: not one tab" "3: not one tab" "4: not one tab" "5: empty" "6: empty" "7: no text"
expect 0 "" --pairs good.tsv bad.tsv --vocab plain.h5 --bad-lines skip
skipped "62: not one tab" "63: not one tab" "64: not one tab" "65: empty" "66: empty" "67: no text"
: >empty.tsv
expect 65 "empty.tsv: expected text, found an empty file" --pairs empty.tsv --vocab plain.h5
expect 66 "nothing.tsv: No such file" --pairs nothing.tsv $small
expect 64 "--source gives one side of the text and --pairs both" --pairs good.tsv --source good.en
expect 64 "--target gives one side of the text and --pairs both" --pairs good.tsv --target good.de
expect 64 "standard input (-) can be read once, found it 2 times" --pairs - - <good.tsv

# ---- left out on request ----
expect 0 "" --source good.en --target good.de --vocab-kind word --vocab-size 100
mv out.h5 words.h5
{
    printf 'line 1 of the text\tZeile 1 des Textes\n' # 5 + 4 tokens and their ends
    printf 'line\tZeile 1 des Textes\n'               # 1 + 4
    printf 'line 1\tZeile 1 des Textes\n'             # 2 + 4
    printf 'text\ttext\n'                             # 1 + 1
    printf 'line 2 of the text\tZeile\n'              # 5 + 1
    printf 'text 3\ttext 3 \n'                        # 2 + 2, not quite the same
    printf 'text 3 of\ttext 3 of\n'                   # 3 + 3
} >uneven.tsv
words="--pairs uneven.tsv --vocab words.h5"
expect 0 "" $words
says "7 sentence pairs"
same out.h5 <("$seqtrain" prepare $words --min-length 2 --max-ratio off --identical keep --output other.h5 >/dev/null && cat other.h5)
expect 0 "" $words --min-length 3
says "left out    3 shorter than --min-length"
skipped "2: too short" "4: too short" "5: too short"
expect 0 "" $words --max-ratio 2.5 # 5 / 2 is not more
says "left out    1 more uneven than --max-ratio"
skipped "5: uneven"
expect 0 "" $words --max-ratio 2.4
skipped "2: uneven" "5: uneven"
expect 0 "" $words --max-ratio 1
skipped "1: uneven" "2: uneven" "3: uneven" "5: uneven"
expect 0 "" $words --identical drop
says "left out    2 with the same line on both sides"
skipped "4: identical" "7: identical"
expect 0 "" $words --identical drop --min-length 3 --max-length 5 --max-ratio 1.5
says "1 sentence pairs"
says "left out    1 shorter than --min-length, 2 longer than --max-length, 1 more uneven than --max-ratio, 2 with the same line"
skipped "1: too long" "2: too short" "3: uneven" "4: identical" "5: too long" "7: identical"
"$seqtrain" info out.h5 >listed 2>&1
for line in "skipped +6" "    too long +2" "    too short +1" "    uneven +1" "    identical +2"; do
    grep -qE "^$line$" listed || { fail "info does not show '$line'"; cat listed; }
done
expect 65 "found none to keep: 1 shorter than --min-length, 4 longer than --max-length, 2 with the same line on both sides" $words --max-length 4 --min-length 4 --identical drop
expect 64 "--min-length 9 leaves no pair within --max-length 8" $words --min-length 9 --max-length 8
expect 78 "max-ratio expects a number from 1 to 1000000 or off" $words --max-ratio 0.5
expect 78 "min-length" $words --min-length 1
expect 78 "identical" $words --identical yes

# Enough pairs for full chunks of what is compared; each of 61 comes again and again, two differ in where the tab is.
{
    seq 300 | awk '{ for (i = 0; i < 1200; i++) printf "text %d\tText %d\n", (i * 7 + $1) % 60, (i * 7 + $1) % 60 }'
    printf 'text\t5 Text 5\ntext\t5 Text 5\n\ttext\ntext\ttext\ntext\ttext\n'
} >again.tsv
seq 1200 | awk '{ printf "text %d\tText %d\n", (($1 - 1) * 7 + 1) % 60, (($1 - 1) * 7 + 1) % 60 }' | awk '!seen[$0]++' >once.tsv
printf 'text\t5 Text 5\n\ttext\ntext\ttext\n' >>once.tsv
expect 0 "" --pairs once.tsv --vocab words.h5
fingerprint=$("$seqtrain" info out.h5 --json | grep -o '"fingerprint":"[^"]*"')
expect 0 "" --pairs again.tsv --vocab words.h5 --duplicates drop
says "62 sentence pairs"
says "left out    1 with an empty line, 359942 that were there before"
[ "$fingerprint" = "$("$seqtrain" info out.h5 --json | grep -o '"fingerprint":"[^"]*"')" ] || fail "--duplicates drop does not keep the first"
"$seqtrain" info out.h5 --skipped | tail -n 3 | sed 's/^ *//' | cmp -s - <(printf 'line 360002: duplicate\nline 360003: empty\nline 360005: duplicate\n') ||
    fail "the last lines left out are $("$seqtrain" info out.h5 --skipped | tail -n 3)"
expect 0 "" --pairs - --vocab words.h5 --duplicates drop --identical drop <again.tsv
says "left out    1 with an empty line, 2 with the same line on both sides, 359941 that were there before"
expect 0 "from 120 lines" --source good.en good.en --target good.de good.de $small --duplicates drop
says "left out    60 that were there before"
expect 65 "bad.tsv:2: expected source, one tab and target" --pairs bad.tsv --vocab words.h5 --duplicates drop
reads=$(($(stat -c %s again.tsv) / 131072 + 20)) # more than the text takes
for site in write:3 "read:$reads"; do
    SEQTRAIN_FAULT=$site expect 74 "temporary file in" --pairs again.tsv --vocab words.h5 --duplicates drop
done
TMPDIR=$folder/nowhere expect 66 "cannot create a temporary file in $folder/nowhere" --pairs again.tsv --vocab words.h5 --duplicates drop

# ---- several blocks of pairs, any number of threads: the same bytes, each line in its place ----
seq 20000 | awk '
    $1 % 977 == 0 { print "line\t"; next }
    $1 % 601 == 0 { print "text\ttext"; next }
    $1 % 499 == 0 { print "line 1\tZeile 1"; next }
    $1 % 251 == 0 { print "line of the text line of the text " $1 "\tZeile"; next }
    $1 % 4099 == 0 { print "no tab"; next }
    { print "line " $1 " of\tZeile " $1 " des Textes" }' >many.tsv
awk -F '\t' '
    NF != 2 { print NR ": not one tab"; next }
    $2 == "" { print NR ": empty"; next }
    $1 == $2 { print NR ": identical"; next }
    seen[$0]++ { print NR ": duplicate"; next }
    $2 == "Zeile" { print NR ": uneven"; next }
    { print >"kept.tsv" }' many.tsv >left_out
mapfile -t left_out <left_out
fingerprint() { "$seqtrain" info "$1" --json | grep -o '"fingerprint":"[^"]*"'; }
expect 0 "" --pairs kept.tsv --vocab plain.h5 --max-ratio 2.5
mv out.h5 kept.h5
many="--pairs many.tsv --vocab plain.h5 --max-ratio 2.5 --bad-lines skip --identical drop --duplicates drop"
for threads in 1 2 3; do
    OMP_NUM_THREADS=$threads expect 0 "" $many
    same <(fingerprint out.h5) <(fingerprint kept.h5)
    skipped "${left_out[@]}"
    [ -e one.h5 ] || cp out.h5 one.h5
    same out.h5 one.h5
done
gzip -c kept.tsv | head -c -100 >cut.tsv.gz
for threads in 1 3; do # what fails while others encode, fails as it would alone
    export OMP_NUM_THREADS=$threads
    expect 65 "many.tsv:4099: expected source, one tab and target, found 0 tabs" --pairs many.tsv --vocab plain.h5
    for pass in 1 2 3 4; do
        SEQTRAIN_FAULT=write:$pass expect 74 "out.h5" --pairs kept.tsv --vocab plain.h5 --compression 0
    done
    expect 65 "cut.tsv.gz|truncated" --pairs cut.tsv.gz --vocab plain.h5
    unset OMP_NUM_THREADS
done

# ---- memory is that of two blocks, however long the text ----
lines() { yes 'the text of the line of the text of line 7	Zeile 7 des Textes des Textes der Zeile' | head -n "$1"; }
peak() { awk '/^VmHWM/ { print $2 }' "/proc/$!/status"; } # what was written into the pipe was read but for 64 KiB
mkfifo pipe
ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0 \
    "$seqtrain" prepare --pairs - --vocab words.h5 --output out.h5 <pipe >out 2>err &
exec 3>pipe
lines 40000 >&3
few=$(peak)
lines 360000 >&3
many=$(peak)
exec 3>&-
wait $! || fail "prepare of a pipe"
says "400000 sentence pairs"
[ -n "$few" ] && [ "$((many - few))" -lt 8192 ] || fail "the peak of memory grew from $few to $many kB with the text"

# What is left out for its text, the vocabulary does not learn from.
{ cat good.tsv; yes 'qqqq	qqqq' | head -n 40; } >copied.tsv
expect 0 "from 200 lines" --pairs copied.tsv $small
expect 0 "from 120 lines" --pairs copied.tsv $small --identical drop
same <("$seqtrain" info out.h5 --json | grep -o '"fingerprint":"[^"]*"') \
    <("$seqtrain" info plain.h5 --json | grep -o '"fingerprint":"[^"]*"')

# ---- rare characters ----
printf 'line Ω of the 漢 text\tZeile Ω des 漢 Textes\n' >rare.tsv
expect 0 "" --pairs rare.tsv --vocab plain.h5
says " % unknown"
grep -q ' 0.00 % unknown' out && fail "rare characters are known"
expect 0 "" --pairs good.tsv --vocab-size 290 --byte-fallback
mv out.h5 bytes.h5
expect 0 "" --pairs rare.tsv --vocab bytes.h5
[ "$(grep -c ' 0.00 % unknown' out)" = 2 ] || { fail "bytes leave something unknown"; cat out; }
expect 0 "" --pairs good.tsv --vocab-size 290 --byte-fallback --vocab-kind bpe --separate
expect 0 "" --pairs good.tsv --vocab-size 290 --byte-fallback --vocab-kind char
expect 64 "byte-fallback|vocab-kind unigram or bpe or char" --pairs good.tsv --byte-fallback --vocab-kind word
expect 65 "a joint unigram vocabulary of 36 pieces cannot be learned: expected at least 260" --pairs good.tsv $small --byte-fallback
expect 65 "expected at least|one for each byte and each character" --pairs good.tsv --vocab-size 262 --byte-fallback
expect 0 "" --pairs good.tsv rare.tsv --vocab-kind char --vocab-size 100
whole=$(sed -n 's/.*vocabulary of \([0-9]*\) pieces.*/\1/p' out | head -n 1)
expect 0 "" --pairs good.tsv rare.tsv --vocab-kind char --vocab-size 100 --character-coverage 0.99
covered=$(sed -n 's/.*vocabulary of \([0-9]*\) pieces.*/\1/p' out | head -n 1)
[ "$covered" -lt "$whole" ] || fail "--character-coverage 0.99 leaves $covered of $whole characters"
expect 0 "" --pairs good.tsv $small --character-coverage 1
same out.h5 plain.h5
expect 78 "character-coverage" --pairs good.tsv $small --character-coverage 0.5

[ "$failures" = 0 ] || echo "$failures failures"
[ "$failures" = 0 ]
