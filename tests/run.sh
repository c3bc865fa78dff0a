#!/bin/bash
# Runs the tests that `make test` built: unit tests, mpi_* at 1-4 ranks (the exchange at 6 too), command-line tests. Arguments choose by name.
#   tests/run.sh                 all
#   tests/run.sh comm plan cli   those whose path holds one of the words
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export BUILD
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
mkdir -p "$BUILD/log"
# Threads that wait sleep (OMP_WAIT_POLICY): on a busy machine spinning ones make seconds minutes. The program itself sees to that.
passed=0
failed=0
failures=

chosen() { # path: whether one of the words given is in it
    [ "${#words[@]}" = 0 ] && return 0
    for word in "${words[@]}"; do [[ $1 == *$word* ]] && return 0; done
    return 1
}

run() { # name, command...
    local name=$1 log=$BUILD/log/${1//[\/ ]/_}.log
    shift
    timeout "${TEST_TIMEOUT:-600}" "$@" >"$log" 2>&1
    local status=$?
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        echo "  ok    $name"
    else
        failed=$((failed + 1))
        failures="$failures $name"
        echo "  FAIL  $name (status $status)"
        tail -n 40 "$log" | sed 's/^/        /'
    fi
}

words=("$@")
for source in tests/*/test_*.c; do
    [ -e "$source" ] || continue
    name=${source#tests/} name=${name%.c}
    chosen "$name" && run "$name" env OMP_WAIT_POLICY=passive "$BUILD/tests/$name"
done
for source in tests/*/mpi_*.c; do
    [ -e "$source" ] || continue
    name=${source#tests/} name=${name%.c}
    chosen "$name" || continue
    numbers="1 2 3 4"
    [ "$name" != comm/mpi_exchange ] || numbers="$numbers 6" # nodes of 2 and 3 ranks
    for ranks in $numbers; do
        run "$name on $ranks" env OMP_WAIT_POLICY=passive mpirun -n "$ranks" "$BUILD/tests/$name"
    done
done
for script in tests/cli/*.sh; do
    [ -e "$script" ] || continue
    name=${script#tests/} name=${name%.sh}
    chosen "$name" && run "$name" bash "$script"
done

echo
[ "$failed" = 0 ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
