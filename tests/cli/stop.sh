#!/bin/bash
# Requests to stop, by real signals: to mpirun, to one rank, at every phase of a run; and those that insist.
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
is_running() { kill -0 "$job" 2>/dev/null; }
tell_rank() { # SIGNAL RANK: to that rank alone
    kill -"$1" "$(pgrep -P "$job" -x seqtrain | sed -n "$(($2 + 1))p")"
}

# One rank alone is told: all agree. What mpirun passes on, it passes on to all.
for rank in 1 2; do
    start 2 "rank$rank" "${endless[@]}"
    wait_for_updates "rank$rank"
    tell_rank TERM $((rank - 1))
    finish
    expect "rank$rank" 75 'stopped after update [0-9]+ .on a signal: SIGTERM.'
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

# ---- at every phase, by one rank that is not the first: all agree, and what they save is what the undisturbed run has ----
phase_reached() { # RUN WORDS: a line of the log holds them
    until grep -qE -- "$2" "$1.log" 2>/dev/null || ! is_running; do sleep 0.01; done
}
export SEQTRAIN_FAULT=slow:1+ # each read and write takes 20 ms: phases last
rm -rf opening resuming saving
start 3 opening "${endless[@]}"
until [ -e opening/lock ] || ! is_running; do sleep 0.005; done
tell_rank TERM 2
finish
expect opening 75 'stopped after update 0 .on a signal: SIGTERM.'
[ ! -s opening/metrics.jsonl ] || fail "opening: an update was made after the signal"

SEQTRAIN_FAULT='' train 2 resuming --train.until 3u
start 3 resuming "${endless[@]}"
phase_reached resuming '^model transformer'
tell_rank USR1 1
finish
expect resuming 75 'resumed from .*update 3' 'stopped after update 3 .on a signal: SIGUSR1.'

deep=(--model.encoder_layers 4 --model.decoder_layers 4)
start 3 saving "${endless[@]}" "${deep[@]}" --checkpoint.every 1u
until compgen -G 'saving/checkpoints/*.tmp' >/dev/null || ! is_running; do sleep 0.01; done
tell_rank INT 2
finish
expect saving 75 'stopped after update [0-9]+ .on a signal: SIGINT.'
"$program" info --verify "$(newest saving)" >verify.log || fail "saving: a damaged checkpoint"
unset SEQTRAIN_FAULT

# ---- a second signal ends at once, in the middle of the last save: nothing is lost but that, and the next start goes on ----
train 0 insisted "${deep[@]}" --train.until 2u --checkpoint.every 1u
expect insisted 0
had=$(newest insisted)
SEQTRAIN_FAULT=slow:1+ start 3 insisted "${deep[@]}" "${endless[@]}"
until [ "$(wc -l <insisted/metrics.jsonl)" -gt 2 ] || ! is_running; do sleep 0.02; done
tell_rank TERM 1
until compgen -G 'insisted/checkpoints/*.tmp' >/dev/null || ! is_running; do sleep 0.01; done
sleep 3.2 # less would be the same request
holder=$(pgrep -P "$job" -x seqtrain | head -n 1)
tell_rank TERM 1
finish
while kill -0 "$holder" 2>/dev/null; do sleep 0.1; done # mpirun leaves it to others to take note of its end
[ "$status" -gt 128 ] || fail "insisted: expected a status above 128, found $status: $(tail -n 3 insisted.log)"
compgen -G 'insisted/checkpoints/*.tmp' >/dev/null || fail "insisted: the save was over before the second signal"
[ "$(newest insisted)" = "$had" ] || fail "insisted: a file that was being written has its final name"
"$program" info --verify "$had" >verify.log || fail "insisted: a damaged checkpoint"
train 2 insisted "${deep[@]}" --train.until 5u
expect insisted 0 'resumed from .*update 2'
[ -z "$(find insisted -name '*.tmp')" ] || fail "insisted: left $(find insisted -name '*.tmp')"
[ ! -e insisted/lock ] || fail "insisted: left a lock"

# ---- a closed terminal is a request, but not under nohup ----
train_alone() { # RUN [words]
    local run=$1
    shift
    "$program" train tiny.yaml --run.directory "$run" --comm.threads 1 "$@" >"$run.log" 2>&1 &
    job=$!
}
train_alone closed "${endless[@]}"
wait_for_updates closed
kill -HUP "$job"
finish
expect closed 75 'stopped after update [0-9]+ .on a signal: SIGHUP.'
trap '' HUP
train_alone nohup --train.until 400u --checkpoint.every never
trap - HUP
wait_for_updates nohup
kill -HUP "$job"
finish
expect nohup 0

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

# A rank that is told while all validate tells the others, also while they decode.
make_corpus wide 3000 1 >/dev/null
for metric in accuracy bleu; do
    start 3 "valid-$metric" --data.train wide.h5 --data.valid wide.h5 --validate.every 1u --validate.metrics $metric \
        --train.until 1000000u --checkpoint.every never
    wait_for_updates "valid-$metric"
    sleep 0.1
    tell_rank USR1 2
    finish
    expect "valid-$metric" 75 'stopped after update [0-9]+ .on a signal: SIGUSR1.'
done
exit "$failed"
