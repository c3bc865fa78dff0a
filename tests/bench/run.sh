#!/bin/bash
# `make bench`: seqtrain against PyTorch, CTranslate2 and itself, the same sentences, alternating sides in one run (bench.py).
# Markdown on standard output; build/bench.json, build/bench.svg. Status 1 where another program is faster.
#   BENCH_ROWS (all)             of rows.py, a model after a colon: "train:tiny ddp scaling:base reduce translate recompute prepare saving start";
#                                models are tiny, small, base, gru and lstm
#   BENCH_ROUNDS (5)  BENCH_UPDATES (12)  BENCH_TOKENS (4096)    alternations; updates counted of each; most tokens of a micro-batch
#   BENCH_THREADS (2)  BENCH_RANKS ("2")                         of rows of one process; of rows of several, e.g. "2 4"
#   BENCH_SOURCE, BENCH_TARGET   text files (default: the generated corpus)
#   BENCH_MODEL                  run or checkpoint that translates (default: trained for BENCH_TRAIN_UPDATES, 400)
#   BENCH_LINES (3000)           of BENCH_SOURCE, translated
#   BENCH_LONG (0)               1: also saving, runs of BENCH_LONG_SECONDS (300); start on 1 million pairs
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
export BUILD OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
. tests/venv.sh
venv_open torch==2.13.0 numpy h5py ctranslate2 sentencepiece
make -s "$BUILD/tests/peers/tool_dump"
exec env PYTHONPATH=tests/peers "$PYTHON" tests/bench/bench.py
