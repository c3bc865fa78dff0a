"""TensorBoard's own reader on the event files of runs: every value of metrics.jsonl, once, also after a crash.

  events.py BUILD
"""

import json
import os
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PROGRAM = os.path.abspath(os.path.join(sys.argv[1], "seqtrain"))
TRAIN = {"train/loss": "loss", "train/learning_rate": "learning_rate", "train/gradient_norm": "gradient_norm"}
VALID = {f"valid/{metric}": f"valid_{metric}" for metric in ("loss", "perplexity", "accuracy", "bleu", "chrf++")}
SETTINGS = """data: {train: c.h5, valid: v.h5}
model: {width: 16, encoder_layers: 1, decoder_layers: 1, heads: 2, ffn_width: 32}
batch: {tokens: 160}
train: {until: 20u}
validate: {every: 4u, metrics: [bleu, chrf++]}
checkpoint: {every: 5u}
"""
failed = 0


def run(*command, status=0, fault=None):
    environment = dict(os.environ, **({"SEQTRAIN_FAULT": fault} if fault else {}))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != status:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}: {done.stdout}{done.stderr}")


def expect(what, good, found=""):
    global failed
    failed += not good
    print(f"  {'ok  ' if good else 'FAIL'}  {what} {'' if good else found}", flush=True)


def check(name):
    """What TensorBoard shows of a run is what metrics.jsonl holds."""
    reader = EventAccumulator(name, size_guidance={"scalars": 0})
    reader.Reload()
    with open(f"{name}/metrics.jsonl") as lines:
        records = [json.loads(line) for line in lines]
    for tag, key in (TRAIN | VALID).items():
        wanted = [(r["update"], r[key]) for r in records if key in r]
        found = [(e.step, e.value) for e in reader.Scalars(tag)]
        near = len(wanted) == len(found) and len(wanted) > 0 and all(
            a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 * abs(a[1]) + 1e-12 for a, b in zip(wanted, found))
        expect(f"{name}: {tag}, {len(wanted)} values", near, f"expected {wanted}, found {found}")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("c.yaml", "w") as file:
        file.write(SETTINGS)
    run(PROGRAM, "generate", "numbers", "--output", "text", "--lines", "300", "--test-lines", "40")
    run(PROGRAM, "prepare", "--source", "text/train.en", "--target", "text/train.de", "--output", "c.h5", "--vocab-size",
        "100", "--joint")
    run(PROGRAM, "prepare", "--source", "text/valid.en", "--target", "text/valid.de", "--output", "v.h5", "--vocab", "c.h5")
    train = (PROGRAM, "train", "c.yaml", "--run.directory")
    run(*train, "straight")
    check("straight")
    run(*train, "killed", status=-9, fault="kill:9:0")  # goes back to update 8 or before
    run(*train, "killed")
    check("killed")
    run(*train, "without", "--no-log.tensorboard")
    expect("--no-log.tensorboard: no file", not [f for f in os.listdir("without") if f.startswith("events")])
sys.exit(failed > 0)
