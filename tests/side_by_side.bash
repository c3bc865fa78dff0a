# For tests/run.sh and those like it: checks side by side, each with a log of its own; told in the order in which they were
# given, from 1 s on with the seconds it took, and with the end of the log where it failed.
#   JOBS=N           so many at once (default: as many as cores)
#   TEST_TIMEOUT=N   seconds after which one has failed (default 900)
# shellcheck shell=bash
JOBS=${JOBS:-$(nproc)}
names=() # of all checks begun; the first $told are told
told=0
passed=0
failures=()
mkdir -p "$BUILD/log"
trap 'kill $(jobs -pr) 2>/dev/null; exit 130' INT TERM

log_of() { echo "$BUILD/log/${1//[\/ ]/_}"; } # NAME: its .log, and its .end with status and seconds

check() { # NAME COMMAND...: begins as soon as fewer than JOBS are under way
    local log
    while [ "$(jobs -pr | wc -l)" -ge "$JOBS" ]; do wait -n; done
    tell
    log=$(log_of "$1")
    rm -f "$log.end"
    names+=("$1")
    carry_out "$log" "${@:2}" &
}

check_alone() { # NAME COMMAND...: beside no other
    wait
    check "$@"
    wait
}

carry_out() { # LOG COMMAND...
    local begin=$SECONDS
    timeout "${TEST_TIMEOUT:-900}" "${@:2}" >"$1.log" 2>&1 &
    trap 'kill $!' TERM
    wait $!
    echo "$? $((SECONDS - begin))" >"$1.end"
}

tell() { # those that have ended, up to the first that has not
    local name log status seconds
    while [ "$told" -lt "${#names[@]}" ]; do
        name=${names[told]} log=$(log_of "${names[told]}")
        [ -s "$log.end" ] || return
        read -r status seconds <"$log.end"
        told=$((told + 1))
        [ "$seconds" = 0 ] && seconds= || seconds="  $seconds s"
        if [ "$status" = 0 ]; then
            passed=$((passed + 1))
            echo "  ok    $name$seconds"
        else
            failures+=("$name")
            echo "  FAIL  $name (status $status)$seconds"
            tail -n 40 "$log.log" | sed 's/^/        /'
        fi
    done
}

finish() { # waits for all; ends with `N passed, N failed`
    while [ "$(jobs -pr | wc -l)" -gt 0 ]; do
        tell
        wait -n
    done
    tell
    failures+=("${names[@]:told}") # killed from outside
    echo
    [ "${#failures[@]}" = 0 ] || echo "failed: ${failures[*]}"
    echo "$passed passed, ${#failures[@]} failed"
    [ "${#failures[@]}" = 0 ]
}
