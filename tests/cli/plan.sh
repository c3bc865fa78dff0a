#!/bin/bash
# plan: what a run would take, and that a real run then takes it; what train would refuse is refused.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

plans() { # NAME [words]: the plan as NAME.json
    local name=$1
    shift
    "$program" plan "${config:-tiny.yaml}" --comm.threads 1 --json "$@" >"$name.json" 2>"$name.log"
    status=$?
    expect "$name" 0
}
figure() { grep -o "\"$2\":[0-9.e+-]*" "$1.json" | head -n 1 | cut -d : -f 2; } # PLAN KEY
near() { # WHAT EXPECTED FOUND SHARE
    awk -v a="$2" -v b="$3" -v s="$4" 'BEGIN { exit !(a > 0 && b > 0 && b >= a * (1 - s) && b <= a * (1 + s)) }' ||
        fail "$1: expected $2 within $4, found $3"
}

# ---- an epoch as it is then trained ----
plans small
train 0 small --train.until 1e --checkpoint.every never --validate.every never
expect small 0
updates=$(wc -l <small/metrics.jsonl)
[ "$(figure small updates)" = "$updates" ] || fail "planned $(figure small updates) updates, trained $updates"
tokens=$(sed 's/.*"tokens":\([0-9]*\).*/\1/' small/metrics.jsonl | awk '{ n += $1; if ($1 > most) most = $1 } END { print n, most }')
near "tokens of an epoch" "${tokens% *}" "$(awk -v a="$(figure small source_tokens)" -v b="$(figure small target_tokens)" 'BEGIN { print a + b }')" 0
[ "$(figure small update_tokens_most)" = "${tokens#* }" ] || fail "planned $(figure small update_tokens_most) tokens an update at most, trained ${tokens#* }"
[ "$(figure small parameters)" = "$("$program" info small --json | sed -n 's/.*"parameters":\([0-9]*\).*/\1/p')" ] ||
    fail "planned $(figure small parameters) parameters"

# ---- memory and a checkpoint of a model of some size, on 1 and 2 ranks ----
cat >rank.sh <<'END'
#!/bin/bash
"$@" &
pid=$! most=0
while kill -0 $pid 2>/dev/null; do
    now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$pid/status 2>/dev/null)
    [ "${now:-0}" -le "$most" ] || most=$now
    sleep 0.02
done
echo $((most * 1024)) >"hwm.${OMPI_COMM_WORLD_RANK:-0}"
wait $pid
END
chmod +x rank.sh
wide=(--model.width 256 --model.ffn_width 1024 --model.heads 4 --model.encoder_layers 2 --model.decoder_layers 2 --batch.tokens 600
    --batch.micro_batches 4 --validate.every 2u --checkpoint.every 2u --checkpoint.compression 9 # slow: nearly all is copied
    --comm.verify_every 2)
for ranks in 1 2; do
    plans wide --ranks $ranks "${wide[@]}"
    mpirun -n $ranks ./rank.sh "$program" train tiny.yaml --run.directory wide --comm.threads 1 "${wide[@]}" --train.until 4u >wide.log 2>&1
    status=$?
    expect wide 0
    near "memory on $ranks ranks" "$(cat hwm.* | sort -n | tail -n 1)" "$(figure wide memory_bytes)" 0.1
    near "a checkpoint" "$(stat -c %s "$(newest wide)")" "$(figure wide checkpoint_bytes)" 0.1
    [ "$ranks" = 1 ] || near "bytes sent" $((4 * $(figure wide parameters))) "$(figure wide update_bytes_sent)" 0.01
    rm -rf wide hwm.*
