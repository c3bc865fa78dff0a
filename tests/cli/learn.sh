#!/bin/bash
# Every kind of model learns to copy, reverse and sort 16 to 64 letters: nats a letter on sentences that were not seen, where
# guessing costs 3.2, and how many of 100 of them greedy search gets right to the last letter.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/folder.bash"
for task in copy reverse sort; do
    "$program" generate $task --output $task --lines 3000 --test-lines 200 >log 2>&1 &&
        "$program" prepare --source $task/train.source --target $task/train.target --output $task.h5 --vocab-size 40 \
            --vocab-kind word --joint >>log 2>&1 &&
        "$program" prepare --source $task/valid.source --target $task/valid.target --output $task-valid.h5 --vocab $task.h5 >>log 2>&1 ||
        { cat log; fail "no corpus $task"; exit 1; }
    head -n 100 $task/valid.source >$task.in
    head -n 100 $task/valid.target >$task.out
done
cat >learn.yaml <<'END'
model: {width: 64, encoder_layers: 1, decoder_layers: 1, dropout: 0}
batch: {tokens: 512, micro_batches: 1}
optimizer: {learning_rate: 0.005}
schedule: {kind: linear, warmup: 100}
train: {label_smoothing: 0}
validate: {every: 1e}
checkpoint: {every: never}
END

learns() { # TASK NAME UPDATES MOST EXACT [words]: a loss of MOST or less, EXACT sentences or more
    local task=$1 run=$1-$2 updates=$3 most=$4 exact=$5 loss right
    shift 5
    "$program" train learn.yaml --data.train "$task.h5" --data.valid "$task-valid.h5" --run.directory "$run" --comm.threads 1 \
        --train.until "${updates}u" --validate.every "${updates}u" --schedule.total "${updates}u" "$@" >"$run.log" 2>&1 ||
        fail "$run: $(tail -n 3 "$run.log")"
    loss=$(sed -n 's/.*"valid_loss":\([0-9.e-]*\).*/\1/p' "$run/metrics.jsonl" | tail -n 1)
    awk -v a="$loss" -v b="$most" 'BEGIN { exit !(a > 0 && a <= b) }' || fail "$run: a loss of $loss, expected $most or less"
    right=$("$program" translate "$run" --input "$task.in" --beam 1 2>"$run.log" | paste -d= - "$task.out" | awk -F= '$1 == $2' | wc -l)
    [ "$right" -ge "$exact" ] || fail "$run: $right sentences of 100, expected $exact or more"
    echo "$run: $loss, $right of 100"
}
# The bounds are about twice the losses seen, which are told beside them.
copying() {
    learns copy rnn 1600 0.06 80 "${rnn[@]}"                                        # 0.032,   90 of 100
    learns copy gru 1600 0.04 80 "${gru[@]}"                                        # 0.018,   89
    learns copy lstm 1600 0.08 50 "${lstm[@]}" --model.attention luong_general      # 0.039,   71
    learns copy transformer 1200 0.03 90 "${transformer[@]}"                        # 0.0003, 100
}
reversing() {
    learns reverse rnn 1600 0.05 75 "${rnn[@]}"                                     # 0.022,   89
    learns reverse gru 1600 0.03 80 "${gru[@]}"                                     # 0.012,   91
    learns reverse lstm 1600 0.08 50 "${lstm[@]}" --model.attention luong_general   # 0.037,   72
    learns reverse sampled 800 0.2 50 "${gru[@]}" "${sampled[@]}"                      # 0.091,   78
    learns reverse transformer 2400 0.1 60 "${transformer[@]}"                      # 0.012,   93
}
sorting() {
    learns sort rnn 2400 0.06 70 "${rnn[@]}"                                        # 0.027,   85
    learns sort gru 2400 0.03 80 "${gru[@]}"                                        # 0.013,   94
    learns sort lstm 2400 0.05 70 "${lstm[@]}"                                      # 0.021,   86
    learns sort transformer 1200 0.1 50 "${transformer[@]}"                         # 0.029,   82
}
rnn=(--model.kind recurrent --model.cell rnn --optimizer.learning_rate 0.003)
gru=(--model.kind recurrent --model.cell gru)
lstm=(--model.kind recurrent --model.cell lstm)
sampled=(--train.sampling inverse_sigmoid --train.sampling_decay 150)
transformer=(--model.heads 4 --model.ffn_width 128)
for task in copying reversing sorting; do
    { $task; exit "$failed"; } &
done
for job in $(jobs -p); do wait "$job" || failed=1; done
exit "$failed"
