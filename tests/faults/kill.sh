#!/bin/bash
# SIGKILL of one rank or of all, at every system call of two saves, and anywhere in the run: the next start, on another
# number of ranks, ends as the run that nobody disturbed.
# shellcheck disable=SC2154
. "$(dirname "$0")/cases.bash"
make_corpus tiny 60 1
train 2 straight "${words[@]}"
expect straight 0

actions=(kill tear killall)
killed() { # CLASS RANK AT ACTION RANKS
    disturb 2 SHIM_CLASS="$1" SHIM_RANK="$2" SHIM_AT="$3" SHIM_ACTION="$4"
    # Which thread comes first, and how often a rank polls, is the machine's: the last calls may not be made.
    [ -z "$missed" ] || [ "$status" = 0 ] || fail "ended with status $status before its call: $(tail -n 3 broken.log)"
    recover "$5"
}

# ---- every call on the run directory, of which most belong to two saves ----
calls_of file 0
# There are many writes into a file in a row; reading the corpora changes nothing. In short: each second of the others.
for n in $(awk -v full="$full" '/^[0-9]+ [0-9]+ all/ || $6 ~ /tiny/ { next }
    full || ($4 == "pwrite" ? writes++ % 12 == 0 : others++ % 2 == 0) { print $2 }' calls.file.0); do
    attempt 2 "$n" killed file 0 "$n" "${actions[n % 3]}" "${others[n / 3 % 3]}"
done
tell 2 'SIGKILL at every system call of two saves' "shim: rank 0 makes $count"

# ---- anywhere ----
calls_of mpi 0
for n in $(sample 24 1 "$count"); do
    attempt 1 "mpi-$n" killed mpi $((RANDOM % 2)) "$n" "${actions[RANDOM % 2 * 2]}" "${others[RANDOM % 3]}"
done
later() { # MILLISECONDS RANK|all RANKS
    timeout -k 5 "$limit" mpirun -n 2 "$program" train tiny.yaml --run.directory run --comm.threads 1 "${words[@]}" >broken.log 2>&1 &
    local job=$! ranks
    sleep "$(printf '0.%03d' "$1")"
    mapfile -t ranks < <(pgrep -P "$(pgrep -P "$job" || echo 0)" -x seqtrain)
    [ "${#ranks[@]}" != 0 ] || missed=missed
    case $2 in
    all) [ "${#ranks[@]}" = 0 ] || kill -KILL "${ranks[@]}" ;;
    *) [ -z "${ranks[$2]:-}" ] || kill -KILL "${ranks[$2]}" ;;
    esac
    wait "$job"
    : >calls
    recover "$3"
}
who=(0 1 all)
[ -n "$full" ] && clocks=200 || clocks=12
for ((n = 0; n < clocks; n++)); do
    attempt 1 "clock-$n" later $((100 + RANDOM % 500)) "${who[RANDOM % 3]}" "${others[RANDOM % 3]}"
done
tell 1 'SIGKILL of a rank, or of all, at any instant' "shim at random MPI calls; kill at random times"
exit "$failed"
