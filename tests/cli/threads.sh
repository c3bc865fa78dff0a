#!/bin/bash
# Threads of each rank under mpirun: --comm.threads, else OMP_NUM_THREADS, else the share of the node; and how idle ones wait.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/common.bash"
unset OMP_NUM_THREADS OMP_WAIT_POLICY GOMP_SPINCOUNT
make_corpus tiny 100 1
cores=$(nproc)
share=$((cores >= 2 ? cores / 2 : 1))

expect_threads() { # RUN THREADS
    local noun=threads
    [ "$2" = 1 ] && noun=thread
    expect "$1" 0 "2 ranks with $2 $noun each"
}

train 2 option --train.until 1u --comm.threads 3
expect_threads option 3
train 2 joined --train.until 1u --comm.threads=3
expect_threads joined 3
OMP_NUM_THREADS=2 train 2 variable --train.until 1u --comm.threads auto
expect_threads variable 2
OMP_NUM_THREADS=2 train 2 both --train.until 1u --comm.threads 3
expect_threads both 3
train 2 neither --train.until 1u --comm.threads auto
expect_threads neither "$share"
sed 's/^log:/comm:\n  threads: 3\nlog:/' tiny.yaml >file.yaml
mpirun -n 2 "$program" train file.yaml --run.directory file --train.until 1u >file.log 2>&1
status=$?
expect_threads file 3

# More threads than cores wait without spinning; else they spin a little. libgomp tells, in each execution of the program.
waits() { grep -q "GOMP_SPINCOUNT = '$2'" "$1.log"; }
export OMP_DISPLAY_ENV=verbose
train 2 crowded --train.until 1u --comm.threads "$((share + 1))"
if ! grep -q GOMP_SPINCOUNT crowded.log; then
    echo "skipped: this OpenMP library does not tell how threads wait"
    exit "$failed"
fi
waits crowded 0 || fail "crowded: threads that spin keep others from their cores"
if [ "$cores" -ge 2 ]; then
    train 2 roomy --train.until 1u --comm.threads "$share"
    waits roomy 2000 && ! waits roomy 0 || fail "roomy: expected threads that spin 2000 times, found $(grep -h SPINCOUNT roomy.log)"
    OMP_NUM_THREADS=$((share + 1)) train 2 told --train.until 1u --comm.threads "$share"
    waits told 2000 && ! waits told 0 || fail "told: OMP_NUM_THREADS counted where --comm.threads is given"
fi
exit "$failed"
