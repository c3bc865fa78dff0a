#!/bin/bash
# The same result on any layout: 20 updates with dropout give the same bytes for any number of ranks and threads.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

same() { # SLOTS RANKS THREADS [words]: as the first run with so many slots
    local slots=$1 ranks=$2 threads=$3 run=v$1-n$2-t$3
    shift 3
    [ $# = 0 ] || run=wide-$run
    train "$ranks" "$run" --batch.micro_batches "$slots" --comm.threads "$threads" "$@"
    expect "$run" 0
    local crc
    crc=$(crc_of "$run")
    [ -n "$crc" ] || fail "$run: info --json tells no parameters_crc32"
    [ -n "${first:-}" ] || first=$run first_crc=$crc
    [ "$crc" = "$first_crc" ] || fail "$run: parameters_crc32 $crc, but $first has $first_crc"
    cmp "$(newest "$first")" "$(newest "$run")" || fail "$run: its last checkpoint is not that of $first"
    diff <(losses_of "$first") <(losses_of "$run") >/dev/null || fail "$run: other losses than $first"
    [ "$run" = "$first" ] || rm -rf "$run"
}

for slots in 8 6; do
    first=
    for ranks in 0 1 2 3 4 "$slots"; do
        for threads in 1 2; do same "$slots" "$ranks" "$threads"; done
    done
done

# Several buckets and many tiles: a model of 2.4 million parameters, whose updates are few.
first=
wide() {
    local ranks=$1 threads=$2
    shift 2
    same 8 "$ranks" "$threads" --train.until 2u --model.width 256 --model.ffn_width 1024 --model.heads 4 "$@"
}
wide 1 2
wide 3 1
wide 4 2
wide 4 1 --comm.node_ranks 2
wide 2 1 --train.recompute

first=
r_drop() { same 6 "$1" "$2" --train.r_drop 2; }
r_drop 1 2
r_drop 4 1
[ "$first_crc" != "$(crc_of v6-n0-t1)" ] || fail "R-Drop changed nothing"

# Guided alignment: the sum of its costs too; a resume on other ranks.
paste -d '|' tiny/train.en tiny/train.de | awk -F '|' '{
    source = split($1, a, " "); target = split($2, b, " ")
    for (i = 0; i < source && i < target; i++) printf "%d-%d ", i, i
    print "" }' >tiny.align
"$program" prepare --source tiny/train.en --target tiny/train.de --vocab tiny.h5 --alignments tiny.align --output aligned.h5 >log 2>&1 || fail "no alignment: $(cat log)"
guide=(--data.train aligned.h5 --train.guided_alignment ce --train.guided_weight 1)
rm -rf wide-*
first=
same 6 1 2 "${guide[@]}"
same 6 4 1 "${guide[@]}"
grep -q '"alignment_loss":' "$first/metrics.jsonl" || fail "no guidance: $(head -n 1 "$first/metrics.jsonl")"
[ "$first_crc" != "$(crc_of v6-n0-t1)" ] || fail "guidance changed nothing"
train 2 guided --batch.micro_batches 6 --train.until 11u "${guide[@]}"
train 3 guided --batch.micro_batches 6 "${guide[@]}"
cmp "$(newest "$first")" "$(newest guided)" || fail "guided, a resume on other ranks: another checkpoint"

# Rounded gradients: in leaves and sums of a rank as in what travels.
rm -rf wide-*
first=
bfloat16() { same "$1" "$2" "$3" --comm.wire bfloat16; }
for ranks in 1 2 3 4 6; do bfloat16 6 "$ranks" $((1 + ranks % 2)); done
[ "$first_crc" != "$(crc_of v6-n0-t1)" ] || fail "bfloat16 rounded nothing"
rounded=$first

# Ranks of a node add first, with pieces that fit the tree and such that do not; and a resume across.
nodes() { same "$1" "$2" 1 --comm.node_ranks 2 "${@:3}"; }
for slots in 8 6; do
    first=v$slots-n0-t1 first_crc=$(crc_of "$first")
    nodes "$slots" 4
