#!/bin/bash
# Several corpora with weights, word dropout and sampled pieces: the same result for 1 and 3 ranks and after a stop.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"

noise=(--data.word_dropout_source 0.1 --data.word_dropout_target 0.1 --data.sampling 0.3)
for kind in unigram bpe; do
    make_corpus tiny 120 1 --vocab-kind "$kind"
    "$program" generate numbers --output more --lines 90 --seed 2 >log 2>&1 &&
        "$program" prepare --source more/train.en --target more/train.de --output more.h5 --vocab tiny.h5 >>log 2>&1 ||
        { cat log; fail "no corpus more"; exit 1; }
    words=(--data.train tiny.h5:2 more.h5:0.5 "${noise[@]}" --validate.every never)
    train 1 "$kind-1" "${words[@]}"
    expect "$kind-1" 0 'corpus tiny.h5: 120 pairs, 2 times an epoch' 'corpus more.h5: 90 pairs, 0.5 times an epoch'
    train 3 "$kind-3" "${words[@]}"
    expect "$kind-3" 0
    train 2 "$kind-stopped" "${words[@]}" --train.until 7u
    expect "$kind-stopped" 0 'trained 7 updates'
    train 3 "$kind-stopped" "${words[@]}"
    expect "$kind-stopped" 0 'resumed from' 'trained 20 updates \([1-9] epochs'
    for run in "$kind-3" "$kind-stopped"; do
        cmp "$(newest "$kind-1")" "$(newest "$run")" || fail "$run: its last checkpoint is not that of $kind-1"
        diff <(losses_of "$kind-1") <(losses_of "$run") >/dev/null || fail "$run: other losses than $kind-1"
    done
done

# Each setting does something: only the words of bpe-1 give its losses. The corpora of a run are its own.
losses_of bpe-1 | head -n 3 >expected
like_first() { # WORDS: whether a run of 3 updates has those losses
    rm -rf other
    train 0 other "$@" --validate.every never --train.until 3u --checkpoint.every 3u
    expect other 0
    losses_of other | cmp -s - expected
}
corpora=(--data.train tiny.h5:2 more.h5:0.5)
like_first "${corpora[@]}" "${noise[@]}" || fail "the same words: other losses"
for words in '--data.sampling off' '--data.word_dropout_source 0' '--data.word_dropout_target 0'; do
    # shellcheck disable=SC2086
    like_first "${corpora[@]}" "${noise[@]}" $words && fail "$words: the same losses"
done
like_first --data.train tiny.h5:2 more.h5:0.6 "${noise[@]}" && fail "more.h5:0.6: the same losses"
train 0 bpe-1 --data.train tiny.h5:2 more.h5 "${noise[@]}" --train.until 24u --validate.every never
expect bpe-1 65 'another corpus: expected fingerprint [^ ]*:2 [^ ]*:0.5, found [^ ]*:2 [^ ]*:1 '
train 0 bpe-1 --data.train tiny.h5:2 more.h5:0.5 "${noise[@]}" --data.sampling 0.2 --train.until 21u --validate.every never
expect bpe-1 0 'data.sampling was 0.3, is now 0.2' 'trained 21 updates'

# Pieces cut anew are more than those stored; rates over epochs go on to the end all the same.
make_corpus paced 120 1 --vocab-kind bpe
train 1 paced --data.train paced.h5 --data.valid paced-valid.h5 --data.sampling 0.9 --batch.tokens 128 --schedule.kind linear --schedule.warmup 0 \
    --train.until 2e --validate.every never
expect paced 0 '2 epochs'
sed -n 's/.*"learning_rate":\([^,}]*\).*/\1/p' paced/metrics.jsonl >rates
[ "$(wc -l <rates)" -ge 8 ] && sort -grsuC rates || fail "expected rates that fall from update to update, found $(tr '\n' ' ' <rates)"

train_refused 78 'data.sampling_alpha is 0.2, but counts only with data.sampling, found off' -- --data.sampling_alpha 0.2
train_refused 78 'data.sampling_alpha is 0.2, but counts only with a unigram vocabulary, found the bpe vocabulary of tiny.h5' -- \
    --data.sampling 0.1 --data.sampling_alpha 0.2
train_refused 78 'data.train tiny.h5:0: expected a weight above 0' -- --data.train tiny.h5:0
train_refused 66 'absent.h5' -- --data.train tiny.h5 absent.h5:2
make_corpus fresh 100 3
train_refused 65 "fresh.h5 has another source vocabulary than tiny.h5: prepare it with --vocab tiny.h5" -- --data.train tiny.h5 fresh.h5
make_corpus words 100 4 --vocab-kind word
train_refused 78 'data.sampling expects a bpe or unigram vocabulary, found the word vocabulary of words.h5' -- \
    --data.train words.h5 --data.valid words-valid.h5 --data.sampling 0.1
exit "$failed"
