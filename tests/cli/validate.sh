#!/bin/bash
# Validation in training: links to the best by each metric, patience that ends a run, all of it the same after a resume.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
every="--validate.every 2u --checkpoint.keep 1"
# A learning rate of almost nothing: after the first validation nothing improves by as much as min_delta.
early="$every --optimizer.learning_rate 1e-9 --validate.patience 3 --validate.min_delta 0.5"

best_of() { # RUN METRIC SORT: the update of the first best value in metrics.jsonl
    sed -n "s/.*\"update\":\([0-9]*\),.*\"valid_$2\":\([^,}]*\).*/\2 \1/p" "$1/metrics.jsonl" | sort -s -k 1,1"$3" | sed -n '1s/.* //p'
}

# shellcheck disable=SC2086
train 2 straight $every --validate.metrics accuracy loss
expect straight 0 'best validation: loss'
for metric in loss:g accuracy:gr; do
    update=$(best_of straight "${metric%:*}" "${metric#*:}")
    [ "$(readlink "straight/best-${metric%:*}.h5")" = "checkpoints/update-$(printf %08d "$update").h5" ] ||
        fail "best-${metric%:*}.h5 is not of update $update but $(readlink "straight/best-${metric%:*}.h5")"
    [ -e "straight/best-${metric%:*}.h5" ] || fail "best-${metric%:*}.h5 points nowhere"
done
[ "$(readlink straight/best.h5)" = "$(readlink straight/best-loss.h5)" ] || fail "best.h5 is not best-loss.h5"

# Stopped and gone on with: the same links, history and patience.
# shellcheck disable=SC2086
train 1 early $early
expect early 0 'stopped early: 3 validations without a better loss \(validate.patience 3\)' 'trained 8 updates'
# shellcheck disable=SC2086
SEQTRAIN_FAULT=kill:7:0 train 2 again $early
[ "$status" -ge 128 ] || fail "again: expected a status from 128 on, found $status"
# shellcheck disable=SC2086
train 3 again $early
expect again 0 'resumed from' 'stopped early: 3 validations' 'trained 8 updates'
cmp "$(newest early)" "$(newest again)" || fail "the run that was killed ended in another state"
diff <(losses_of early) <(losses_of again) || fail "again: other metrics"
# shellcheck disable=SC2086
train 1 again $early
expect again 0 'nothing to do: again has reached the end of validate.patience after 8 updates'
# shellcheck disable=SC2086
train 1 again $early --validate.patience 4
expect again 0 'validate.patience was 3, is now 4' 'stopped early: 4 validations' 'trained 10 updates'
exit "$failed"
