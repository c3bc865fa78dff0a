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
expect again 0 'nothing to do: again has reached validate.patience after 8 updates'
"$program" info again | grep -q '^reason  *validate.patience is reached$' || fail "info does not tell the end of patience"
# shellcheck disable=SC2086
train 1 again $early --validate.patience 4
expect again 0 'validate.patience was 3, is now 4' 'stopped early: 4 validations' 'trained 10 updates'
# The same corpus elsewhere changes nothing; with another one, the best and patience start anew.
mv tiny-valid.h5 moved.h5
# shellcheck disable=SC2086
train 1 again $early --validate.patience 4 --data.valid moved.h5
expect again 0 'nothing to do: again has reached validate.patience after 10 updates'
mv moved.h5 tiny-valid.h5
head -n 30 tiny/valid.en >other.en
head -n 30 tiny/valid.de >other.de
"$program" prepare --source other.en --target other.de --output other.h5 --vocab tiny.h5 >log 2>&1 || fail "no other.h5"
# shellcheck disable=SC2086
train 2 again $early --data.valid other.h5
expect again 0 'data.valid other.h5 is another corpus than that of the validations so far' 'stopped early: 3 validations' \
    'trained 18 updates'
[[ $(readlink again/best.h5) > checkpoints/update-00000011.h5 ]] || fail "best.h5 is still $(readlink again/best.h5), of the other corpus"

# Metrics of translations: the same on any layout and after a resume, the best by each of them, samples.
text="$every --train.until 12u --validate.metric chrf --validate.metrics bleu,exact ter --validate.samples 2"
# shellcheck disable=SC2086
train 1 text $text --validate.beam 2
expect text 0 'validation: loss .*  bleu [0-9.]+  chrf [0-9.]+  ter [0-9.]+  exact [0-9.]+' 'best validation: chrf' \
    "sample 1  source +$(head -n 1 tiny/valid.en)\$" "reference +$(sed -n 2p tiny/valid.de)\$" 'translation  '
for key in valid_loss valid_bleu valid_chrf valid_ter valid_exact; do
    [ "$(grep -c "\"$key\":" text/metrics.jsonl)" = 6 ] || fail "metrics.jsonl has no $key for each validation"
done
for metric in bleu:gr ter:g; do
    update=$(best_of text "${metric%:*}" "${metric#*:}")
    [ "$(readlink "text/best-${metric%:*}.h5")" = "checkpoints/update-$(printf %08d "$update").h5" ] ||
        fail "best-${metric%:*}.h5 is not of update $update but $(readlink "text/best-${metric%:*}.h5")"
done
# The command that evaluates comes to the same value, but for what the corpus left out: nothing here.
value=$(sed -n 's/.*"valid_chrf":\([^,}]*\).*/\1/p' text/metrics.jsonl | sort -gr | head -n 1)
"$program" evaluate text --source tiny/valid.en --target tiny/valid.de --beam 2 --metrics chrf --json >evaluated.json 2>log ||
    fail "evaluate: $(cat log)"
awk -v value="$value" 'match($0, /"chrf[^0-9]*[0-9.]+/) { found = substr($0, RSTART, RLENGTH); sub(/.*[^0-9.]/, "", found); d = found - value; good = d * d < 1e-4 }
    END { exit !good }' evaluated.json || fail "validation found chrf $value, evaluate $(cat evaluated.json)"
# shellcheck disable=SC2086
SEQTRAIN_FAULT=kill:7:0 train 3 text-again $text --validate.beam 2
[ "$status" -ge 128 ] || fail "text-again: expected a status from 128 on, found $status"
# shellcheck disable=SC2086
train 2 text-again $text --validate.beam 2 --comm.threads 2
expect text-again 0 'resumed from'
cmp "$(newest text)" "$(newest text-again)" || fail "text-again: another state"
diff <(losses_of text) <(losses_of text-again) || fail "text-again: other metrics"

# Another choice of metrics moves the links at once where the best by them is still there, and says so where it is not.
chosen="$every --train.until 12u --validate.beam 2"
# shellcheck disable=SC2086
train 2 text $chosen --validate.metric ter --validate.metrics chrf
expect text 0 'nothing to do'
[ "$(readlink text/best.h5)" = "$(readlink text/best-ter.h5)" ] || fail "best.h5 is $(readlink text/best.h5), not of ter"
[ "$(readlink text/best-chrf.h5)" = "$(readlink text/last.h5)" ] || fail "best-chrf.h5 is not of the last update"
rm "text/$(readlink text/best-exact.h5)"
# shellcheck disable=SC2086
train 1 text $chosen --validate.metric exact
expect text 0 'warning: best.h5 is not set: the best was at update 2, which text/checkpoints does not hold'

# What cannot be: text that the corpus does not hold, settings that would be ignored.
"$program" prepare --source tiny/valid.en --target tiny/valid.de --output bare.h5 --vocab tiny.h5 --no-text >log 2>&1
train 1 bare --data.valid bare.h5 --validate.metrics bleu
expect bare 78 'the metric bleu compares with the raw target lines, but data.valid bare.h5 holds none.*--no-text'
train 1 bare --data.valid bare.h5 --train.until 2u --validate.every 2u --validate.samples 1
expect bare 0 "reference +[a-z]" 'translation  '
train 0 wrong --validate.metrics ter,chrf ter
expect wrong 78 'validate.metrics: ter is named twice'
train 0 wrong --validate.metrics blue
expect wrong 78 "validate.metrics: expected loss, .* or exact, found 'blue'; did you mean bleu"
train 0 wrong --validate.metric chrf --validate.tokenizer none
expect wrong 78 'validate.tokenizer is none, but counts only with bleu in validate.metric or validate.metrics'
train 0 wrong --validate.lowercase
expect wrong 78 'validate.lowercase is true, but counts only with bleu, chrf, chrf\+\+ or exact in validate.metric or validate.metrics'
train 0 wrong --validate.beam 5
expect wrong 78 'validate.beam is 5, but counts only with a metric of text'
train 0 wrong --validate.min_delta 0.5
expect wrong 78 'validate.min_delta is 0.5, but counts only with validate.patience or schedule.kind plateau'
exit "$failed"
