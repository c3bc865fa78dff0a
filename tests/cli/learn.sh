#!/bin/bash
# Recurrent models learn to reverse 16 to 64 letters in 500 updates: nats a letter on sentences that were not seen, where
# guessing costs 3.2.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/folder.bash"
"$program" generate reverse --output reverse --lines 3000 --test-lines 200 >log 2>&1 &&
    "$program" prepare --source reverse/train.source --target reverse/train.target --output train.h5 --vocab-size 40 \
        --vocab-kind char --joint >>log 2>&1 &&
    "$program" prepare --source reverse/valid.source --target reverse/valid.target --output valid.h5 --vocab train.h5 >>log 2>&1 ||
    { cat log; fail "no corpus"; exit 1; }
cat >reverse.yaml <<'END'
data: {train: train.h5, valid: valid.h5}
model: {kind: recurrent, width: 64, encoder_layers: 1, decoder_layers: 1, dropout: 0}
batch: {tokens: 1024, micro_batches: 1}
optimizer: {learning_rate: 0.005}
schedule: {warmup: 100}
train: {until: 500u, label_smoothing: 0}
validate: {every: 500u}
checkpoint: {every: never}
END

learns() { # NAME MOST [words]
    local name=$1 most=$2 loss
    shift 2
    "$program" train reverse.yaml --run.directory "$name" --comm.threads 1 "$@" >"$name.log" 2>&1 || fail "$name: $(tail -n 3 "$name.log")"
    loss=$(sed -n 's/.*"valid_loss":\([0-9.e-]*\).*/\1/p' "$name/metrics.jsonl" | tail -n 1)
    awk -v a="$loss" -v b="$most" 'BEGIN { exit !(a > 0 && a <= b) }' || fail "$name: a loss of $loss, expected $most or less"
}
learns bahdanau 0.1
learns luong 0.2 --model.cell lstm --model.attention luong_general
learns sampled 0.3 --train.sampling inverse_sigmoid --train.sampling_decay 100
exit "$failed"