done
grep -q "among the 2 ranks of a node" wide-v6-n4-t1.log || fail "4 ranks did not add on nodes of 2"
first=$rounded first_crc=$(crc_of "$rounded")
nodes 6 4 --comm.wire bfloat16
train 4 across --comm.node_ranks 2 --batch.micro_batches 6 --train.until 11u
train 3 across --comm.node_ranks 1 --batch.micro_batches 6
[ "$(crc_of across)" = "$(crc_of v6-n0-t1)" ] || fail "on nodes of 2 ranks, then flat: other parameters"
cmp "$(newest v6-n0-t1)" "$(newest across)" || fail "on nodes of 2 ranks, then flat: another checkpoint"
train 3 whole --comm.node_ranks 2
expect whole 78 "comm.node_ranks: expected as many ranks on each node, found 3 ranks on nodes of 2"

# What the network sums is close, not the same: losses within 1e-5, and the log says so.
loss_of_updates() { sed -n 's/.*"loss":\([^,]*\),.*/\1/p' "$1/metrics.jsonl"; }
for ranks in 1 3; do
    train "$ranks" "native-$ranks" --batch.micro_batches 6 --comm.reduce native
    expect "native-$ranks" 0 "comm.reduce native: the result depends on the number of ranks"
    paste <(loss_of_updates v6-n0-t1) <(loss_of_updates "native-$ranks") | awk '
        { wrong = wrong || $2 < $1 * (1 - 1e-5) || $2 > $1 * (1 + 1e-5); lines++ }
        END { exit wrong || lines != 20 }' || fail "comm.reduce native on $ranks ranks: losses $(loss_of_updates "native-$ranks" | tr '\n' ' ')"
done

# Recurrent models; choices.sh has every cell and attention.
config=recurrent.yaml
recurrent() {
    rm -rf wide-*
    first=
    same 6 1 2 "$@"
    same 6 4 1 "$@"
    ! grep -qxF "$first_crc" crcs || fail "$*: the parameters of another model"
    echo "$first_crc" >>crcs
}
recurrent --model.cell lstm
recurrent --model.attention luong_general
recurrent --model.attention bahdanau "${guide[@]}"
recurrent --model.attention bahdanau --model.coverage sum
recurrent --model.attention none --model.attention_dropout 0 --model.context every_step --model.cell rnn --model.layer_norm

# Scheduled sampling: the draws are of no rank; a resume goes on with them where the schedule stands.
for sampled in "linear --train.sampling_decay 40" "exponential --train.sampling_floor 0.2 --model.attention luong_dot --model.encoder_bidirectional false --model.input_feeding false" \
    "inverse_sigmoid --train.sampling_decay 5 --model.attention none --model.attention_dropout 0 --model.context every_step"; do
    # shellcheck disable=SC2086
    recurrent --train.sampling $sampled
    rm -rf across
    # shellcheck disable=SC2086
    for until in "4 11u" "3 20u"; do train "${until% *}" across --batch.micro_batches 6 --train.sampling $sampled --train.until "${until#* }"; done
    cmp "$(newest "$first")" "$(newest across)" || fail "$sampled: a resume changed it"
done
recurrent --train.sampling linear --train.sampling_decay 39
grep -q '"update":14,.*"sampling":0.33333333' "$first/metrics.jsonl" || fail "no third of the inputs was drawn after 13 of 39 updates: $(sed -n 14p "$first/metrics.jsonl")"
config=

# The test can fail: another seed, and another number of slots, are other numbers.
[ "$(crc_of v8-n0-t1)" != "$(crc_of v6-n0-t1)" ] || fail "8 and 6 micro-batches gave the same parameters"
train 0 seed --run.seed 2
[ "$(crc_of v8-n0-t1)" != "$(crc_of seed)" ] || fail "two seeds gave the same parameters"
[ "$(wc -l <v8-n0-t1/metrics.jsonl)" -ge 20 ] || fail "metrics.jsonl has fewer than 20 lines"
exit "$failed"
