#!/bin/bash
# What a run tells: one short line that is overwritten on a terminal, plain lines elsewhere, metrics.jsonl.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
words="train tiny.yaml --comm.threads 1 --train.until 1e"

script -qec "stty cols 80; $program $words --log.every 2u --run.directory terminal" terminal.txt >/dev/null || fail "terminal: status $?"
tr '\r' '\n' <terminal.txt | sed 's/\x1b\[K//' | grep 'tokens/s.*left$' >shown
[ -s shown ] || fail "a terminal shows no progress"
awk 'length > 80 { exit 1 }' shown || fail "more than 80 columns: $(awk 'length > 80' shown | head -n 1)"
grep -vqE '^update [0-9]+  epoch [0-9]+  loss [0-9.]+  [0-9]+ tokens/s  .* left$' shown && fail "another line: $(head -n 1 shown)"
grep -qF $'\r\x1b[K' terminal.txt || fail "the line is not overwritten"

grep -qE '^update 2  epoch 1  loss [0-9.]+  norm .*  rate .* left$' terminal/log.txt || fail "log.txt has no progress: $(cat terminal/log.txt)"
grep -qE $'\r|\x1b' terminal/log.txt && fail "log.txt holds control characters"

train 1 plain --train.until 1e --log.every 2u --log.level detail
expect plain 0 '^update 2  epoch 1  loss [0-9.]+  norm .*  rate .*  [0-9]+ tokens/s  .* left' \
    'memory of rank 0.* gradient ' 'time of rank 0'
grep -qE $'\r|\x1b' plain.log && fail "a file holds control characters"
grep -q 'not freed' plain.log && fail "memory was not freed: $(grep 'not freed' plain.log)"
for key in update epoch loss tokens_per_second learning_rate gradient_norm; do
    grep -m 1 -q "\"$key\":" plain/metrics.jsonl || fail "metrics.jsonl has no $key"
done

# Another batch on resume: told, and the epoch starts again from its beginning.
train 1 batch --train.until 3u
expect batch 0
train 2 batch --train.until 5u --batch.tokens 120 --batch.micro_batches 4
expect batch 0 'batch.tokens was 160, is now 120' 'batch.micro_batches was 8, is now 4' \
    'epoch 1 starts again: its batches changed after 3 of its updates' 'trained 5 updates'

# A validation that was due where it stopped is made up for.
train 1 due --train.until 4u --validate.every never
train 1 due --train.until 5u --validate.every 2u --batch.tokens 120
expect due 0 'epoch 1 starts again' 'update 4 .*validation: loss'
exit "$failed"
