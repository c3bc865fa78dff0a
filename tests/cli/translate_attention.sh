#!/bin/bash
# translate --attention: the same file on any number of ranks and in any company, the translations untouched; what cannot be.
# shellcheck disable=SC2154
. "$(dirname "$0")/folder.bash"
. "$tests/toy.bash"

make_model run
make_model other model.decoder_layers 1
make_lines >source.txt

"$program" translate run --input source.txt --output plain.txt --alignment soft || fail "translate: status $?"
"$program" translate run --input source.txt --output alone.txt --alignment soft --attention alone.h5 || fail "attention: status $?"
cmp plain.txt alone.txt || fail "--attention changes what is translated, or alignments"
"$program" info alone.h5 --json --verify >told || fail "info: status $?"
grep -qE '"kind":"attention".*"sentences":150,"layers":[1-9][0-9]*,"heads":[1-9][0-9]*,"verified_arrays":8,' told || fail "info tells $(cat told)"
for how in "--group 64 --batch 7" "--group 1" "--nbest 3" "--word-scores"; do
    # shellcheck disable=SC2086
    "$program" translate run --input source.txt --output other.txt --attention other.h5 $how || fail "$how: status $?"
    cmp alone.h5 other.h5 || fail "$how stores otherwise"
done
for ranks in 2 3; do
    mpirun -n "$ranks" "$program" translate run --input source.txt --output ranks.txt --alignment soft --attention ranks.h5 --group 64 --batch 7 || fail "$ranks ranks: status $?"
    cmp alone.txt ranks.txt || fail "$ranks ranks translate otherwise"
    cmp alone.h5 ranks.h5 || fail "$ranks ranks store otherwise"
done
"$program" translate run </dev/null --attention empty.h5 || fail "nothing: status $?"
"$program" info empty.h5 --json --verify | grep -q '"sentences":0' || fail "nothing is not stored as nothing"

# Recurrent models attend in one layer with one head, or not at all.
make_model gru model.kind recurrent model.cell gru
make_model fixed model.kind recurrent model.attention none
"$program" translate gru --input source.txt --output gru.txt --attention gru.h5 || fail "recurrent: status $?"
"$program" info gru.h5 --json --verify | grep -qE '"sentences":150,"layers":1,"heads":1,' || fail "a recurrent model: $("$program" info gru.h5 --json)"
mpirun -n 2 "$program" translate gru --input source.txt --output ranks.txt --attention ranks.h5 --group 64 --batch 7 || fail "recurrent on 2 ranks: status $?"
cmp gru.h5 ranks.h5 || fail "2 ranks store the attention of a recurrent model otherwise"

# What cannot be: status, message, no file left.
rm -f out.txt
refuse() { # STATUS WORD -- words of translate
    refused "$1" "$2" "$program" translate "${@:4}" --input source.txt --output out.txt
    [ ! -e out.h5 ] && [ ! -e out.h5.tmp ] || fail "a file is left after: ${*:4}"
}
refuse 64 "expected one MODEL, found 2" -- run other --attention out.h5
refuse 78 "alignments need a model with attention" -- fixed --attention out.h5
refuse 64 "name a file" -- run --attention -
refuse 64 "--attention source.txt would replace source.txt" -- run --attention source.txt
refuse 64 "--attention and --output are both out.txt" -- run --attention out.txt
refuse 66 "nowhere/out.h5" -- run --attention nowhere/out.h5
for fault in write:5 sync:1 rename:1; do
    SEQTRAIN_FAULT=$fault refuse 74 out. -- run --attention out.h5
    [ ! -e out.txt ] && [ ! -e out.txt.tmp ] || fail "translations are left without their attention: $fault"
done
refused 65 "alone.h5: expected a checkpoint, found a file of attention weights" "$program" translate alone.h5 --output out.txt
refused 64 "info: --all is about a checkpoint or a run, found a file of attention weights: alone.h5" "$program" info alone.h5 --all
exit $failed
