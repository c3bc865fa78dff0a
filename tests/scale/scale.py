"""Weak and strong scaling, simulated (run.sh): each number of ranks, link and way to sum."""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import lines
from ours import settings
from workshop import BUILD, PROGRAM, number

RANKS = [int(n) for n in os.environ.get("SCALE_RANKS", "16 64 256 1024").split()]
GBIT = [int(n) for n in os.environ.get("SCALE_GBIT", "10 25 100").split()]
SUMS = os.environ.get("SCALE_SUMS", "ordered flat native").split()
NODE_RANKS, THREADS, JOBS = number("SCALE_NODE_RANKS", 8), number("SCALE_THREADS", 2), number("SCALE_JOBS", 2)
SPEEDS = [float(speed) for speed in os.environ.get("SCALE_SPEEDS", "0 0").split()]
MODEL, CORPUS = os.environ.get("SCALE_MODEL", "small"), os.environ["SCALE_CORPUS"]

# Microseconds of a message between nodes: TCP over Ethernet, the same with kernel bypass at 100 Gbit/s.
LATENCY = {1: 50, 10: 30, 25: 20, 100: 5}

# name: tokens a side of a micro-batch; micro-batches of an update, None: one a rank
SCALINGS = {"weak": (4096, None), "strong": (512, 1024)}
CHOSEN = os.environ.get("SCALE_SCALINGS", " ".join(SCALINGS)).split()

# What smpirun would choose otherwise: the machine's own time, a network model of its authors' cluster, and copies of what is
# sent. In CM02 flows share links fairly; the platform's links carry what Ethernet and TCP leave of them.
CONFIG = ["smpi/simulate-computation:no", "network/model:CM02", "network/crosstraffic:no", "smpi/shared-malloc:global",
          "smpi/send-is-detached-thresh:0", "smpi/async-small-thresh:0", "smpi/test:0", "smpi/coll-selector:ompi"]

# Bytes a second of a rank to others of its node, as in train/training/forecast.c.
COPY_BYTES = 4e9

# What `seqtrain plan` tells of, and how it is said there.
PLANNED = {"ordered": [], "flat": ["--comm.node_ranks", 1], "bfloat16": ["--comm.wire", "bfloat16"], "native": ["--comm.reduce", "native"]}


