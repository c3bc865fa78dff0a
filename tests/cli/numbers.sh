#!/bin/bash
# Numbers that are none, and numbers that are wrong: what train.on_nan and comm.verify_every promise, on any layout.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
slots=(--batch.micro_batches 6 --validate.every never)
pairs_of() { find "$1/not-finite" -type f -printf '%f\n' 2>/dev/null | sort | tr '\n' ' '; }

# ---- skip: the 26th micro-batch is slot 1 of update 5; the same bits on any layout, and across a resume ----
export SEQTRAIN_FAULT=gradient:26
for ranks in 1 3; do
    train "$ranks" "skip-$ranks" "${slots[@]}" --train.on_nan skip
    expect "skip-$ranks" 0 'update 5: the micro-batch of slot 1 has .* not finite from' 'update 5 changes nothing'
    cmp "$(newest skip-1)" "$(newest "skip-$ranks")" || fail "skip: $ranks ranks ended in another checkpoint"
    [ "$(pairs_of "skip-$ranks")" = "update-00000005-slot-0001.txt " ] || fail "skip: pairs of $(pairs_of "skip-$ranks")"
done
cmp skip-1/not-finite/*.txt skip-3/not-finite/*.txt || fail "skip: other pairs on 3 ranks"
grep -qP '^\d+\t[\d ]+\t[\d ]+$' skip-1/not-finite/*.txt || fail "skip: no pairs: $(head -n 4 skip-1/not-finite/*.txt)"
grep -q '"update":5,.*"loss":.*"skipped":true' skip-1/metrics.jsonl || fail "skip: metrics.jsonl says $(sed -n 5p skip-1/metrics.jsonl)"
[ "$(grep -c skipped skip-1/metrics.jsonl)" = 1 ] || fail "skip: more than one update was skipped"
train 2 skip-parts "${slots[@]}" --train.on_nan skip --train.until 5u
train 3 skip-parts "${slots[@]}" --train.on_nan skip
cmp "$(newest skip-1)" "$(newest skip-parts)" || fail "skip: a resume behind it ended in another checkpoint"
"$program" info skip-1 >log 2>&1 && "$program" report skip-1 --output report.html >>log 2>&1 || fail "skip: info and report: $(tail -n 3 log)"

# So many in a row are no accident, also where the count goes on in another start: back once, then the end.
export SEQTRAIN_FAULT=gradient:25+
train 2 row "${slots[@]}" --train.on_nan skip --train.until 9u --checkpoint.every 3u
expect row 0 'update 9 changes nothing'
train 3 row "${slots[@]}" --train.on_nan skip
expect row 70 'update 13 changes nothing' 'going back to the newest checkpoint' \
    '^seqtrain: update 14: expected a finite loss .* also after going back'

# ---- roll_back: what passes does not come again, and leaves no trace in the result; what stays ends the run ----
unset SEQTRAIN_FAULT
train 0 calm "${slots[@]}" --train.on_nan roll_back
SEQTRAIN_FAULT=passing:17:1 train 2 passing "${slots[@]}" --train.on_nan roll_back
expect passing 0 'update 6: each micro-batch has a finite loss' 'going back to the newest checkpoint' 'resumed from .*update-00000005.h5'
cmp "$(newest calm)" "$(newest passing)" || fail "roll_back: another checkpoint"
diff <(losses_of calm) <(losses_of passing) >/dev/null || fail "roll_back: other lines in metrics.jsonl"
SEQTRAIN_FAULT=gradient:40 train 2 staying "${slots[@]}" --train.on_nan roll_back
expect staying 70 'going back' '^seqtrain: update 7: expected a finite loss .* also after going back'
SEQTRAIN_FAULT=gradient:3 train 2 early "${slots[@]}" --train.on_nan roll_back
expect early 70 'going back' '^seqtrain: update 1: expected a finite loss .* also after going back'
SEQTRAIN_FAULT=gradient:40 train 2 ends "${slots[@]}"
expect ends 70 '^seqtrain: update 7: expected a finite loss'

# ---- audits change no bit ----
for ranks in 1 2 3 4 6; do
    train "$ranks" "audit-$ranks" "${slots[@]}" --train.on_nan roll_back --comm.verify_every 1
    expect "audit-$ranks" 0
    cmp "$(newest calm)" "$(newest "audit-$ranks")" || fail "audits on $ranks ranks: another checkpoint"
done
train 3 audit-rounded "${slots[@]}" --comm.verify_every 1 --comm.wire bfloat16
expect audit-rounded 0

# ---- a rank that errs is named, and the run goes on from its last checkpoint; a second time a person is to look ----
errs() { # RANKS FAULT WORDS: 71, and then as if nothing had been
    local ranks=$1 fault=$2 run=errs-$1-${2//:/-}
    SEQTRAIN_FAULT=$fault train "$ranks" "$run" "${slots[@]}" --train.on_nan roll_back --comm.verify_every 4
    expect "$run" 71 "^seqtrain: update (4|8): $3"
    [ -z "$(find "$run" -name '*.tmp')" ] || fail "$run: left $(find "$run" -name '*.tmp')"
    [ -z "${4:-}" ] || return
    train "$ranks" "$run" "${slots[@]}" --train.on_nan roll_back --comm.verify_every 4
    expect "$run" 0
    cmp "$(newest calm)" "$(newest "$run")" || fail "$run: another checkpoint after it"
}
host=$(hostname)
errs 1 flip:1 "rank 0 on $host has other gradients of a micro-batch than when it computed them again"
errs 2 flip:1:0 "rank 0 on $host has other gradients of a micro-batch than the others"
errs 2 flip:2:1 "rank 1 on $host has other gradients"
errs 2 flip:1+:1 "ranks 0 and 1 have different gradients of a micro-batch, and which of them errs cannot be told" once
errs 3 flip:1:0 "rank 0 on $host has other gradients"
errs 3 flip:1+:1 "rank 1 on $host has other gradients" once
errs 3 drift:1:2 "rank 2 on $host has other parameters than the others" once
errs 2 drift:2:1 "ranks 0 and 1 have different parameters"
SEQTRAIN_FAULT=drift:1:2 train 3 errs-3-drift-1-2 "${slots[@]}" --train.on_nan roll_back --comm.verify_every 4
expect errs-3-drift-1-2 70 "rank 2 on $host has other parameters" 'errs-3-drift-1-2/suspects.txt told of another time'
exit "$failed"