done
plans rounded --ranks 2 "${wide[@]}" --comm.wire bfloat16
near "bytes sent of rounded gradients" $((3 * $(figure wide parameters))) "$(figure rounded update_bytes_sent)" 0.01
[ "$(figure wide good_ranks_below)" = 2 ] || fail "2 ranks of 4 micro-batches are not told to be good"
# Its state is a few rows and columns: hardly more than the parameters alone.
plans wide "${wide[@]}" --optimizer.kind adafactor
train 0 wide "${wide[@]}" --optimizer.kind adafactor --train.until 2u
near "a checkpoint of adafactor's" "$(stat -c %s "$(newest wide)")" "$(figure wide checkpoint_bytes)" 0.1

# ---- a recurrent model ----
config=recurrent.yaml
steps=(--model.width 256 --batch.tokens 600 --batch.micro_batches 4 --validate.every 2u --checkpoint.every 2u --checkpoint.compression 9
    --comm.verify_every 2)
plans recurrent "${steps[@]}"
mpirun -n 1 ./rank.sh "$program" train recurrent.yaml --run.directory recurrent --comm.threads 1 "${steps[@]}" --train.until 4u >recurrent.log 2>&1
status=$?
expect recurrent 0
near "memory of a recurrent model" "$(cat hwm.0)" "$(figure recurrent memory_bytes)" 0.1
config=

# ---- how fast ranks would be that a network joins; the shares of a link follow from what is sent ----
fast() { # NAME words: of ranks that compute 1,000 tokens a second
    local name=$1
    shift
    plans "$name" "${wide[@]}" --tokens-per-second 1000 "$@"
}
fast alone
near "the speed of one rank" 1000 "$(figure alone tokens_per_second)" 0.05
[ "$(figure alone sum_seconds)$(figure alone spread_seconds)" = 00 ] || fail "a rank alone waits for others"
fast near --ranks 4 --bandwidth 1000 --latency 0
fast far --ranks 4 --bandwidth 0.01 --latency 0
fast late --ranks 4 --bandwidth 1000 --latency 1e6
fast shared --ranks 4 --bandwidth 0.01 --latency 0 --node-ranks 2 --comm.node_ranks 1
fast added --ranks 4 --bandwidth 0.01 --latency 0 --node-ranks 2
points() { # PLAN needed|ready: place and seconds of each, a line
    grep -o "\"$2\":\[\[[^]]*\(\],\[[^]]*\)*\]\]" "$1.json" | sed 's/.*\[\[//; s/\]\]//; s/\],\[/\n/g' | tr , ' '
    echo
}
# Parameters arrive while forward does not read them yet, two buckets at a time: of all the time they take, what goes before the
# first one of the last two is needed is not waited for.
pair=$((2 << 20))
last=$(points far needed | awk -v n="$(figure far floats)" -v p=$pair 'NF && $1 > int((n - 1) / p) * p { print $2; exit }')
ring=$(awk -v n="$(figure far floats)" 'BEGIN { print n * 4 * 3 / 4 / (0.01e9 / 8 * 0.95) }')
hidden() { awk -v r="$1" -v s="$last" 'BEGIN { print r - s }'; } # SECONDS
near "parameters needed" "$(figure far floats)" "$(points far needed | tail -n 2 | awk 'NF { print $1 }')" 0.001
points far needed | awk -v f="$(figure far floats)" -v e="$(figure far compute_seconds)" 'NF { n += $1 >= place && $2 >= at && $2 < e; place = $1; at = $2; lines++ }
    END { exit !(lines > 10 && n == lines) }' || fail "needed: $(points far needed)"
