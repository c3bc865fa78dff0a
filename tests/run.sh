#!/bin/bash
# Runs the tests that `make test` built: unit tests, mpi_* at 1-4 ranks (the exchange at 6 too), command-line tests; as many
# side by side as there are cores (JOBS=N). Arguments choose by name.
#   tests/run.sh                 all
#   tests/run.sh comm plan cli   those whose path holds one of the words
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export BUILD
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
. tests/launch.bash
. tests/side_by_side.bash
# They judge what time something takes: they run last, beside no other.
alone=" comm/test_watch cli/watch cli/plan "
words=("$@")

chosen() { # check|check_alone PATH: whether it is to run so, and one of the words given is in it
    local how=check
    [[ $alone != *" $2 "* ]] || how=check_alone
    [ "$how" = "$1" ] || return 1
    [ "${#words[@]}" != 0 ] || return 0
    for word in "${words[@]}"; do [[ $2 == *$word* ]] && return 0; done
    return 1
}

# Threads that wait sleep (OMP_WAIT_POLICY): on a busy machine spinning ones make seconds minutes. The program itself sees to that.
all() { # check|check_alone
    local how=$1 source name ranks numbers script
    for source in tests/*/test_*.c; do
        name=${source#tests/} name=${name%.c}
        chosen "$how" "$name" && "$how" "$name" env OMP_WAIT_POLICY=passive "$BUILD/tests/$name"
    done
    for source in tests/*/mpi_*.c; do
        name=${source#tests/} name=${name%.c}
        chosen "$how" "$name" || continue
        numbers="1 2 3 4"
        [ "$name" != comm/mpi_exchange ] || numbers="$numbers 6" # nodes of 2 and 3 ranks
        for ranks in $numbers; do
            "$how" "$name on $ranks" env OMP_WAIT_POLICY=passive mpirun -n "$ranks" "$BUILD/tests/$name"
        done
    done
    for script in tests/cli/*.sh; do
        name=${script#tests/} name=${name%.sh}
        chosen "$how" "$name" && "$how" "$name" bash "$script"
    done
}
all check
all check_alone
finish
