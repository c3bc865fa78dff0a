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
onward= # '+': the n-th call and all after it
walk() { # ROW CLASSES RANK COUNT [SETTING=VALUE]...: so many of the calls that an undisturbed run makes, as $total tells
    local row=$1 class=$2 rank=$3 wanted=$4 n
    shift 4
    calls_of "$class" "$rank"
    total="$class $count"
    for n in $(sample "$wanted" 1 "$count"); do
        attempt "$row" "$class-$rank-$n" spoiled "$class" "$rank" "$n$onward" "${others[n % 3]}" "$@"
    done
}
scenario() { # ROW SCENARIO "CLASSES RANK COUNT [SETTING=VALUE]..."...: a line for the table
    local row=$1 scenario=$2 how='' one total
    shift 2
    for one; do
        # shellcheck disable=SC2086
        walk "$row" $one
        how+="${how:+, }$total"
    done
    tell "$row" "$scenario" "shim: $how"
}

scenario 7-sync 'EIO from fsync, or a close that fails, at every one' 'sync 0 60 SHIM_ERRNO=5' 'close 0 30'
scenario 6-space 'ENOSPC at the n-th write' 'write 0 15'
scenario 7-file 'the n-th rename, link, open, read fails' 'name 0 30' 'open 0 12' 'open 1 3' 'read 0 12' 'read 1 4'
scenario 34-own 'the n-th allocation of the program fails' 'memory 0 18' 'memory 1 6'
scenario 34-foreign 'the n-th allocation of a library fails: it may end the process, nothing is lost' 'foreign 0 8'
onward=+
scenario 6-full 'a disk that is full from the n-th write on' 'write 0 6'
scenario 8-storm 'EINTR without end from the n-th read or write on' 'write,read 0 6 SHIM_ERRNO=4'
scenario 8-short 'every read, or write, from the n-th on is short' 'write 0 2 SHIM_ACTION=short' 'read 0 2 SHIM_ACTION=short'
onward=
more=(--comm.timeout 5s)
scenario 23-fail 'the n-th MPI call fails' 'mpi 0 8' 'mpi 1 8'
scenario 23-hang 'the n-th MPI call of a rank never returns: the others end by comm.timeout' 'mpi 1 3 SHIM_ACTION=hang'
scenario 24 'the n-th write of a save never returns' 'write 0 2 SHIM_ACTION=hang'
exit "$failed"
