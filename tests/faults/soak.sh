#!/bin/bash
# A long run killed again and again, on changing numbers of ranks; at the end its parameters are those of the undisturbed
# run, and memory and file descriptors have not grown.
#
#     tests/faults/soak.sh MINUTES [SECONDS [SOURCE TARGET]]      a kill about every SECONDS (default 120); text: two files, or
#                                                                the built-in one
#
# SOAK_WORDS="--KEY VALUE ..." are settings of the model (default: a small Transformer).
# shellcheck disable=SC2154,SC2206
minutes=${1:?tests/faults/soak.sh MINUTES [SECONDS [SOURCE TARGET]]} every=${2:-120}
source=${3:+$(realpath "$3")} target=${4:+$(realpath "$4")}
. "$(dirname "$0")/cases.bash"
words=(${SOAK_WORDS:---model.width 64 --model.ffn_width 128 --batch.tokens 512} --validate.every never --checkpoint.every 20s --checkpoint.keep 2 --checkpoint.compression 1)
if [ -n "$source" ]; then
    "$program" prepare --source "$source" --target "$target" --output tiny.h5 --vocab-size 4000 --joint >log 2>&1 || { cat log; exit 1; }
    cp tiny.h5 tiny-valid.h5
else make_corpus tiny 4000 1; fi

begin() { # RANKS RUN UPDATES: beside; its process in $job
    local launch=
    [ "$1" = 0 ] || launch="mpirun -n $1"
    # shellcheck disable=SC2086
    $launch "$program" train tiny.yaml --run.directory "$2" --comm.threads 1 "${words[@]}" --train.until "$3u" >>"$2.log" 2>&1 &
    job=$!
}
ranks_of() { pgrep -P "$job" -x seqtrain || { kill -0 "$job" 2>/dev/null && echo "$job"; }; }
look() { # START RANKS SECONDS: the most memory and descriptors that a rank of this start has while it runs, a line of soak.txt
    local process memory=0 files=0 here until=$((SECONDS + $3))
    while [ "$SECONDS" -lt "$until" ] && kill -0 "$job" 2>/dev/null; do
        for process in $(ranks_of); do
            here=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$process/status" 2>/dev/null)
            [ "${here:-0}" -le "$memory" ] || memory=$here
            here=$(find "/proc/$process/fd" -mindepth 1 2>/dev/null | wc -l)
            [ "$here" -le "$files" ] || files=$here
        done
        sleep 1
    done
    echo "$1 ${2} $(wc -l <run/metrics.jsonl) $memory $files" >>soak.txt
    tail -n 1 soak.txt | awk '{ printf "  start %d on %d ranks: update %d, %.1f MB, %d descriptors\n", $1, $2, $3, $4 / 1024, $5 }'
}

ends=$((SECONDS + minutes * 60)) start=0 kills=0
sequence=(2 1 3 2 4 1)
while [ "$SECONDS" -lt "$ends" ]; do
    begin "${sequence[start % 6]}" run 100000000
    left=$((ends - SECONDS)) span=$((every * 3 / 4 + RANDOM % (every / 2 + 1)))
    look "$start" "${sequence[start % 6]}" $((span < left ? span : left))
    mapfile -t all < <(ranks_of)
    [ "${#all[@]}" -gt 0 ] || { fail "start $start ended by itself: $(tail -n 3 run.log)"; break; }
    if [ $((RANDOM % 2)) = 0 ]; then kill -KILL "${all[@]}"; else kill -KILL "${all[RANDOM % ${#all[@]}]}"; fi
    wait "$job"
    kills=$((kills + 1)) start=$((start + 1))
done
# A last start ends it some updates after the last checkpoint, and the same without a kill.
end=$(("$(basename "$(readlink run/last.h5)" .h5 | sed 's/update-0*//')" + 20))
begin 2 run "$end"
wait "$job" || fail "the last start: $(tail -n 3 run.log)"
begin 2 straight "$end"
wait "$job" || fail "the undisturbed run: $(tail -n 3 straight.log)"
cmp straight/last.h5 run/last.h5 || fail "another last checkpoint than that of the undisturbed run"
diff -q <(losses_of straight) <(losses_of run) || fail "other losses than the undisturbed run"
! grep 'falling back' run.log || fail "a checkpoint that is not good had its name"
[ -z "$(find run -name '*.tmp')" ] || fail "left $(find run -name '*.tmp')"

# Starts on as many ranks: the later half must not need more than the first, but for a tenth.
growth() { awk -v column="$1" '{ half = NR * 2 > total ? 1 : 0; key = $2; if ($column > most[half, key]) most[half, key] = $column; keys[key] }
    END { for (key in keys) if (most[0, key] && most[1, key] > most[0, key] * 1.1 + 1) print key " ranks: " most[0, key] " before, " most[1, key] " after" }' \
    total="$(wc -l <soak.txt)" soak.txt; }
[ -z "$(growth 4)" ] || fail "memory grows: $(growth 4)"
[ -z "$(growth 5)" ] || fail "file descriptors grow: $(growth 5)"
echo "soak: $minutes minutes, $kills kills, $end updates; parameters $(crc_of run/last.h5), undisturbed $(crc_of straight/last.h5)"
[ "$failed" = 0 ] && echo "1 passed, 0 failed" || echo "0 passed, 1 failed"
exit "$failed"
