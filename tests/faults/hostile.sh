#!/bin/bash
# Surroundings that are against the run: a holder that comes back from the dead, files that cannot be read or written, little
# memory.
# shellcheck disable=SC2154
. "$(dirname "$0")/cases.bash"
make_corpus tiny 60 1
train 2 straight "${words[@]}"
expect straight 0

# ---- a writer cut off, whose lock another job has found too old, goes on: it must see that, and stop ----
state() { md5sum run/checkpoints/* run/metrics.jsonl && find run ! -type d ! -name log.txt -printf '%p %s %l\n' | sort; } # its last words are allowed
zombie() {
    "$program" train tiny.yaml --run.directory run --comm.threads 1 --train.until 1000000u --checkpoint.every 1u >zombie.log 2>&1 &
    local job=$! before update
    until [ -e run/last.h5 ] || ! kill -0 "$job"; do sleep 0.02; done
    sleep "0.0$1"
    kill -STOP "$job"
    touch -d '20 minutes ago' run/lock
    update=$(wc -l <run/metrics.jsonl)
    train 2 run --train.until $((update + 5))u --checkpoint.every 1u
    expect run 0 'took over the run directory from process' "trained $((update + 5)) updates"
    before=$(state)
    kill -CONT "$job"
    wait "$job"
    status=$?
    [ "$status" = 73 ] || fail "the old writer: expected status 73, found $status: $(tail -n 3 zombie.log)"
    diff <(echo "$before") <(state) || fail "the old writer changed something"
    [ "$("$program" info --verify run/last.h5 >/dev/null && echo good)" = good ] || fail "the last checkpoint is not good"
}
for n in 1 3 5 7 9; do attempt 14 "$n" zombie "$n"; done
tell 14 'a holder that was taken for dead comes back: 73, nothing changed' 'SIGSTOP, a lock 20 minutes old, SIGCONT'

# ---- what cannot be read or written ----
as_nobody=()
[ "$(id -u)" != 0 ] || as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
refusal() { # STATUS COMMAND...
    local expected=$1
    shift
    "$@" >refusal.log 2>&1
    status=$?
    [ "$status" = "$expected" ] || fail "expected status $expected, found $status: $(tail -n 3 refusal.log)"
    [ "$(grep -c '^seqtrain: ' refusal.log)" = 1 ] || fail "not one message: $(cat refusal.log)"
}
unreadable() {
    chmod a+rx "$folder" "$folder/cases" && chmod a+rwx . && chmod a+r "$folder"/*.h5 "$folder"/*.yaml
    rm tiny.yaml && cp "$folder/tiny.yaml" . && cp tiny.yaml shut.yaml && chmod 0 shut.yaml
    mkdir shut && chmod 0555 shut && touch file
    local start=("$program" train)
    [ ! -x "$program" ] || "${as_nobody[@]}" test -x "$program" || { cp "$program" . && start=(./seqtrain train); }
    case $1 in
    missing) refusal 66 "${start[@]}" nowhere.yaml ;;
    folder) refusal 78 "${start[@]}" shut ;;
    permission) refusal 77 "${as_nobody[@]}" "${start[@]}" shut.yaml ;;
    write) refusal 77 "${as_nobody[@]}" "${start[@]}" tiny.yaml --run.directory shut/run ;;
    file) refusal 74 "${start[@]}" tiny.yaml --run.directory file ;;
    esac
}
for what in missing folder permission write file; do attempt 29 "$what" unreadable "$what"; done
tell 29 'settings or run directory missing, shut, of the wrong kind' 'chmod, as nobody'

# ---- little memory: a message, or a run that is as it should be ----
# With less than about 400 MB libraries hang or crash as they are loaded and in MPI_Init(): from there on it is ours.
tight() { # KIB
    (
        ulimit -v "$1"
        timeout -k 5 "$limit" "$program" train tiny.yaml --run.directory run --comm.threads 1 "${words[@]}" >broken.log 2>&1
    )
    status=$?
    [ "$status" != 124 ] || fail "hangs"
    : >calls
    [ "$status" -lt 128 ] || grep -q 'PMPI_Init_thread' broken.log || fail "crashed: status $status, $(tail -n 3 broken.log)"
    recover 0
}
for kib in 450000 500000 550000 600000 700000 800000 1000000; do attempt 34-limit "$kib" tight "$kib"; done
tell 34-limit 'address space of 450 MB to 1 GB' 'ulimit -v'
exit "$failed"
