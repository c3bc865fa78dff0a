#!/bin/bash
# Ranks whose BLAS core differs would compute different bits: refused with 78, host and variable named.
set -u
[ "$(uname -m)" = x86_64 ] && ldd "$BUILD/tests/comm/mpi_world" | grep -q openblas || { echo "skipped: not OpenBLAS on x86-64"; exit 0; }
output=$(mpirun -n 1 env OPENBLAS_CORETYPE=PRESCOTT "$BUILD/tests/comm/mpi_world" : -n 1 env OPENBLAS_CORETYPE=NEHALEM "$BUILD/tests/comm/mpi_world" 2>&1)
status=$?
echo "$output"
[ "$status" = 78 ] || { echo "expected status 78, found $status"; exit 1; }
grep -q "rank 1 on $(hostname) has OpenBLAS core Nehalem" <<<"$output" || exit 1
grep -q "set OPENBLAS_CORETYPE" <<<"$output" || exit 1
