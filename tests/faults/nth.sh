#!/bin/bash
# The n-th call of each class fails, for all n that occur in a run that goes on from a checkpoint and saves two more: no
# hang, no crash, no wrong file; the checkpoint it went on from is there, and the next start ends as the undisturbed run.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/cases.bash"
make_corpus tiny 60 1
words=(--train.until 6u --checkpoint.every 2u --checkpoint.keep 1)
train 2 straight "${words[@]}"
expect straight 0
train 2 first "${words[@]}" --train.until 2u
expect first 0

others=(0 3 1) # ranks of the next start
spoiled() { # CLASS RANK AT RANKS [SETTING=VALUE]...: ends by a message, or goes on
    local class=$1 rank=$2 at=$3 next=$4
    shift 4
    cp -r "$folder/first" run && ln -s run first
    disturb 2 SHIM_CLASS="$class" SHIM_RANK="$rank" SHIM_AT="$at" "$@"
    [ "$class" = foreign ] || ! crashed || fail "crashed: $(grep -iE -m 3 'signal|segm|sanit' broken.log)"
    [ "$class" = foreign ] || [ "$status" = 0 ] || grep -qE '(^|\] )seqtrain: |error: ' broken.log || fail "status $status without a message: $(tail -n 3 broken.log)"
    grep -qE 'not freed' broken.log && fail "memory is left over: $(grep -m 1 'not freed' broken.log)"
    rm first && mkdir first # for recover: the run had saved update 2
    recover "$next"
}

# ROW CLASS RANK COUNT "SCENARIO" [SETTING=VALUE]...
walk() {
    local row=$1 class=$2 rank=$3 wanted=$4 n total
    shift 5
    calls_of "$class" "$rank"
    total=$count
    for n in $(sample "$wanted" 1 "$total"); do
        attempt "$row" "$class-$rank-$n" spoiled "$class" "$rank" "$n" "${others[n % 3]}" "$@"
    done
    how+="${how:+, }$class $total"
}
how=
walk 7-sync sync 0 60 '' SHIM_ERRNO=5
walk 7-sync close 0 20 ''
tell 7-sync 'EIO from fsync, or a close that fails, at every one' "shim: $how"
how=
walk 6-space write 0 30 ''
tell 6-space 'ENOSPC at the n-th write' "shim: $how"
how=
walk 7-file name 0 30 ''
walk 7-file open 0 30 ''
walk 7-file open 1 5 ''
walk 7-file read 0 15 ''
walk 7-file read 1 10 ''
tell 7-file 'the n-th rename, link, open, read fails' "shim: $how"

# From some write on the disk is full, every one is short, or interrupted for ever.
for n in 3 12 40 90 170 250; do
    attempt 6-full "full-$n" spoiled write 0 "$n+" "${others[n % 3]}"
    attempt 8 "storm-$n" spoiled write,read 0 "$n+" "${others[n % 3]}" SHIM_ERRNO=4
done
for class in write read; do attempt 8 "short-$class" spoiled "$class" 0 1+ 1 SHIM_ACTION=short; done
tell 6-full 'a disk that is full from the n-th write on' 'shim: writes n and all after it'
tell 8 'short reads and writes, a storm of EINTR' 'shim: all calls from the n-th on'

how=
walk 34-own memory 0 25 ''
walk 34-own memory 1 10 ''
tell 34-own 'the n-th allocation of the program fails' "shim: $how"
how=
walk 34-foreign foreign 0 15 ''
tell 34-foreign "the n-th allocation of a library fails: it may end the process, nothing is lost" "shim: $how"

how=
more=(--comm.timeout 5s)
walk 23-fail mpi 0 15 ''
walk 23-fail mpi 1 15 ''
tell 23-fail 'the n-th MPI call fails' "shim: $how"
how=
walk 23-hang mpi 1 6 '' SHIM_ACTION=hang
walk 24 write 0 4 '' SHIM_ACTION=hang
tell 23-hang 'the n-th MPI call of a rank never returns: the others end by comm.timeout' "shim: $how"
tell 24 'the n-th write of a save never returns' 'shim'
exit "$failed"
