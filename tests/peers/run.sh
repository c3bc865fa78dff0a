#!/bin/bash
# `make test-peers`: seqtrain's numbers against PyTorch's, weights read from checkpoints with h5py (peers.py), the attention
# of recurrent decoders against the papers' formulas in PyTorch (attend.py), convolutions against nn.Conv2d (convolution.py), its translations against a search written in
# Python (decoding.py), its metrics against sacrebleu's (metrics.py), its event files as TensorBoard reads them (events.py),
# its optimisers against torch.optim (optimizers.py).
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
export BUILD OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
. tests/venv.sh
venv_open torch==2.13.0 numpy h5py sacrebleu==2.6.0 tensorboard==2.21.0
"$PYTHON" tests/peers/peers.py "$BUILD" "$@"
"$PYTHON" tests/peers/decoding.py "$BUILD"
"$PYTHON" tests/peers/attend.py "$BUILD"
"$PYTHON" tests/peers/convolution.py "$BUILD"
"$PYTHON" tests/peers/optimizers.py "$BUILD"
"$PYTHON" tests/peers/events.py "$BUILD"
exec "$PYTHON" tests/peers/metrics.py "$BUILD"
