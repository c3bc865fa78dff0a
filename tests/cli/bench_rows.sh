#!/bin/bash
# What `make bench` and `make scale` make of measurements, from figures made up here: rows, tables, charts. Nothing is timed.
# Where SimGrid is, a cluster of 8 ranks is simulated too.
# shellcheck disable=SC2034,SC2154
. "$(dirname "$0")/folder.bash"
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 0; }
export BUILD=$build PYTHONPATH=$root/tests/bench:$root/tests/scale PYTHONDONTWRITEBYTECODE=1
"$program" generate numbers --output text --lines 300 --test-lines 40 >log 2>&1 &&
    "$program" prepare --source text/train.en --target text/train.de --output train.h5 --vocab-size 100 --joint >>log 2>&1 || fail "$(cat log)"
export SCALE_CORPUS=$folder/train.h5

cat >check.py <<'END'
import os
import subprocess
import xml.etree.ElementTree as xml

os.environ.update(BENCH_ROUNDS="3", SCALE_RANKS="4 8", SCALE_GBIT="10", SCALE_NODE_RANKS="4", SCALE_MODEL="tiny", SCALE_THREADS="1")
import bench
import chart
import lines
import ours
import rows
import scale


def tags(drawing, name):
    return [e for e in xml.fromstring(drawing).iter() if e.tag.endswith("}" + name)]


# Rows: names and models; the sides of a comparison alternate, and its ratios are of rounds.
os.environ["BENCH_ROWS"] = "train ddp:base"
assert list(bench.chosen()) == [("train", "tiny"), ("train", "small"), ("train", "base"), ("train", "gru"), ("train", "lstm"), ("ddp", "base")]
for wrong in "fly", "train:huge":
    os.environ["BENCH_ROWS"] = wrong
    try:
        list(bench.chosen())
        raise AssertionError(wrong)
    except SystemExit as refusal:
        assert "is none of" in str(refusal), refusal
for name, (row, models) in rows.ROWS.items():
    assert callable(row) and set(models) <= set(ours.MODELS), name
order, fast, slow = [], [4000, 6000, 5000], [2000, 2000, 2000]
comparison = rows.Comparison("a & b", "tokens/s", ("seqtrain", "other"), lambda: order.append("a") or {"value": fast[order.count("a") - 1]},
                             lambda: order.append("b") or {"value": slow[order.count("b") - 1]}, lambda a, b: f"{len(a)} of {len(b)}", peer=True)
entry = bench.summary(comparison, bench.measure(comparison))
assert order == list("abbaab"), order
assert bench.line(entry) == ("| a & b, tokens/s | seqtrain: 5,000 (4,000 - 6,000) | other: 2,000 (2,000 - 2,000) | "
                             "2.50 (2.00 - 3.00) | 3 of 3 |"), bench.line(entry)
drawing = chart.draw(["about <it>"], [entry, {**entry, "ratio": {"median": 0.5, "min": 0.4, "max": 0.6}}])
assert len(tags(drawing, "rect")) == 3, drawing  # the ground, and two bars
assert "a & b: seqtrain against other" in [e.text for e in tags(drawing, "text")]

# Settings of every model are settings.
for model in ours.MODELS:
    words = [str(word) for word in ours.settings(os.environ["SCALE_CORPUS"], model)]
    done = subprocess.run([scale.PROGRAM, "train", "--run.directory", model, "--train.until", "start", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

# Scaling: a field for each number of ranks, a line for each link and way to sum.
results = [{"scaling": s, "ranks": n, "gbit": g, "sums": k, "tokens_per_second": 1000.0 * n * e, "efficiency": e}
           for s in ("weak", "strong") for g in (10, 100) for k, e in (("ordered", 0.9), ("flat", 0.75), ("native", 0.5)) for n in (16, 64)]
table = "\n".join(scale.table(results)).split("\n")
assert table[2] == "| scaling | Gbit/s | 16 ranks | 64 ranks |", table
assert table[4] == "| weak | 10 | 14k: 90 / 75 / 50 % | 58k: 90 / 75 / 50 % |", table
assert len(table) == 8, table
drawing = lines.draw("about", ["weak", "strong"], results)
curves = [[tuple(map(float, p.split(","))) for p in e.get("points").split()] for e in tags(drawing, "polyline")]
width, height = map(float, xml.fromstring(drawing).get("viewBox").split()[2:])
assert len(curves) == 12 and all(len(c) == 2 and all(0 < x < width and 0 < y < height for x, y in c) for c in curves), curves
places = [(e.get("x"), e.get("y")) for e in tags(drawing, "text")]
assert len(set(places)) == len(places), "texts lie on each other"
END
python3 check.py >log 2>&1 || fail "$(tail -n 4 log)"

# ---- the simulation itself: alike each time, and what is waited for is waited for ----
command -v smpicc >/dev/null && command -v smpirun >/dev/null || { echo "no simulation: no SimGrid"; exit "$failed"; }
# Its own folder of results; the program where it is.
mkdir -p made && ln -s "$program" made/seqtrain
cd "$root" || exit 1
for link in 1 100; do
    BUILD=$folder/made SCALE_RANKS="4 8" SCALE_GBIT=$link SCALE_NODE_RANKS=4 SCALE_MODEL=tiny SCALE_THREADS=1 SCALE_SPEEDS="20000 20000" SCALE_SCALINGS=weak \
        SCALE_SUMS="ordered flat bfloat16 native native-halving" bash tests/scale/run.sh >"$folder/scale.$link" 2>"$folder/log" ||
        fail "a simulation: $(tail -n 3 "$folder/log")"
    cp "$folder/made/scale.json" "$folder/$link.json"
done
cat >"$folder/compare.py" <<'END'
import json
import sys

slow, fast = ({(r["scaling"], r["ranks"], r["sums"]): r for r in json.load(open(f"{sys.argv[1]}/{link}.json"))["results"]} for link in (1, 100))
assert len(slow) == len(fast) == 10
for case, r in slow.items():
    shares = r["efficiency"], fast[case]["efficiency"]
    assert all(0 < share < 1.01 for share in shares), (case, shares)
    assert min(shares) > 0.95 if case[1] == 4 else shares[0] < 0.96 * shares[1], (case, shares)
# Two nodes, one slow link each: what is added inside them first crosses it once.
ordered, flat = (slow["weak", 8, sums]["parts"] for sums in ("ordered", "flat"))
assert ordered["sum"] < 0.5 * flat["sum"] and ordered["needed"] < 0.5 * flat["needed"], (ordered, flat)
END
python3 "$folder/compare.py" "$folder" || fail "$(cat "$folder/scale.1")"
exit "$failed"
