#!/bin/bash
# Requests to stop, by real signals: to mpirun, to one rank, during the start and during validation.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
endless=(--train.until 1000000u --checkpoint.every never)

start() { # RANKS RUN [words]: trains beside; its process in $job
    local ranks=$1 run=$2
    shift 2
    mpirun -n "$ranks" "$program" train tiny.yaml --run.directory "$run" --comm.threads 1 "$@" >"$run.log" 2>&1 &
    job=$!
}
wait_for_updates() { # RUN
    until grep -q loss "$1/metrics.jsonl" 2>/dev/null || ! kill -0 "$job"; do sleep 0.02; done
}
finish() {
    wait "$job"
    status=$?
}

# One rank alone is told: all agree. What mpirun passes on, it passes on to all.
for rank in 1 2; do
    start 2 "rank$rank" "${endless[@]}"
    wait_for_updates "rank$rank"
    kill -TERM "$(pgrep -P "$job" -x seqtrain | sed -n "${rank}p")"
    finish
    expect "rank$rank" 75 'stopped after update [0-9]+ .on a signal.'
    [ -n "$(newest "rank$rank")" ] || fail "rank$rank: nothing saved"
done
start 2 usr1 "${endless[@]}"
wait_for_updates usr1
kill -USR1 "$job"
finish
expect usr1 75 'stopped after update'

# mpirun ends its ranks on these itself, by SIGTERM, again after a second, and SIGKILL after two; its status is its own.
unset OMPI_MCA_odls_base_sigkill_timeout
for signal in INT TERM; do
    start 2 "mpirun$signal" "${endless[@]}"
    wait_for_updates "mpirun$signal"
    kill -"$signal" "$job"
    finish
    [ -n "$(newest "mpirun$signal")" ] || fail "SIG$signal to mpirun: nothing saved: $(tail -n 5 "mpirun$signal.log")"
    "$program" info --verify "$(newest "mpirun$signal")" >verify.log || fail "SIG$signal to mpirun: a damaged checkpoint"
done

# Before the first update: the configuration is a pipe, so that the signal comes while it is read. The run's start is
# saved; the same again after a resume saves nothing, and loses nothing.
mkfifo early.yaml
early() {
    "$program" train early.yaml --run.directory early --comm.threads 1 "${endless[@]}" >early.log 2>&1 &
    job=$!
    exec 3>early.yaml
    kill -TERM "$job"
    cat tiny.yaml >&3
    exec 3>&-
    finish
}
early
expect early 75 'stopped after update 0 '
[ "$(basename "$(newest early)")" = update-00000000.h5 ] || fail "early: the start was not saved"
before=$(md5sum early/checkpoints/*)
early
expect early 75 'resumed from' 'stopped after update 0 '
[ "$before" = "$(md5sum early/checkpoints/*)" ] || fail "early: a stop before the first update changed a checkpoint"
[ ! -s early/metrics.jsonl ] || fail "early: an update was made after the signal"

# During validation, which takes most of the time here: nothing but the save follows, the next start validates.
make_corpus big 6000 1 >/dev/null
validating=(--data.valid big.h5 --data.train big.h5 --validate.every 1u --train.until 4u --checkpoint.every 1u)
train 2 unbroken "${validating[@]}"
expect unbroken 0
interrupted=0
for starts in 1 2 3 4 5 6 7 8 9 10 11 12; do
    lines=$(cat broken/metrics.jsonl 2>/dev/null | wc -l)
    start $((starts % 3 + 1)) broken "${validating[@]}"
    until [ "$(cat broken/metrics.jsonl 2>/dev/null | wc -l)" -gt "$lines" ] || ! kill -0 "$job" 2>/dev/null; do
        sleep 0.005
    done
    sleep 0.02
    kill -USR1 "$job" 2>/dev/null
    finish
    [ "$status" = 75 ] || break
    tail -n 1 broken/metrics.jsonl | grep -q valid_loss || interrupted=$((interrupted + 1))
done
expect broken 0
[ "$interrupted" -gt 0 ] || fail "no signal interrupted a validation in $starts starts"
cmp "$(newest unbroken)" "$(newest broken)" || fail "interrupted validations: another last checkpoint"
diff <(losses_of unbroken) <(losses_of broken) || fail "interrupted validations: other losses"
[ "$(readlink unbroken/best.h5)" = "$(readlink broken/best.h5)" ] || fail "interrupted validations: another best.h5"
exit "$failed"
