#!/bin/bash
# Recurrent models from the command line: they learn, translate with alignments, and refuse what has no sense.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
config=recurrent.yaml

# ---- settings without sense together: each message says what would work ----
train_refused 78 'model.bridge none needs .*use model.bridge linear, or model.encoder_bidirectional false' -- --model.bridge none
train_refused 78 'model.attention luong_dot .*use model.attention luong_general, or model.encoder_bidirectional false' -- --model.attention luong_dot
train_refused 78 'model.attention_dropout 0.1 has nothing to drop with model.attention none' -- --model.attention none
train_refused 78 'the decoder would see nothing of the source: use model.bridge linear' -- --model.attention none --model.attention_dropout 0 --model.bridge zero
train_refused 78 'model.encoder_layers 0 .*set 1 or more' -- --model.encoder_layers 0
train_refused 78 'model.image_stages 2 counts only with a source of images' -- --model.image_stages 2
train_refused 78 'model.coverage is sum, but counts only with model.attention bahdanau' -- --model.coverage sum --model.attention luong_general
train_refused 78 'model.coverage sum goes from step to step.*use model.input_feeding true' -- --model.coverage sum --model.attention luong_concat --model.input_feeding false
train_refused 78 'model.position is learned, but counts only with model.kind transformer' -- --model.position learned
train_refused 78 'model.heads is 2, but counts only with model.kind transformer' -- --model.heads 2
train_refused 78 'train.recompute is true, but counts only with model.kind transformer' -- --train.recompute
train_refused 78 'model.context is every_step, but counts only with model.attention none' -- --model.context every_step
train_refused 78 'train.sampling_decay is 5, but counts only with train.sampling linear' -- --train.sampling_decay 5
train_refused 78 'train.r_drop 2 compares .*set train.r_drop off, or train.sampling none' -- --train.r_drop 2 --train.sampling linear
config=tiny.yaml
train_refused 78 'train.sampling is linear, but counts only with model.kind recurrent' -- --train.sampling linear
train_refused 78 'model.cell is lstm, but counts only with model.kind recurrent' -- --model.cell lstm
config=recurrent.yaml

# ---- translate: as it was trained, and alone as in a batch; alignments only with attention ----
train 1 attends
expect attends 0
head -n 20 tiny/valid.en >in
"$program" translate attends --input in --output out --alignment hard >log 2>&1 || fail "translate: $(cat log)"
while read -r line; do "$program" translate attends <<<"$line" 2>>log; done < <(head -n 3 in) >alone
cmp <("$program" translate attends --input in 2>>log | head -n 3) alone || fail "alone a sentence is translated otherwise"
train 1 blind --model.attention none --model.attention_dropout 0
expect blind 0
"$program" translate blind --input in --alignment hard >log 2>&1 && fail "an alignment without attention"
grep -q 'alignments need a model with attention' log || fail "no word of attention: $(cat log)"
exit "$failed"
