"""op_convolution against torch.nn.Conv2d: the result and every gradient."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

TOOL = os.path.join(sys.argv[1], "tests/peers/tool_convolution")
LIMIT = 1e-5
CASES = [  # images, height, width, channels, out, kernel, stride, padding
    (1, 1, 1, 1, 1, 1, 1, 0), (3, 8, 6, 3, 5, 3, 1, 1), (20, 32, 32, 3, 16, 3, 2, 1), (5, 7, 9, 4, 6, 5, 2, 2), (2, 60, 40, 32, 64, 3, 1, 1)]


def ours(case, x, weight, bias, gradient):
    """The result and the gradients of x, weight and bias; images as [images, height, width, channels]."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in", "wb") as f:
            f.write(np.array(case, np.int32).tobytes() + b"".join(t.contiguous().numpy().tobytes() for t in (x, weight, bias, gradient)))
        done = subprocess.run([TOOL, f"{folder}/in", f"{folder}/out"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{TOOL} ended with {done.returncode}: {done.stderr}")
        values, parts = torch.from_numpy(np.fromfile(f"{folder}/out", np.float32)), []
        for like in (gradient, x, weight, bias):
            parts.append(values[:like.numel()].reshape(like.shape))
            values = values[like.numel():]
        return parts


def compare(case):
    images, height, width, channels, out, kernel, stride, padding = case
    module = nn.Conv2d(channels, out, kernel, stride, padding)
    x = torch.randn(images, channels, height, width, requires_grad=True)
    y = module(x)
    gradient = torch.randn_like(y)
    y.backward(gradient)

    def last(t):
        return t.detach().permute(0, 2, 3, 1)

    theirs = (last(y), last(x.grad), module.weight.grad, module.bias.grad)
    found = ours(case, last(x), module.weight.detach(), module.bias.detach(), last(gradient))
    good = True
    for name, a, b in zip(("result", "gradient of x", "gradient of weight", "gradient of bias"), found, theirs):
        difference = ((a - b).abs().max() / b.abs().max()).item()
        good &= difference <= LIMIT  # NaN is not
        print(f"  {'ok  ' if difference <= LIMIT else 'FAIL'}  Conv2d {case}: {name}: {difference:.2e} (limit {LIMIT:.0e})", flush=True)
    return good


torch.manual_seed(5)
sys.exit(not all([compare(case) for case in CASES]))
