#!/bin/bash
# Power is lost at the n-th system call of a run whose directory is an ext4 of its own: what was not brought to the disk is
# gone. Needs root and loop devices; says so where it cannot be done.
# shellcheck disable=SC2034,SC2154
if [ -z "${SEQTRAIN_POWER:-}" ]; then
    SEQTRAIN_POWER=1 unshare -m --propagation private true 2>/dev/null && exec env SEQTRAIN_POWER=1 unshare -m --propagation private "$0" "$@"
    echo "  row 5: power loss: not run, this machine permits no mounts" >&2
    echo "5|power loss at a system call of two saves|not run: no permission to mount|0|0" >>"${FAULTS_TABLE:-/dev/stderr}"
    exit 0
fi
. "$(dirname "$0")/cases.bash"
make_corpus tiny 60 1
train 2 straight "${words[@]}"
expect straight 0
truncate -s 16M disk.img
if ! mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 disk.img 2>mkfs.txt || ! mkdir run || ! mount -o loop disk.img run 2>>mkfs.txt; then
    echo "  row 5: power loss: not run: $(tail -n 1 mkfs.txt)" >&2
    echo "5|power loss at a system call of two saves|not run: no loop device|0|0" >>"$table"
    exit 0
fi
rmdir run/lost+found
umount run
power=1

leave() { # a rank that was killed may hold the disk a moment longer
    for _ in $(seq 100); do
        umount run 2>umount.txt && return
        sleep 0.1
    done
    fail "$(cat umount.txt)"
    umount -l run
    return 1
}
lost() { # AT RANKS
    cp --sparse=always "$folder/disk.img" disk.img
    mkdir run
    mount -o loop disk.img run || { fail "cannot mount"; return; }
    disturb 2 SHIM_CLASS=file SHIM_RANK=0 SHIM_AT="$1" SHIM_ACTION=power SHIM_DISK=run
    ! grep 'power failed' calls || fail "the disk could not be stopped"
    [ -z "$missed" ] || [ "$status" = 0 ] || fail "ended with status $status before its call: $(tail -n 3 broken.log)"
    leave && mount -o loop disk.img run || { fail "cannot mount again"; return; }
    recover "$2"
    leave
}
calls_of file 0
step=$((full ? 1 : 4))
for n in $(awk -v step="$step" '/^[0-9]+ [0-9]+ all/ || $6 ~ /tiny/ || $3 == "read" { next }
    $4 != "pwrite" ? seen++ % (step > 1 ? 2 : 1) == 0 : writes++ % (step * 8) == 0 { print $2 }' calls.file.0); do
    attempt 5 "$n" lost "$n" "${others[n % 3]}"
done
tell 5 'power is lost at a system call of two saves' 'shim: EXT4_IOC_SHUTDOWN of a loop mount'
exit "$failed"