near "waiting for parameters" "$(hidden "$ring")" "$(figure far spread_seconds)" 0.02
near "waiting for parameters over a link that two share" "$(hidden "$(awk -v r="$ring" 'BEGIN { print r * 4 / 3 }')")" "$(figure shared spread_seconds)" 0.02
near "waiting for parameters that come to two at once" "$(hidden "$(awk -v r="$ring" 'BEGIN { print r * 2 / 3 }')")" "$(figure added spread_seconds)" 0.02
# The root of the tree takes two vectors, and two of the last bucket go down again.
fast tree --ranks 4 --bandwidth 0.01 --latency 0 --comm.reduce native
tree=$(points far ready | awk -v n="$(figure far floats)" -v r="$ring" '{ end = $2 > end ? $2 : end; if (first == "" && $1 <= n - n % 1048576) first = $2 }
    END { print r * 8 / 3 + r * 8 / 3 * 1048576 / n - (end - first) }')
near "sums along a tree" "$tree" "$(figure tree sum_seconds)" 0.02
near "bytes that leave a node of two" $((4 * $(figure added floats))) "$(figure added update_bytes_leaving_node)" 0.01
awk -v a="$(figure added sum_seconds)" -v b="$(figure shared sum_seconds)" 'BEGIN { exit !(a < 0.6 * b) }' ||
    fail "sums are waited for $(figure added sum_seconds) s where ranks of a node add first, else $(figure shared sum_seconds) s"
awk -v a="$(figure near spread_seconds)" 'BEGIN { exit !(a < 0.01) }' || fail "a fast network is waited for $(figure near spread_seconds) s"
awk -v a="$(figure near sum_seconds)" -v b="$(figure far sum_seconds)" -v r="$ring" 'BEGIN { exit !(a < 0.01 && b > 0.1 * r && b < r) }' ||
    fail "sums are waited for $(figure near sum_seconds) and $(figure far sum_seconds) s: part of $ring s is hidden by backward"
near "a message that takes a second" 4 "$(awk -v a="$(figure late sum_seconds)" -v b="$(figure late spread_seconds)" 'BEGIN { print a + b }')" 0.05
# Its slots have more tokens than others', but not all of them.
awk -v a="$(figure alone compute_seconds)" -v b="$(figure near compute_seconds)" 'BEGIN { exit !(b > a / 4 && b < a / 2) }' ||
    fail "the slowest of 4 ranks computes $(figure near compute_seconds) of $(figure alone compute_seconds) s"
plans measured "${wide[@]}"
near "a micro-batch as measured" "$(figure measured rank_tokens_per_second)" \
    "$(sed 's/.*"pace"://' measured.json | tr -d '[]}' | awk -F '[:,]' '{ print $4 / $NF }')" 0.001

# ---- what the decoder sees with dropped words is the reader's: gone when the step is measured ----
MALLOC_PERTURB_=90 plans dropped --data.word_dropout_target 0.5

# ---- words, and what nothing is written by ----
"$program" plan tiny.yaml --ranks 3 >words.log 2>err.log
status=$?
expect words 0 '^model .*parameters: embeddings [0-9]+, encoder [0-9]+' '^epoch  ' '^ranks .*; 2 or 4 would exchange less' '^memory .* MB a rank' \
    '^speed +[0-9]+ .* tokens/s: [0-9]+ % of what 3 ranks compute' '^ +an update takes [0-9.e-]+ s'
[ ! -s err.log ] || fail "plan says: $(cat err.log)"
plans named --run.directory named
[ ! -e named ] || fail "plan made the run directory"

# ---- what train would refuse ----
refuses() { # STATUS WORD words
    local expected=$1 word=$2
    shift 2
    "$program" plan "$@" >refused.log 2>&1
    status=$?
    expect refused "$expected" "$word"
}
"$program" plan tiny.yaml --ranks 4 --comm.reduce native >words.log 2>err.log
status=$?
expect words 0 "^ +sums as Open MPI 4.1 makes them, along a binomial tree"

refuses 78 'batch.micro_batches' tiny.yaml --ranks 9
refuses 78 'bandwidth' tiny.yaml --bandwidth 0
refuses 78 'data.train' --ranks 2
refuses 66 'absent.h5' --data.train absent.h5
refuses 78 'batch.tokens 5: .* [0-9]+ of its pairs are too long' tiny.yaml --batch.tokens 5
refuses 78 'train.r_drop' tiny.yaml --train.r_drop 1 --model.dropout 0 --model.attention_dropout 0 --model.activation_dropout 0
refuses 64 'plan: expected one CONFIG.yaml' tiny.yaml more.yaml
exit "$failed"
