#!/bin/bash
# A resume is no event: 20 updates straight, against the same run killed, stopped by signal and by time, and gone on with
# on other numbers of ranks. Both cross the ends of epochs.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

as_straight() { # RUN: its end is that of the run that never stopped
    cmp "$(newest straight)" "$(newest "$1")" || fail "$1: its last checkpoint is not that of the straight run"
    diff <(losses_of straight) <(losses_of "$1") || fail "$1: other losses than the straight run"
    [ "$(readlink straight/best.h5)" = "$(readlink "$1/best.h5")" ] || fail "$1: another best.h5"
    [ -z "$(find "$1" -name '*.tmp')" ] || fail "$1: left $(find "$1" -name '*.tmp')"
}

train 2 straight
expect straight 0 'trained 20 updates' 'best validation' 'next: seqtrain translate'
epochs=$(grep -c valid_loss straight/metrics.jsonl)
[ "$epochs" -ge 2 ] || fail "20 updates crossed $epochs ends of epochs, expected 2 or more"

# Killed at the end of update 7 (its checkpoints: 5, ends of epochs); on with 3 ranks until a signal; then with 1.
SEQTRAIN_FAULT=kill:7:0 train 2 killed
[ "$status" -ge 128 ] || fail "killed: expected a status from 128 on, found $status"
stopped=
for _ in 1 2 3 4 5 6 7 8; do
    rm -rf again && cp -r killed again
    mpirun -n 3 "$program" train tiny.yaml --run.directory again --comm.threads 1 >again.log 2>&1 &
    until grep -q 'resumed from' again.log || ! kill -0 $!; do sleep 0.02; done
    kill -USR1 $!
    wait $!
    status=$?
    [ "$status" = 75 ] && stopped=1 && break
done
[ -n "$stopped" ] || fail "no signal came before the end of the run; status $status: $(tail -n 3 again.log)"
expect again 75 'stopped after update [0-9]+ .*run the same command again to go on'
train 1 again
expect again 0 'resumed from'
as_straight again

# Stopped by time after every few updates, each start on another number of ranks.
for starts in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do
    train $((starts % 4 + 1)) timed --train.time_limit 0.001s
    [ "$status" = 75 ] || break
done
expect timed 0 'trained 20 updates'
[ "$starts" -ge 3 ] || fail "timed: expected several starts, found $starts"
as_straight timed

grep -qE '^stopped after update [0-9]+ \(train.time_limit\); run the same command again' timed/log.txt || fail "log.txt: no last words"

# The limit counts from the start of the program, which here takes longer.
SEQTRAIN_FAULT=slow:1+ train 1 late --train.time_limit 1s --train.until 1000000u --checkpoint.every never
expect late 75 'stopped after update 1 .train.time_limit.'

# A signal to one process alone, without mpirun; SIGTERM and SIGINT count as well.
for signal in TERM INT; do
    rm -rf alone
    "$program" train tiny.yaml --run.directory alone --train.until 100000u --checkpoint.every 0u >alone.log 2>&1 &
    until grep -q update alone/metrics.jsonl 2>/dev/null || ! kill -0 $!; do sleep 0.02; done
    kill -"$signal" $!
    wait $!
    status=$?
    expect alone 75 'stopped after update'
    [ "$(grep -c 'stopped after update' alone.log)" = 1 ] || fail "alone: told $(grep -c 'stopped after update' alone.log) times"
    grep -q "^stopped after update [0-9]* (on a signal: SIG$signal)" alone/log.txt || fail "alone: log.txt does not tell its end"
    [ -n "$(newest alone)" ] || fail "alone: SIG$signal saved nothing"
done

# A run directory that another job took over, since this one's host was out of reach: nothing more is written to it.
"$program" train tiny.yaml --run.directory lost --train.until 100000u --checkpoint.every 1u >lost.log 2>&1 &
until [ -e lost/last.h5 ] || ! kill -0 $!; do sleep 0.02; done
printf 'host elsewhere\npid 17\nborn 1\nboot b\nspace s\njob 77\nrestart 0\nsince then\n' >other.lock
cp other.lock lost/lock.other && mv lost/lock.other lost/lock
sleep 0.5 && saved=$(ls -l lost/checkpoints lost/*.h5)
wait $!
status=$?
expect lost 73 'the run directory was taken over by process 17 on elsewhere, job 77, since then'
cmp other.lock lost/lock || fail "lost: the lock of the other job is not as it was"
[ "$saved" = "$(ls -l lost/checkpoints lost/*.h5)" ] || fail "lost: saved all the same"

# A finished run says so; a longer one goes on as if it had been asked for at first.
before=$(md5sum "$(newest straight)")
train 2 straight
expect straight 0 'nothing to do.* 20 updates'
[ "$before" = "$(md5sum "$(newest straight)")" ] || fail "a finished run wrote a checkpoint"
train 2 long --train.until 24u
train 3 again --train.until 24u
expect again 0 'trained 24 updates'
cmp "$(newest long)" "$(newest again)" || fail "20 + 4 updates are not 24"

# run.resume: require and never.
train 1 empty --run.resume require
expect empty 66 'run.resume is require'
train 1 again --run.resume never
expect again 78 'run.resume is never' 'run.directory'
train 2 copy --run.resume straight/last.h5
expect copy 0 'the initial checkpoint is in copy/checkpoints' 'nothing to do: copy has reached train.until after 20 updates'
cmp "$(newest straight)" "$(newest copy)" || fail "a run that was complete at the start holds no checkpoint of its own"
train 1 copy
expect copy 0 'nothing to do'
grep -q 'initial checkpoint' copy.log && fail "a complete run saved again"
train 1 other --run.resume "$(newest straight)" --train.until 24u
expect other 0 'resumed from .*straight'
cmp "$(newest long)" "$(newest other)" || fail "a run from a FILE is not the run it came from"

# A recurrent model, killed and gone on with on another number of ranks.
rm -rf straight killed
config=recurrent.yaml
train 2 straight
expect straight 0 'trained 20 updates'
SEQTRAIN_FAULT=kill:7:0 train 2 killed
[ "$status" -ge 128 ] || fail "killed: expected a status from 128 on, found $status"
train 3 killed
expect killed 0 'resumed from' 'trained 20 updates'
as_straight killed
exit "$failed"
