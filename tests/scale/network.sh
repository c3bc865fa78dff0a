#!/bin/bash
# Two hosts on this machine, joined by a link of limited rate: how much of the exchange a slow network leaves visible, measured. As
# root. Each host is a network namespace with ranks of one thread; hosts talk by TCP through a bridge, and a token bucket (tc tbf)
# limits what leaves either host. Ways to sum take turns; a table of medians on standard output.
#   NETWORK_RATES ("1gbit 10gbit")            as tc has them
#   NETWORK_SUMS ("ordered bfloat16 native")  comm.reduce, the comm.wire that goes with ordered, or flat: comm.node_ranks 1
#   NETWORK_NODE_RANKS (1)                    ranks of a host
#   NETWORK_ROUNDS (3)  NETWORK_UPDATES (5)   turns; updates counted in each
#   NETWORK_TOKENS (4096)                     batch.tokens; one micro-batch a rank
#   NETWORK_CORPUS                            prepared (default: the built-in text of seqtrain bench)
#
#     h1 10.79.0.11 eth0 --- p1  br0  p2 --- eth0 10.79.0.12 h2
set -eu
cd "$(dirname "$0")/../.."
program=$PWD/${BUILD:-build}/seqtrain
read -ra rates <<<"${NETWORK_RATES:-1gbit 10gbit}"
read -ra sums <<<"${NETWORK_SUMS:-ordered bfloat16 native}"
dir=$(mktemp -d)
hosts=()
stop() {
    [ "${#hosts[@]}" = 0 ] || kill "${hosts[@]}" 2>/dev/null || true
    rm -rf "$dir"
}
trap stop EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# A host is a process; its network ends with it.
start_host() { # NAME
    unshare -n -u bash -c "hostname $1; echo \$\$ >'$dir/$1'; exec sleep 3600" </dev/null >/dev/null 2>&1 &
    hosts+=($!)
    until [ -s "$dir/$1" ]; do sleep 0.05; done
}
on() { # NAME COMMAND...
    local name=$1
    shift
    nsenter -t "$(cat "$dir/$name")" -n -u -- "$@"
}
connect() { # NUMBER
    on switch ip link add "p$1" type veth peer name eth0 netns "$(cat "$dir/h$1")"
    on switch ip link set "p$1" master br0 up
    on "h$1" ip addr add "10.79.0.1$1/24" dev eth0
    on "h$1" ip link set lo up
    on "h$1" ip link set eth0 up
}
limit() { # RATE: of what leaves a host; the bucket holds what comes between two ticks of a slow timer
    local i
    for i in 1 2; do on "h$i" tc qdisc replace dev eth0 root tbf rate "$1" burst 1mb latency 50ms; done
}

for host in switch h1 h2; do start_host $host; done
on switch ip link add br0 type bridge
on switch ip link set br0 up
connect 1
connect 2
# In place of ssh: AGENT HOST COMMAND...
cat >"$dir/agent" <<END
#!/bin/bash
address=\$1
shift
exec nsenter -t "\$(cat "$dir/h\${address##*.1}")" -n -u -- sh -c "\$*"
END
chmod +x "$dir/agent"

wide=${NETWORK_NODE_RANKS:-1}
settings=(--batch.tokens "${NETWORK_TOKENS:-4096}" --batch.micro_batches $((2 * wide)) --comm.threads 1 --model.width 256 --model.ffn_width 1024
    --model.encoder_layers 3 --model.decoder_layers 3 --model.heads 4 --model.dropout 0.1 --updates "${NETWORK_UPDATES:-5}" --warm-up 2 --json)
[ -z "${NETWORK_CORPUS:-}" ] || settings+=(--data.train "$NETWORK_CORPUS")
declare -A kinds=([ordered]="--comm.reduce ordered" [native]="--comm.reduce native" [bfloat16]="--comm.wire bfloat16" [flat]="--comm.node_ranks 1")

measure() { # RATE SUMS: tokens/s, and the share of waiting for the exchange, added to a file
    # shellcheck disable=SC2086
    on h1 mpirun --mca plm_rsh_agent "$dir/agent" --mca plm_rsh_no_tree_spawn 1 --mca btl tcp,vader,self --mca btl_tcp_if_include 10.79.0.0/24 \
        --mca oob_tcp_if_include 10.79.0.0/24 --bind-to none -H "10.79.0.11:$wide,10.79.0.12:$wide" -n $((2 * wide)) -x OMP_WAIT_POLICY=passive \
        "$program" bench "${settings[@]}" ${kinds[$2]} --folder "$dir" >"$dir/out" 2>"$dir/err" || { cat "$dir/err" >&2; exit 1; }
    awk 'match($0, /"tokens_per_second":[0-9.]+/) { rate = substr($0, RSTART + 20, RLENGTH - 20) }
        match($0, /"seconds":[0-9.]+/) { seconds = substr($0, RSTART + 10, RLENGTH - 10) }
        match($0, /"exchange":\{"mean":[0-9.]+/) { print rate, 100 * substr($0, RSTART + 19, RLENGTH - 19) / seconds }' "$dir/out" >>"$dir/$1.$2"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

echo "| link | sums | tokens/s | share of the exchange | against ${sums[0]} |"
echo "| --- | --- | --- | --- | --- |"
for rate in "${rates[@]}"; do
    limit "$rate"
    for _ in $(seq "${NETWORK_ROUNDS:-3}"); do
        for kind in "${sums[@]}"; do measure "$rate" "$kind"; done
    done
    for kind in "${sums[@]}"; do
        speed=$(cut -d ' ' -f 1 "$dir/$rate.$kind" | median)
        ratio=$(paste -d ' ' "$dir/$rate.$kind" "$dir/$rate.${sums[0]}" | awk '{ print $1 / $3 }' | median)
        awk -v r="$rate" -v k="$kind" -v s="$speed" -v x="$(cut -d ' ' -f 2 "$dir/$rate.$kind" | median)" -v q="$ratio" \
            'BEGIN { printf "| %s | %s | %.0f | %.1f %% | %.2f |\n", r, k, s, x, q }'
    done
done
