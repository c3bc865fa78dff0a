#!/bin/bash
# Every byte of a small checkpoint and of a small corpus flipped, every length cut (tool_flips.c); whole checkpoints of a run
# damaged, one or all.
# shellcheck disable=SC2154
. "$(dirname "$0")/cases.bash"

timeout 1200 "$build/tests/faults/tool_flips" "${FAULTS_SEED:-1}" $((full ? 1 : 4)) >flips.txt 2>&1 || fail "tool_flips: $(tail -n 3 flips.txt)"
cat flips.txt >&2
add() { # ROW SCENARIO HOW RUNS ACCEPTED
    echo "$1|$2|$3|$4|$(($4 - $5))" >>"$table"
    echo "  row $1: $2: $(($4 - $5)) of $4" >&2
}
while read -r file flips cuts inside accepted; do
    [[ $accepted =~ ^[0-9]+$ ]] || continue
    add 9 "a $file with a bit flipped, or cut off, is refused" "tool_flips: $flips bytes, $cuts lengths" $((flips + cuts)) "$accepted"
    add 31 "a $file with right digest and wrong bytes harms nobody" "tool_flips: flips with CRCs that agree" "$inside" 0
done <flips.txt
[ "$(grep -cE '^(checkpoint|corpus) [0-9 ]+$' flips.txt)" = 2 ] || { fail "tool_flips did not end"; add 9 'flips' tool_flips 1 1; }

make_corpus tiny 60 1
words=(--train.until 6u --checkpoint.every 2u --checkpoint.keep 2)
train 2 straight "${words[@]}"
expect straight 0
train 2 first "${words[@]}" --train.until 4u
expect first 0

damage() { # FILE: a byte of it, or what is past it
    local size at
    size=$(stat -c %s "$1") at=$((RANDOM * 32768 + RANDOM))
    if [ $((RANDOM % 3)) = 0 ]; then truncate -s $((at % size)) "$1"; else
        printf '%b' "\\x$(printf %02x $((0x$(xxd -s $((at % size)) -l 1 -p "$1") ^ 1 << RANDOM % 8)))" |
            dd of="$1" bs=1 seek=$((at % size)) conv=notrunc status=none
    fi
}
one_bad() {
    RANDOM=$1
    cp -r "$folder/first" run
    damage run/checkpoints/update-00000004.h5
    train $((RANDOM % 3)) run "${words[@]}"
    expect run 0 'falling back to .*: run/checkpoints/update-00000004.h5' 'resumed from .*update 2'
    : >broken.log
    as_straight
}
all_bad() {
    RANDOM=$1
    cp -r "$folder/first" run
    damage run/checkpoints/update-00000002.h5
    damage run/checkpoints/update-00000004.h5
    local before
    before=$(md5sum run/checkpoints/*)
    train $((RANDOM % 3)) run "${words[@]}"
    expect run 65 'update-00000004.h5' 'update-00000002.h5'
    [ "$before" = "$(md5sum run/checkpoints/*)" ] || fail "what is damaged was changed"
}
for n in 1 2 3 4 5 6 7 8; do attempt 9 "one-$n" one_bad "$n"; done
tell 9 'the run goes on from the checkpoint before a damaged one' 'flip, truncate'
for n in 1 2 3 4; do attempt 10 "all-$n" all_bad "$n"; done
tell 10 'all checkpoints damaged: status 65, each named' 'flip, truncate'
exit "$failed"
