#!/bin/bash
# `make bench`: training speed against PyTorch eager, the same sentences, alternating sides in one run. See bench.py.
#   BENCH_SOURCE, BENCH_TARGET   text files (default: the generated corpus)
#   BENCH_THREADS (2)  BENCH_ROUNDS (5)  BENCH_MODELS ("tiny small"; also base)
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
export BUILD OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
. tests/venv.sh
venv_open torch==2.13.0 numpy h5py
make -s "$BUILD/tests/peers/tool_dump"
exec env PYTHONPATH=tests/peers "$PYTHON" tests/bench/bench.py "$BUILD" "$@"
