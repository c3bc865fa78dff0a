#!/bin/bash
# Ranks that differ are refused with 78, the odd one named: in settings (the setting), in the BLAS core (the variable).
# shellcheck disable=SC2154
. "$(dirname "$0")/common.bash"
make_corpus tiny 300 1
mpirun -n 1 "$program" train tiny.yaml --run.directory odd : -n 1 "$program" train tiny.yaml --run.directory odd --train.until 21u \
    >odd.log 2>&1
status=$?
expect odd 78 "^seqtrain: rank 1 on $(hostname): ranks have read different settings: expected 'train.until 20u' as rank 0 has, found 'train.until 21u'"
[ ! -e odd ] || fail "odd: a refused run left its directory"
mpirun -n 1 "$program" train tiny.yaml --run.directory alike --comm.threads 1 : -n 1 "$program" train tiny.yaml --run.directory alike \
    --comm.threads 2 >alike.log 2>&1
status=$?
expect alike 0
[ "$failed" = 0 ] || exit 1
[ "$(uname -m)" = x86_64 ] && ldd "$build/tests/comm/mpi_world" | grep -q openblas || { echo "skipped: not OpenBLAS on x86-64"; exit 0; }
output=$(mpirun -n 1 env OPENBLAS_CORETYPE=PRESCOTT "$build/tests/comm/mpi_world" : -n 1 env OPENBLAS_CORETYPE=NEHALEM "$build/tests/comm/mpi_world" 2>&1)
status=$?
echo "$output"
[ "$status" = 78 ] || { echo "expected status 78, found $status"; exit 1; }
grep -q "rank 1 on $(hostname) has OpenBLAS core Nehalem" <<<"$output" || exit 1
grep -q "set OPENBLAS_CORETYPE" <<<"$output" || exit 1
