"""Training speed: seqtrain against PyTorch eager (torch.nn.Transformer's layers, fused Adam), same micro-batches, same threads.

Both sides take one optimiser step per micro-batch and count real tokens of both languages; the first updates, which warm up,
are not counted. Sides alternate within the run; what counts is the median of the ratios: below 1
for any model, the status is 1.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import torch
from torch import nn

from twin import Twin, read_config, sentences

BUILD = sys.argv[1]
PROGRAM = os.path.join(BUILD, "seqtrain")
DUMP = os.path.join(BUILD, "tests/peers/tool_dump")
THREADS = int(os.environ.get("BENCH_THREADS", 2))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
TOKENS, WARM, COUNTED = 4096, 3, 12
MODELS = {
    "tiny": dict(width=128, ffn_width=256, layers=4, heads=4, vocabulary=10000),
    "small": dict(width=256, ffn_width=1024, layers=3, heads=4, vocabulary=8000),
    "base": dict(width=512, ffn_width=2048, layers=6, heads=8, vocabulary=8000),
}


def run(*command, **environment):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stdout}{done.stderr}")


def train_command(folder, model, directory, updates):
    return [PROGRAM, "train", "--run.directory", f"{folder}/{directory}", "--data.train", f"{folder}/corpus.h5", "--batch.tokens", TOKENS,
            "--batch.micro_batches", 1, "--train.until", f"{updates}u" if updates else "start", "--model.width", model["width"], "--model.ffn_width", model["ffn_width"],
            "--model.encoder_layers", model["layers"], "--model.decoder_layers", model["layers"], "--model.heads", model["heads"],
            "--model.dropout", 0.1, "--checkpoint.every", "never"]


def ours(folder, model, round_number):
    """Tokens a second of the counted updates."""
    run(*train_command(folder, model, f"run{round_number}", WARM + COUNTED), OMP_NUM_THREADS=str(THREADS))
    with open(f"{folder}/run{round_number}/metrics.jsonl") as f:
        lines = [line for line in map(json.loads, f) if "tokens_per_second" in line][WARM:]
    tokens = sum(line["tokens"] for line in lines)
    return tokens / sum(line["tokens"] / line["tokens_per_second"] for line in lines)


class Theirs:
    def __init__(self, folder):
        torch.set_num_threads(THREADS)
        options = read_config(f"{folder}/start/last.h5")["model"]
        with h5py.File(f"{folder}/corpus.h5") as f, h5py.File(f"{folder}/batches.h5") as b:
            rows = f["vocabulary/joint/pieces"].shape[0]
            self.batches = [(sentences(b[f"{u}/0"], "source"), sentences(b[f"{u}/0"], "target")) for u in range(WARM + COUNTED)]
        self.twin = Twin(options, (rows, rows), dropout=options["dropout"]).train()
        self.optimizer = torch.optim.Adam(self.twin.parameters(), lr=1e-3, fused=True)

    def speed(self):
        for i, (source, target) in enumerate(self.batches):
            if i == WARM:
                start, tokens = time.perf_counter(), 0
            self.optimizer.zero_grad()
            count = sum(map(len, target))
            (self.twin.loss(source, target, 0.1) / count).backward()
            nn.utils.clip_grad_norm_(self.twin.parameters(), 1.0)
            self.optimizer.step()
            if i >= WARM:
                tokens += count + sum(map(len, source))
        return tokens / (time.perf_counter() - start)


def main():
    slower = False
    print(f"source + target tokens a second, {THREADS} threads, {ROUNDS} rounds, median (min - max)")
    print("| model | seqtrain | PyTorch eager | ratio |\n| --- | --- | --- | --- |")
    for name in os.environ.get("BENCH_MODELS", "tiny small").split():
        model = MODELS[name]
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.environ.get("BENCH_SOURCE"), os.environ.get("BENCH_TARGET")
            vocabulary = model["vocabulary"]
            if not source:
                run(PROGRAM, "generate", "numbers", "--output", folder, "--lines", 40000, "--test-lines", 100)
                source, target, vocabulary = f"{folder}/train.en", f"{folder}/train.de", 300
            run(PROGRAM, "prepare", "--source", source, "--target", target, "--output", f"{folder}/corpus.h5", "--vocab-size", vocabulary, "--joint")
            run(*train_command(folder, model, "start", 0))
            run(DUMP, "batches", f"{folder}/start/last.h5", f"{folder}/corpus.h5", WARM + COUNTED, f"{folder}/batches.h5")
            theirs, pairs = Theirs(folder), []
            for i in range(ROUNDS):
                pairs.append((ours(folder, model, i), theirs.speed()))
            slower = slower or statistics.median(a / b for a, b in pairs) < 1
            show = lambda values, form: f"{statistics.median(values):{form}} ({min(values):{form}} - {max(values):{form}})"
            print(f"| {name} | {show([p[0] for p in pairs], ',.0f')} | {show([p[1] for p in pairs], ',.0f')} | {show([a / b for a, b in pairs], '.2f')} |", flush=True)
    return 1 if slower else 0


sys.exit(main())
