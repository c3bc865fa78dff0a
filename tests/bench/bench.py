"""Measures the rows of rows.py that BENCH_ROWS names. Sides alternate within the run, each time in a fresh process; the side that
begins alternates too. What counts is the median of the ratios of a round.

Markdown on standard output; build/bench.json and build/bench.svg. Where another program is faster, the status is 1.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

import chart
from ours import MODELS
from rows import ROWS
from workshop import BUILD, COUNTED, PROGRAM, ROUNDS, TOKENS, Workshop


def chosen():
    """(name, model) of BENCH_ROWS: "train ddp:base"; all if it is not set."""
    for word in os.environ.get("BENCH_ROWS", " ".join(ROWS)).split():
        name, _, model = word.partition(":")
        if name not in ROWS:
            sys.exit(f"BENCH_ROWS: {name} is none of {' '.join(ROWS)}")
        if model and model not in MODELS:
            sys.exit(f"BENCH_ROWS: {model} is none of {' '.join(MODELS)}")
        for each in [model] if model else ROWS[name][1]:
            yield name, each


def measure(comparison):
    """Samples of both sides, round by round."""
    sides = [side for side in (comparison.side, comparison.other) if side]
    samples = [[] for _ in sides]
    for i in range(ROUNDS):
        order = range(len(sides)) if i % 2 == 0 else reversed(range(len(sides)))
        for s in order:
            samples[s].append(sides[s]())
    return samples


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(comparison, samples):
    values = [[sample["value"] for sample in side] for side in samples]
    out = {"title": comparison.title, "unit": comparison.unit, "peer": comparison.peer, "note": comparison.note(*samples) if len(samples) == 2 else "",
           "sides": [{"name": name, **spread(v), "samples": side} for name, v, side in zip(comparison.names, values, samples)]}
    if len(values) == 2:
        out["ratio"] = spread([a / b for a, b in zip(*values)])
    return out


def show(values, digits):
    form = f",.{digits}f"
    return f"{values['median']:{form}} ({values['min']:{form}} - {values['max']:{form}})"


def line(entry):
    cells = [f"{entry['title']}, {entry['unit']}"]
    cells += [f"{side['name']}: {show(side, 0 if side['median'] >= 100 else 2)}" for side in entry["sides"]]
    cells += [""] * (3 - len(cells))
    cells += [show(entry["ratio"], 2) if "ratio" in entry else "", entry["note"]]
    return "| " + " | ".join(cells) + " |"


def write(name, text):
    with open(os.path.join(BUILD, name), "w", encoding="utf-8") as f:
        f.write(text)


def main():
    wanted = list(chosen())
    machine = subprocess.run([PROGRAM, "--build-info"], capture_output=True, text=True, check=True).stdout.strip()
    about = [machine, f"{ROUNDS} rounds, training {COUNTED} updates each of micro-batches of at most {TOKENS} tokens a side; median (min - max)"]
    print("; ".join(about) + "\n\n| | | against | ratio | |\n| --- | --- | --- | --- | --- |", flush=True)
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(folder)
        for name, model in wanted:
            for comparison in ROWS[name][0](shop, model):
                entries.append(summary(comparison, measure(comparison)))
                print(line(entries[-1]), flush=True)
                write("bench.json", json.dumps({"about": about, "rows": entries}, indent=1) + "\n")
                write("bench.svg", chart.draw(about, [e for e in entries if "ratio" in e]))
    return int(any(e["peer"] and e["ratio"]["median"] < 1 for e in entries))


if __name__ == "__main__":
    sys.exit(main())
