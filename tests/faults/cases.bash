# Sourced by the tests here: an undisturbed run, one that the shim disturbs, and what must hold after it; cases side by side,
# counted by rows of a table.
#   JOBS=N           cases at once (default: as many as cores)
#   FAULTS_SEED=N    of what is drawn (default 1)
#   FAULTS_FULL=1    all cases, at most 3000 of a class of calls
# shellcheck disable=SC2034,SC2154 shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.bash"
shim=$build/tests/faults/shim.so
logs=$build/log/faults
JOBS=${JOBS:-$(nproc)}
full=${FAULTS_FULL:-}
limit=60 # seconds after which a start counts as one that hangs
others=(0 3 1) # ranks of the next start; 0: without mpirun
words=(--train.until 4u --checkpoint.every 2u --checkpoint.keep 1)
table=${FAULTS_TABLE:-/dev/stderr}
mkdir -p results cases "$logs"
RANDOM=${FAULTS_SEED:-1}
trap 'kill $(jobs -pr) 2>/dev/null; exit 130' INT TERM

# ---- cases ----

# ROW NAME COMMAND...: in a folder of its own, beside others; it has passed unless it calls fail, and does not count where
# it sets missed: nothing was injected.
attempt() {
    local row=$1 name=$2
    shift 2
    while [ "$(jobs -pr | wc -l)" -ge "$JOBS" ]; do wait -n; done
    carry_out "$row" "$name" "$@" &
}
carry_out() {
    local row=$1 name=$2 result=$folder/results/$1.$2
    shift 2
    mkdir "$folder/cases/$row.$name" && cd "$folder/cases/$row.$name" || exit 1
    ln -s "$folder"/*.h5 "$folder"/*.yaml .
    failed=0 missed=
    "$@" >case.log 2>&1
    if [ "$failed" = 0 ]; then
        echo "${missed:-ok}" >"$result"
    else
        tail -n 40 case.log run.log broken.log >"$logs/$row.$name.log" 2>&1
        grep -m 1 FAIL case.log >"$result"
        echo "        $row.$name: $(cat "$result")" >&2
    fi
    cd "$folder" && rm -rf "cases/$row.$name"
}
tell() { # ROW SCENARIO, HOW IT IS INJECTED: after its cases, a line for the table
    wait
    local runs passed missed how=$3
    runs=$(find results -name "$1.*" | wc -l)
    passed=$(find results -name "$1.*" -exec grep -lx ok {} + | wc -l)
    missed=$(find results -name "$1.*" -exec grep -lx missed {} + | wc -l)
    runs=$((runs - missed))
    [ "$missed" = 0 ] || how+="; $missed more did not come to their call"
    echo "${1%%-*}|$2|$how|$runs|$passed" >>"$table"
    echo "  row ${1%%-*}: $2: $passed of $runs, after $((SECONDS - began)) s" >&2
    [ "$passed" = "$runs" ] && [ "$runs" -gt "$missed" ] || failed=1
}
began=$SECONDS
sample() { # COUNT FIRST LAST: so many of the numbers, evenly, each moved a little by the seed; all if there are no more
    local count=${full:+3000} first=$2 total=$(($3 - $2 + 1)) i step
    count=${count:-$1}
    [ "$count" -lt "$total" ] || { seq "$first" "$3"; return; }
    for ((i = 0; i < count; i++)); do
        step=$((total * (i + 1) / count - total * i / count))
        echo $((first + total * i / count + RANDOM % step))
    done
}

# ---- runs ----

disturb() { # RANKS SETTING=VALUE...: trains `run` with the shim; its calls are in `calls`
    local ranks=$1 launch='' began=$SECONDS
    shift
    [ "$ranks" = 0 ] || launch="mpirun -n $ranks"
    # shellcheck disable=SC2086
    timeout -k 5 "$limit" $launch env LD_PRELOAD="$shim" SHIM_LOG="$PWD/calls" SHIM_UNDER=run:tiny "$@" "$program" \
        train tiny.yaml --run.directory run --comm.threads 1 "${words[@]}" "${more[@]}" >broken.log 2>&1
    status=$?
    [ $((SECONDS - began)) -lt "$limit" ] || fail "hangs: more than $limit s"
    [[ " $*" != *" SHIM_AT="* ]] || grep -qE ' (injected|short|killed|hangs) ' calls || missed=missed
}
more=()
calls_of() { # CLASS RANK: how many an undisturbed run of `first` makes, in $calls, its log
    rm -rf run calls
    [ ! -e first ] || cp -r first run
    disturb 2 SHIM_CLASS="$1" SHIM_RANK="$2"
    mv calls "calls.$1.$2"
    count=$(sed -n 's/^[0-9]* \([0-9]*\) all$/\1/p' "calls.$1.$2" | tail -n 1)
    rm -rf run
    [ "$status" = 0 ] && [ "${count:-0}" -gt 0 ] || { fail "cannot count calls of class $1: $(tail -n 3 broken.log)"; exit 1; }
}

crashed() { grep -qiE 'signal 11|signal 6 |segmentation|sanitizer' broken.log || [ "$status" = 139 ]; }

files_of() { (cd "$1" && find . ! -name 'events.*' | sort); }
as_straight() { # `run` is as if nothing had been
    cmp "$folder/straight/last.h5" run/last.h5 || fail "another last checkpoint"
    diff <(files_of "$folder/straight") <(files_of run) || fail "other files in the run directory"
    for link in best last; do
        [ "$(readlink "$folder/straight/$link.h5")" = "$(readlink run/$link.h5)" ] || fail "another $link.h5"
    done
    # What it says itself is missing is no surprise.
    grep -q 'metrics.jsonl is incomplete' broken.log || diff <(losses_of "$folder/straight") <(losses_of run) || fail "other losses"
}

# RANKS (0: without mpirun): the same command again, undisturbed, goes on from the last checkpoint that had its name.
recover() {
    local named from
    # After power is lost a name counts from the moment when its folder is on the disk.
    named=$(awk -v power="${power:-0}" '
        $4 == "rename" && $5 == "ok" && $6 ~ /update-/ { gsub(/[^0-9]/, "", $6); next_one = substr($6, 1, 8) }
        !power || ($4 == "fsync" && $5 == "ok" && $6 ~ /checkpoints$/) { last = next_one }
        END { print last + 0 }' calls)
    [ ! -e first ] || [ "$named" -ge 2 ] || named=2
    train "$1" run "${words[@]}"
    expect run 0
    from=$(sed -n 's/.*resumed from .*update \([0-9]*\).*/\1/p; s/.*nothing to do: .* after \([0-9]*\) updates.*/\1/p' run.log | head -n 1)
    [ "${from:-0}" -ge "$named" ] || fail "went on from update ${from:-0}, update $named had been saved"
    ! grep 'falling back' run.log || fail "a checkpoint that is not good had its name"
    as_straight
}
