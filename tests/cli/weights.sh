#!/bin/bash
# Weights and where they go: their moving average, the mean of checkpoints, a new run from the weights of another.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

average() { # STATUS WORDS [words of average]: ends so, and its message holds the words
    local expected=$1 word=$2
    shift 2
    "$program" average "$@" >average.log 2>&1
    status=$?
    expect average "$expected" "$word"
}
loss_of() { sed -n 's/.*"valid_loss": *\([^,}]*\).*/\1/p' "$1/metrics.jsonl" | tail -n 1; }

# ---- the moving average: the same on any layout, killed and gone on with ----
train 1 ema --train.ema 0.9
expect ema 0 'validation, and so best.h5, is of the averaged weights'
SEQTRAIN_FAULT=kill:7:0 train 2 again --train.ema 0.9
[ "$status" -ge 128 ] || fail "again: expected a status from 128 on, found $status"
train 3 again --train.ema 0.9
expect again 0 'resumed from'
cmp "$(newest ema)" "$(newest again)" || fail "3 ranks after a kill hold other averages than 1 rank"
diff <(losses_of ema) <(losses_of again) || fail "3 ranks after a kill have other losses than 1 rank"
"$program" info ema | grep -qE '^ema +yes$' || fail "info does not tell the averages"

# They leave the weights alone, and are what validation sees.
train 0 plain
expect plain 0
"$program" info plain | grep -qE '^ema +no$' || fail "info tells averages that are not there"
[ "$(crc_of ema/last.h5)" = "$(crc_of plain/last.h5)" ] || fail "train.ema changed the weights"
[ "$(loss_of ema)" != "$(loss_of plain)" ] || fail "train.ema did not change what validation sees"

# Translations and scores are of the averages, unless the weights themselves are asked for.
average 0 'the mean of /ema of 1 checkpoint' --output averages.h5 --parameters ema ema/last.h5
"$program" score ema/last.h5 --source tiny/valid.en --target tiny/valid.de >auto.txt || fail "score: status $?"
for words in "ema/last.h5 --parameters ema" "averages.h5"; do
    # shellcheck disable=SC2086
    "$program" score $words --source tiny/valid.en --target tiny/valid.de | cmp - auto.txt || fail "$words scores otherwise"
done
"$program" score ema/last.h5 --parameters raw --source tiny/valid.en --target tiny/valid.de >raw.txt || fail "score: status $?"
"$program" score plain/last.h5 --source tiny/valid.en --target tiny/valid.de | cmp - raw.txt || fail "--parameters raw scores otherwise"
cmp -s raw.txt auto.txt && fail "averages and weights score alike"
"$program" translate averages.h5 --input tiny/valid.en >one.txt || fail "translate: status $?"
"$program" translate ema/last.h5 --input tiny/valid.en | cmp - one.txt || fail "translate does not use the averages"
translate_scores() { # MODEL [words of translate]: pieces' probabilities tell weights apart where words may agree
    "$program" translate "$@" --input tiny/valid.en --word-scores || fail "translate $*: status $?"
}
evaluate_json() { # MODEL [words of evaluate]
    "$program" evaluate "$@" --source tiny/valid.en --target tiny/valid.de --json || fail "evaluate $*: status $?"
}
for command in translate_scores evaluate_json; do
    $command plain/last.h5 >plain.out
    $command ema/last.h5 >auto.out
    $command ema/last.h5 --parameters ema >ema.out
    $command ema/last.h5 --parameters raw >raw.out
    cmp raw.out plain.out || fail "$command: --parameters raw is not the weights themselves"
    cmp ema.out auto.out || fail "$command: --parameters ema is not the averages"
    cmp -s raw.out auto.out && fail "$command: averages and weights are alike"
done
"$program" translate plain --input tiny/valid.en --parameters ema >none.log 2>&1
status=$?
expect none 65 'expected averaged weights .*it was trained without train.ema'

# Switched off and on within a run: they start from its weights. A decay that hardly keeps anything follows them.
train 1 again --train.until 21u
expect again 0 'train.ema was 0.9, is now off'
train 2 again --train.until 22u --train.ema 1e-9
expect again 0 'train.ema was off, is now' 'train.ema: the averages start from the weights as they are'
average 0 'mean of /ema' --output follows.h5 --parameters ema again/last.h5
"$program" score again/last.h5 --source tiny/valid.en --target tiny/valid.de --parameters raw >raw.txt
"$program" score follows.h5 --source tiny/valid.en --target tiny/valid.de |
    paste - raw.txt | awk '{ d = $1 - $2; if (d * d > 1e-6 * $1 * $1) bad = 1 } END { exit bad }' || fail "the averages do not follow the weights"

# ---- the mean of checkpoints ----
average 0 'mean of /model of 2 checkpoints' --output twice.h5 ema/last.h5 ema/last.h5
[ "$(crc_of twice.h5)" = "$(crc_of ema/last.h5)" ] || fail "the average of one file twice is another"
average 0 'update-00000015.h5' --output last.h5 --last 3 ema
average 0 'mean of /model of 3 checkpoints' --output named.h5 "$(find ema/checkpoints -name '*.h5' | sort | tail -n 3 | head -n 1)" \
    "$(find ema/checkpoints -name '*.h5' | sort | tail -n 2 | head -n 1)" ema/checkpoints/update-00000020.h5
