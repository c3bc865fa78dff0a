#!/bin/bash
# Optimisers, schedules and freezing in whole runs: a run that stops and goes on with other ranks is the run that never
# stopped; what is refused names why.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

# NAME [words]: 14 updates on 2 ranks; then 7 on 3 ranks and the rest on 1.
same() {
    local name=$1
    shift
    train 2 "$name" --train.until 14u "$@"
    expect "$name" 0 'trained 14 updates'
    train 3 "$name-parts" --train.until 7u "$@"
    train 1 "$name-parts" --train.until 14u "$@"
    expect "$name-parts" 0 'resumed from' 'trained 14 updates'
    cmp "$(newest "$name")" "$(newest "$name-parts")" || fail "$name: the resumed run differs from the straight one"
    diff <(losses_of "$name") <(losses_of "$name-parts") >/dev/null || fail "$name: other losses after a resume"
}
rates() { sed -n 's/.*"learning_rate":\([^,}]*\).*/\1/p' "$1/metrics.jsonl"; }

same adafactor --optimizer.kind adafactor --optimizer.weight_decay 0.01 --schedule.kind cosine --schedule.total 3e
same lamb --optimizer.kind lamb --schedule.kind plateau --schedule.patience 1 --schedule.warmup 0 --validate.every 1u \
    --optimizer.learning_rate 0.5
[ "$(rates lamb | sort -u | wc -l)" -ge 3 ] || fail "a plateau cut no rate: $(rates lamb | tr '\n' ' ')"
same frozen --optimizer.kind sgd --optimizer.momentum 0.9 --optimizer.nesterov true --schedule.kind step \
    --schedule.every 4u --schedule.warmup 2 --train.freeze 'encoder/*' 'embedding/*'
grep -qE '[0-9]+ of [0-9]+ parameters are frozen' frozen.log || fail "nothing tells of frozen parameters"

# What a schedule ends at is train.until, unless told: a later end is a change that is told.
train 1 ends --train.until 6u --schedule.kind linear --schedule.warmup 2
expect ends 0
[ "$(rates ends | tail -n 1)" = 0 ] || fail "a linear schedule ended at $(rates ends | tail -n 1), not at 0"
train 1 ends --train.until 8u --schedule.kind linear --schedule.warmup 2
expect ends 0 'schedule.total was 6u, is now 8u'
train 1 ends --train.until 9u --schedule.kind linear --schedule.warmup 2 --train.freeze 'encoder/*'
expect ends 0 'train.freeze was .*, is now encoder/'

train 2 refused --train.freeze 'encodr/*'
expect refused 78 "train.freeze: 'encodr/\\*' matches no parameter.* the names begin with .*encoder, .*decoder"
train 1 refused --train.freeze '*'
expect refused 78 'nothing is left to learn'
train 1 refused --schedule.kind cosine --schedule.warmup 20
expect refused 78 'schedule.total is 20u, but the warm-up alone'
train 1 refused --schedule.kind noam --schedule.warmup 0
expect refused 78 'schedule.kind noam rises'
train 1 refused --schedule.kind plateau --validate.every never
expect refused 78 'schedule.kind plateau follows validate.metric'
train 1 refused --optimizer.kind sgd --optimizer.nesterov true
expect refused 78 'optimizer.nesterov is true'
exit "$failed"