def plan(tokens, micro_batches=1, ranks=1, gbit=GBIT[0], speed=0, sums=()):
    words = [PROGRAM, "plan", *settings(CORPUS, MODEL, micro_batches), "--batch.tokens", tokens, "--comm.threads", THREADS, "--json",
             "--ranks", ranks, "--node-ranks", NODE_RANKS, "--bandwidth", gbit, "--latency", LATENCY[gbit], *sums]
    words += ["--tokens-per-second", speed] if speed else []
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def platform(folder, ranks, gbit):
    """One link a node, the same in both directions at once, and a switch without limits."""
    nodes = -(-ranks // NODE_RANKS)
    write(f"{folder}/hosts", "".join(f"n{rank // NODE_RANKS}\n" for rank in range(ranks)))
    return write(f"{folder}/platform.xml", f"""<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="n" suffix="" radical="0-{nodes - 1}" speed="1Gf" core="{NODE_RANKS}" bw="{gbit * 1e9 / 8 * 0.95:.0f}Bps"
    lat="{LATENCY[gbit] / 2}us" sharing_policy="SPLITDUPLEX" loopback_bw="{NODE_RANKS * COPY_BYTES:.0f}Bps" loopback_lat="1us"/>
</platform>
""")


def simulate(pace, ranks, gbit, sums, slots):
    """Seconds of an update and of its parts."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["smpirun", "-no-privatize", "-np", ranks, "-platform", platform(folder, ranks, gbit), "-hostfile", f"{folder}/hosts"]
        words += [f"--cfg={option}" for option in CONFIG] + ["--log=root.thres:warning"]
        words += [os.path.abspath(f"{BUILD}/scale/simulate"), sums, slots, NODE_RANKS, write(f"{folder}/pace", pace)]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=folder)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    parts = done.stdout.split()
    return {name: float(seconds) for name, seconds in zip(parts[::2], parts[1::2])}


class Case:
    def __init__(self, scaling, ranks, gbit, sums, start):
        tokens, slots = SCALINGS[scaling]
        self.about = {"scaling": scaling, "ranks": ranks, "gbit": gbit, "sums": sums}
        self.pace, self.slots = start["pace"], slots or ranks
        self.tokens, self.gbit, self.speed = tokens, gbit, start["speed"]["rank_tokens_per_second"]

    def run(self):
        pace, ranks = self.pace, self.about["ranks"]
        text = f"floats {pace['floats']:.0f}\nstep {pace['step_seconds']}\n"
        points = [(seconds, f"{name} {place:.0f} {seconds}\n") for name in ("needed", "ready") for place, seconds in pace[name]]
        text += "".join(line for _, line in sorted(points, key=lambda point: point[0]))
        parts = simulate(text, ranks, self.gbit, self.about["sums"], self.slots)
        micro_batch = pace["ready"][-1][1]
        alone = self.slots * micro_batch + pace["step_seconds"]
        out = {**self.about, "parts": parts, "tokens_per_second": self.slots * pace["tokens"] / parts["update"],
               "efficiency": alone / ranks / parts["update"]}
        if self.about["sums"] in PLANNED and self.gbit == min(GBIT): # where most is waited for
            out["plan_seconds"] = self.planned(micro_batch)
        return out

    def planned(self, micro_batch):
        """seqtrain plan, with the micro-batches that are simulated: the corpus may have too few of full length."""
        said = plan(self.tokens, self.slots, self.about["ranks"], self.gbit, self.speed, PLANNED[self.about["sums"]])["speed"]
        return self.slots / self.about["ranks"] * micro_batch + sum(said[f"{part}_seconds"] for part in ("sum", "step", "spread"))


def table(results):
    def of(key):
        return list(dict.fromkeys(r[key] for r in results))

    def cell(scaling, gbit, ranks):
        row = [r for r in results if (r["scaling"], r["gbit"], r["ranks"]) == (scaling, gbit, ranks)]
        return f"{row[0]['tokens_per_second'] / 1e3:,.0f}k: " + " / ".join(f"{100 * r['efficiency']:.0f}" for r in row) + " %"

    head = ["scaling", "Gbit/s"] + [f"{ranks:,} ranks" for ranks in of("ranks")]
    yield f"In each field tokens/s of {of('sums')[0]}, and the share of what the ranks compute alone: {' / '.join(of('sums'))}.\n"
    yield "| " + " | ".join(head) + " |\n|" + " --- |" * len(head)
    for scaling in of("scaling"):
        for gbit in of("gbit"):
            yield "| " + " | ".join([scaling, str(gbit), *(cell(scaling, gbit, ranks) for ranks in of("ranks"))]) + " |"


def main():
    starts = {name: plan(tokens, speed=speed) for (name, (tokens, _)), speed in zip(SCALINGS.items(), SPEEDS)}
    cases = [Case(scaling, ranks, gbit, sums, starts[scaling]) for scaling in CHOSEN for gbit in GBIT for sums in SUMS for ranks in RANKS]
    speeds = " and ".join(f"{start['speed']['rank_tokens_per_second']:,.0f}" for start in starts.values())
    about = (f"{MODEL}, {starts['weak']['parameters']:,.0f} parameters; {NODE_RANKS} ranks of {THREADS} threads a node, each {speeds} tokens/s alone "
             f"with micro-batches of {' and '.join(str(tokens) for tokens, _ in SCALINGS.values())} tokens a side")
    print(about + "\n", flush=True)
    with ThreadPoolExecutor(JOBS) as pool:
        results = list(pool.map(Case.run, cases))
    print("\n".join(table(results)))
    apart = [r["plan_seconds"] / r["parts"]["update"] - 1 for r in results if "plan_seconds" in r]
    if apart:
        print(f"\nAt {min(GBIT)} Gbit/s an update as `seqtrain plan` tells it takes {100 * min(apart):+.1f} to {100 * max(apart):+.1f} % more.")
    write(f"{BUILD}/scale.json", json.dumps({"about": about, "results": results}, indent=1))
    write(f"{BUILD}/scale.svg", lines.draw(about, CHOSEN, results))


if __name__ == "__main__":
    main()