cmp last.h5 named.h5 || fail "--last 3 is not the mean of the last three"
[ "$(crc_of last.h5)" != "$(crc_of ema/last.h5)" ] || fail "an average is one of its checkpoints"
"$program" info last.h5 --verify >info.txt || fail "info: status $?"
grep -qE '^averaged +3$' info.txt || fail "info does not tell an average: $(cat info.txt)"
"$program" translate last.h5 --input tiny/valid.en >/dev/null || fail "translate: status $?"
[ "$(crc_of averages.h5)" != "$(crc_of ema/last.h5)" ] || fail "--parameters ema is the weights themselves"

average 64 'expected|--output' ema/last.h5
average 64 'found none' --output out.h5
average 64 'takes one RUN' --output out.h5 --last 2 ema plain
average 66 'expected 99 or more checkpoints, found 3' --output out.h5 --last 99 ema
average 66 'absent' --output out.h5 absent
average 65 'expected averaged weights' --output out.h5 --parameters ema plain
average 65 'plain/.*expected averaged weights' --output out.h5 --parameters ema ema plain
average 65 'means /model in plain/.* and /ema in ema/.*give --parameters raw' --output out.h5 --parameters auto plain ema
average 65 'means /ema in ema/.* and /model in plain/' --output out.h5 --parameters auto ema plain
average 65 'expected a checkpoint, found a corpus' --output out.h5 tiny.h5
train 0 heads --model.heads 4 --train.until start
expect heads 0
average 65 'model.heads is 4 in heads/.* and 2 in ema/.*expected the same model' --output out.h5 ema heads
train 0 deep --model.encoder_layers 2 --train.until start
expect deep 0
average 65 'model.encoder_layers is 2 in' --output out.h5 ema deep
make_corpus other 300 2
train 0 other --data.train other.h5 --data.valid other-valid.h5 --train.until start
expect other 0
average 65 'the same source vocabulary' --output out.h5 ema other
average 64 'takes a run directory, found the file ema/last.h5' --output out.h5 --last 2 ema/last.h5
average 66 'cannot open absent: No such file' --output out.h5 --last 2 absent
[ ! -e out.h5 ] || fail "a refused average left a file"
average 64 'output ema/last.h5 would replace .*, which is read' --output ema/last.h5 ema/last.h5 ema/best.h5

# ---- a new run from given weights ----
init() { # RUN CRC [words]: its weights before the first update have that CRC
    local run=$1 crc=$2
    shift 2
    train "$@" --train.until start
    expect "$run" 0 'run.init: a new run from the '
    [ "$(crc_of "$run")" = "$crc" ] || fail "$run: parameters_crc32 $(crc_of "$run"), expected $crc"
}
init tuned "$(crc_of last.h5)" 1 tuned --run.init last.h5
init tuned2 "$(crc_of averages.h5)" 2 tuned2 --run.init ema/last.h5 --train.ema 0.5 --run.seed 3
grep -q 'from the averaged weights of ema/last.h5' tuned2.log || fail "tuned2: does not tell that the weights are averages"
init tuned3 "$(crc_of plain/best.h5)" 2 tuned3 --run.init plain --optimizer.kind sgd --schedule.warmup 0
# The same command again goes on with the run; its weights may be gone.
mv last.h5 gone.h5
train 2 tuned --run.init last.h5 --train.until 3u
expect tuned 0 'run.init last.h5 is passed over: the run goes on from its own tuned/checkpoints' 'trained 3 updates'
train 0 tuned4 --run.init gone.h5 --train.until 3u
expect tuned4 0
cmp "$(newest tuned)" "$(newest tuned4)" || fail "a new run that was stopped at its start is another"

train_refused 78 'run.init ema starts a new run, but run.resume plain/last.h5 goes on' -- --run.init ema --run.resume plain/last.h5
train_refused 78 'run.init ema starts a new run, but run.resume require' -- --run.init ema --run.resume require
train_refused 78 "run.init expects a name" -- --run.init ''
train_refused 78 'model.heads is 2 in ema/.* of run.init and 4 now: set it to 2' -- --run.init ema --model.heads 4
train_refused 78 'model.width is 16 in ' -- --run.init ema --model.width 32
train_refused 66 'absent.h5' -- --run.init absent.h5
train_refused 65 'expected a checkpoint, found a corpus' -- --run.init tiny.h5
train_refused 65 'vocabulary of other.h5 .*prepare the corpus with --vocab ema/' -- --run.init ema --data.train other.h5 --data.valid other-valid.h5
train_refused 65 'twice.h5: expected the state of a run, found an average.*run.init' -- --run.resume twice.h5
# With that vocabulary another corpus will do.
"$program" prepare --source other/train.en --target other/train.de --output second.h5 --vocab ema >log 2>&1 || fail "prepare: $(cat log)"
train 0 second --run.init ema --data.train second.h5 --train.until 2u
expect second 0 'run.init: a new run'
train 0 ema --data.train second.h5 --train.until 21u
expect ema 65 'trained on another corpus.*run.init ema/checkpoints'
train 0 ema --run.seed 2 --train.until 21u
expect ema 78 'run.seed is 1 .*run.init'
exit "$failed"
