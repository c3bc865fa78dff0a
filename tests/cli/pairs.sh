#!/bin/bash
# Every two settings together: for each row of a pairwise walk over the choices of training, a run on one rank without a
# stop and the same run killed on three ranks and gone on with on two end in the same checkpoint and the same losses.
#   PAIRS_SHARE=1/4   walks every fourth row (default: all)
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
share=${PAIRS_SHARE:-1/1}
walked=0
make_corpus tiny 120 1 --vocab-kind bpe
"$program" generate numbers --output more --lines 60 --test-lines 20 --seed 2 >log 2>&1 &&
    "$program" prepare --source more/train.en --target more/train.de --output more.h5 --vocab tiny.h5 >>log 2>&1 || { cat log; exit 1; }
cat >>tiny.yaml <<'END'
validate:
  every: 3u
END

# Names of choices stand alone; a setting that only one of them knows stands with it.
cat >factors <<'END'
optimizer: --optimizer.kind adam --optimizer.beta2 0.9 | --optimizer.kind adamw --optimizer.weight_decay 0.1 | --optimizer.kind sgd --optimizer.momentum 0.9 --optimizer.nesterov | --optimizer.kind sgd | --optimizer.kind adagrad | --optimizer.kind adafactor | --optimizer.kind lamb --optimizer.weight_decay 0.1
schedule: --schedule.kind constant | --schedule.kind inverse_sqrt | --schedule.kind noam | --schedule.kind linear | --schedule.kind cosine | --schedule.kind polynomial --schedule.power 3 | --schedule.kind step --schedule.every 2u | --schedule.kind plateau --schedule.patience 1
norm: --model.norm post | --model.norm pre
activation: --model.activation relu | --model.activation gelu | --model.activation gelu_tanh | --model.activation silu
tie: --model.tie all | --model.tie decoder | --model.tie none
position: --model.position none | --model.position sinusoidal | --model.position learned
start: --model.start bos | --model.start zero --no-model.embedding_scale
dropout: - | --model.dropout 0 --model.attention_dropout 0 --model.activation_dropout 0 | --train.r_drop 1
smoothing: --train.label_smoothing 0 | --train.label_smoothing 0.2
clip: --train.clip_norm off | --train.clip_norm 0.1
ema: - | --train.ema 0.9
freeze: - | --train.freeze encoder/*
memory: - | --train.recompute
slots: --batch.micro_batches 3 | --batch.micro_batches 6
metric: --validate.metric loss | --validate.metric bleu | --validate.metric accuracy --validate.patience 1 | --validate.metrics chrf ter --validate.beam 2
data: - | --data.train tiny.h5 more.h5:1.5 | --data.word_dropout_source 0.2 --data.word_dropout_target 0.1 | --data.sampling 0.3
compression: --checkpoint.compression 0 | --checkpoint.compression 1 | --checkpoint.compression 6
END

# A choice that was added to a table and not here is missed.
"$program" info --json >kinds
for option in optimizer.kind schedule.kind model.norm model.activation model.tie model.position model.start; do
    names=$(sed 's/.*"'"$option"'":{//; s/}}.*//' kinds | grep -o '"[^"]*":{"help"' | cut -d '"' -f 2)
    [ -n "$names" ] || fail "info --json tells no choices of $option"
    for name in $names; do
        grep -qE -- "--$option $name( |\$)" factors || fail "$option $name is not walked: add it to tests/cli/pairs.sh"
    done
done

awk -f "$tests/pairs.awk" factors | awk -v share="$share" '{ split(share, s, "/") } NR % s[2] == s[1] % s[2]' >rows
while read -r row <&3; do
    set -f # encoder/* is a pattern of parameters
    # shellcheck disable=SC2086
    set -- $row
    walked=$((walked + 1))
    rm -rf straight again
    train 0 straight --train.until 7u --schedule.warmup 2 --checkpoint.every 2u "$@"
    expect straight 0 'trained|ended'
    SEQTRAIN_FAULT=kill:5:0 train 3 again --train.until 7u --schedule.warmup 2 --checkpoint.every 2u "$@"
    [ "$status" -ge 128 ] || fail "expected the first start to be killed, found status $status: $(tail -n 3 again.log)"
    train 2 again --train.until 7u --schedule.warmup 2 --checkpoint.every 2u "$@"
    expect again 0
    cmp "$(newest straight)" "$(newest again)" && diff <(losses_of straight) <(losses_of again) >/dev/null ||
        fail "1 rank straight and 3, then 2 ranks differ with: $row"
    set +f
done 3<rows
echo "$walked rows"
[ "$walked" = "$(wc -l <rows)" ] || fail "walked $walked rows of $(wc -l <rows)"
exit "$failed"
