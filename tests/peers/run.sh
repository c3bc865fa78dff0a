#!/bin/bash
# `make test-peers`: seqtrain's numbers against PyTorch's, weights read from checkpoints with h5py (peers.py), the attention
# of recurrent decoders against the papers' formulas in PyTorch (attend.py), convolutions against nn.Conv2d
# (convolution.py), its translations against a search written in Python (decoding.py), its metrics against sacrebleu's
# (metrics.py), its event files as TensorBoard reads them (events.py), its optimisers against torch.optim (optimizers.py).
# Side by side, each with its figures in $BUILD/log/peers_*.log; arguments choose: `tests/peers/run.sh attend metrics`.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
export BUILD
. tests/launch.bash
. tests/venv.sh
venv_open torch==2.13.0 numpy h5py sacrebleu==2.6.0 tensorboard==2.21.0 || exit 1
. tests/side_by_side.bash
export OMP_NUM_THREADS=1 # small models, scripts side by side: four times as fast as with threads that wait for each other
[ $# != 0 ] || set -- peers decoding attend convolution optimizers events metrics
for name; do
    check "peers/$name" "$PYTHON" "tests/peers/$name.py" "$BUILD"
done
finish
