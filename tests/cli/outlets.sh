#!/bin/bash
# Standard output and error that are closed, full, or not read: they cost a training run some lines, and a command whose
# answer is lost is a failure.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1

same_run() { # RUN: ended well, the same as if somebody had read
    [ "$status" = 0 ] || fail "$1: status $status"
    cmp straight/last.h5 "$1/last.h5" || fail "$1: another last checkpoint"
    # Without what times say.
    diff <(sed 's/[0-9.]* tokens.s.*//; /time of rank 0/d; /memory of/d; s/in [0-9.]*s,.*//; s/for [0-9.]* s//' straight/log.txt | sed "s/straight/$1/") \
        <(sed 's/[0-9.]* tokens.s.*//; /time of rank 0/d; /memory of/d; s/in [0-9.]*s,.*//; s/for [0-9.]* s//' "$1/log.txt") || fail "$1: another log.txt"
}
# A pipe that is full from the start and stays so; 16 pages of it.
mkfifo full
exec 9<>full
dd if=/dev/zero of=full bs=4096 count=16 oflag=nonblock status=none 2>/dev/null
run() { # RUN [words]: the caller gives the outlets
    local run=$1
    shift
    "$program" train tiny.yaml --run.directory "$run" --comm.threads 1 --log.every 1u "$@"
}
rm -rf straight && run straight >/dev/null 2>&1

run unread >full 2>full 9<&-
status=$?
same_run unread
run devfull >/dev/full 2>/dev/full
status=$?
same_run devfull
run closed >&- 2>&- <&-
status=$?
same_run closed
run gone 2> >(exec true)
status=$?
same_run gone
# Every rank ends; mpirun itself then waits for a reader.
mpirun -n 3 "$program" train tiny.yaml --run.directory ranks --comm.threads 1 --log.every 1u >full 2>full 9<&- &
job=$!
until grep -qs '^next: ' ranks/log.txt || ! kill -0 $job; do sleep 0.05; done
while pgrep -P $job -x seqtrain -r R,S,D >/dev/null; do sleep 0.05; done
kill -KILL $job
wait $job 2>/dev/null
cmp straight/last.h5 ranks/last.h5 || fail "ranks: another last checkpoint"
# A refusal ends, too, and with its own status.
run refused --model.width wide 2>full 9<&-
[ $? = 78 ] || fail "refused: another status with a full pipe"
"$program" train tiny.yaml --run.directory asked --comm.threads 1 --train.until 1000000u 2>full 9<&- &
job=$!
until grep -q loss asked/metrics.jsonl 2>/dev/null || ! kill -0 $job; do sleep 0.02; done
kill -USR1 $job
wait $job
[ $? = 75 ] || fail "asked: a request to stop is not heard with a full pipe"

# ---- a log file on a full disk ----
mkdir -p small/checkpoints
ln -s /dev/full small/log.txt
run small >small.log 2>&1
status=$?
expect small 0 'warning: the log file is incomplete from here on: No space left'
[ "$(grep -c 'log file is incomplete' small.log)" = 1 ] || fail "small: the log file is told $(grep -c 'log file is incomplete' small.log) times"

# ---- an answer that is lost is a failure ----
head -n 3 tiny/valid.en >lines
for command in "translate straight --input lines" "info straight" "help train"; do
    # shellcheck disable=SC2086
    "$program" $command >/dev/null 2>&1 || fail "$command: no answer at all"
    # shellcheck disable=SC2086
    "$program" $command >/dev/full 2>lost.log
    status=$?
    expect lost 74 'standard output: No space left'
    # shellcheck disable=SC2086
    "$program" $command >&- 2>lost.log
    status=$?
    expect lost 74 'standard output: Bad file descriptor'
done
exit "$failed"
