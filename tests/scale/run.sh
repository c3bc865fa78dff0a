#!/bin/bash
# `make scale`: how training would scale on clusters that are not there. SimGrid's SMPI runs the exchange of comm/ itself, rank by
# rank, on nodes of one link each to a switch that does not block; computation lasts as `seqtrain plan` measures it here.
# Markdown on standard output; build/scale.json and build/scale.svg. Beside it what `seqtrain plan` says of the same ranks.
#   SCALE_RANKS ("16 64 256 1024")   powers of two
#   SCALE_GBIT ("10 25 100")         of a node's link: those of scale.py
#   SCALE_SCALINGS ("weak strong")
#   SCALE_NODE_RANKS (8)             ranks on a node
#   SCALE_SUMS ("ordered flat native")   ways to sum, also bfloat16 and native-halving (simulate.c)
#   SCALE_MODEL (small)              of tests/bench/ours.py: tiny, small, base
#   SCALE_CORPUS                     prepared (default: the generated corpus, a vocabulary of 300)
#   SCALE_THREADS (2)                of a rank; what is measured here
#   SCALE_SPEEDS ("0 0")             tokens/s of a rank in weak and strong scaling; 0: as measured
#   SCALE_JOBS (2)                   simulations at a time: 2 GB each for 1,024 ranks
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
folder=$BUILD/scale
export BUILD
mkdir -p "$folder"
# The collectives' header comes before the sources of comm/, which then call what it declares.
smpicc -O2 -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Wno-unknown-pragmas -include tests/scale/collectives.h -o "$folder/simulate" \
    tests/scale/*.c comm/exchange*.c comm/{blocks,tree,kind,status,message,post,vector,fault}.c -lm
if [ -z "${SCALE_CORPUS:-}" ]; then
    SCALE_CORPUS=$folder/train.h5
    "$BUILD/seqtrain" generate numbers --output "$folder" >/dev/null
    "$BUILD/seqtrain" prepare --source "$folder/train.en" --target "$folder/train.de" --output "$SCALE_CORPUS.new" --vocab-size 300 --joint >/dev/null
    mv "$SCALE_CORPUS.new" "$SCALE_CORPUS"
fi
export SCALE_CORPUS
PYTHONPATH=tests/bench exec python3 tests/scale/scale.py
