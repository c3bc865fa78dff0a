"""seqtrain's optimisers against torch.optim: the same parameters and gradients, 20 updates.

LAMB has no peer in torch: its twin stands here, from the paper.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

TOOL = os.path.join(sys.argv[1], "tests/peers/tool_optimizer")
SHAPES = [(70, 130), (3, 5000), (130,), (1, 7)]
UPDATES, RATE, LIMIT = 20, 0.01, 1e-5


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with phi the identity."""

    def __init__(self, parameters, lr, betas, eps, weight_decay):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), state = group["betas"], self.state
            for p in group["params"]:
                s = state[p]
                if not s:
                    s.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                s["t"] += 1
                s["m"] = beta1 * s["m"] + (1 - beta1) * p.grad
                s["v"] = beta2 * s["v"] + (1 - beta2) * p.grad ** 2
                u = s["m"] / (1 - beta1 ** s["t"]) / ((s["v"] / (1 - beta2 ** s["t"])).sqrt() + group["eps"]) + group["weight_decay"] * p
                p -= group["lr"] * p.norm() / u.norm() * u


def adam(kind, decay):
    make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return lambda p: make(p, lr=RATE, betas=(0.9, 0.98), eps=1e-9, weight_decay=decay)


# Adafactor of torch multiplies the rate by max(eps[1], rms(p)) and caps it at 1 / sqrt(t): 1 for the small values here, and no cap.
CASES = [("adam", {}, adam("adam", 0)), ("adam", {"weight_decay": 0.1}, adam("adam", 0.1)), ("adamw", {"weight_decay": 0.1}, adam("adamw", 0.1)),
         ("sgd", {}, lambda p: torch.optim.SGD(p, lr=RATE)),
         ("sgd", {"momentum": 0.9, "weight_decay": 0.1}, lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, weight_decay=0.1)),
         ("sgd", {"momentum": 0.9, "nesterov": "true", "weight_decay": 0.1},
          lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, nesterov=True, weight_decay=0.1)),
         ("adagrad", {"weight_decay": 0.1, "epsilon": 1e-10}, lambda p: torch.optim.Adagrad(p, lr=RATE, weight_decay=0.1, eps=1e-10)),
         ("adafactor", {}, lambda p: torch.optim.Adafactor(p, lr=RATE, eps=(1e-30, 1.0), weight_decay=0)),
         ("adafactor", {"weight_decay": 0.1}, lambda p: torch.optim.Adafactor(p, lr=RATE, eps=(1e-30, 1.0), weight_decay=0.1)),
         ("lamb", {}, lambda p: Lamb(p, RATE, (0.9, 0.98), 1e-9, 0)),
         ("lamb", {"weight_decay": 0.1}, lambda p: Lamb(p, RATE, (0.9, 0.98), 1e-9, 0.1))]


def compare(folder, kind, settings, make):
    torch.manual_seed(7)
    start = [0.3 * torch.randn(shape) for shape in SHAPES]
    gradients = [[torch.randn(shape) * 10.0 ** -i for i, shape in enumerate(SHAPES)] for _ in range(UPDATES)]
    with open(f"{folder}/in", "wb") as f:
        for tensor in start + [g for update in gradients for g in update]:
            f.write(tensor.numpy().tobytes())
    words = [TOOL, f"{folder}/in", f"{folder}/out", UPDATES, *("x".join(map(str, s)) for s in SHAPES), "--", "--optimizer.kind", kind,
             "--optimizer.learning_rate", RATE]
    for key, value in settings.items():
        words += [f"--optimizer.{key}", value]
    subprocess.run([str(w) for w in words], check=True)
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in start]
    optimizer = make(parameters)
    for update in gradients:
        for parameter, gradient in zip(parameters, update):
            parameter.grad = gradient.clone()
        optimizer.step()
    ours = torch.from_numpy(np.fromfile(f"{folder}/out", np.float32))
    theirs = torch.cat([p.detach().flatten() for p in parameters])
    moved = (theirs - torch.cat([s.flatten() for s in start])).abs().max().item()
    difference = (ours - theirs).abs().max().item()
    good = difference <= LIMIT and moved > 100 * LIMIT
    print(f"  {'ok  ' if good else 'FAIL'}  {kind} {settings or ''}: {difference:.2e} (limit {LIMIT:.0e}, moved {moved:.2g})", flush=True)
    return good


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(folder, *case) for case in CASES]
    print(f"{sum(results)} optimisers passed, {len(results) - sum(results)} failed")
    sys.exit(not all(results))


main()
