"""seqtrain's side: each measurement is a run of its own."""

import json
import os
import re
import time

from workshop import COUNTED, DUMP, PROGRAM, THREADS, TOKENS, WARM, Process, run

MODELS = {
    "tiny": dict(width=128, ffn_width=256, layers=4, heads=4, pieces=10000),
    "small": dict(width=256, ffn_width=1024, layers=3, heads=4, pieces=8000),
    "base": dict(width=512, ffn_width=2048, layers=6, heads=8, pieces=8000),
    # Bahdanau's attention, an encoder of both ways; without dropout, which PyTorch's side has not.
    "gru": dict(kind="recurrent", cell="gru", width=512, layers=2, pieces=8000, dropout=0),
    "lstm": dict(kind="recurrent", cell="lstm", width=512, layers=2, pieces=8000, dropout=0),
}


def settings(corpus, name, micro_batches=1):
    """The learning rate is constant, as on PyTorch's side."""
    model = {"dropout": 0.1} | MODELS[name]
    layers, _ = model.pop("layers"), model.pop("pieces")
    words = [word for key, value in model.items() for word in (f"--model.{key}", value)]
    return ["--data.train", corpus, "--batch.tokens", TOKENS, "--batch.micro_batches", micro_batches, "--model.encoder_layers", layers,
            "--model.decoder_layers", layers, *words, "--schedule.kind", "constant", "--schedule.warmup", 0]


def launch(ranks):
    return ["mpirun", "-n", ranks] if ranks > 1 else []


def train_command(directory, options, until, ranks=1):
    return [*launch(ranks), PROGRAM, "train", "--run.directory", directory, "--train.until", until, *options]


def metrics(directory):
    """Those of the updates so far."""
    with open(f"{directory}/metrics.jsonl") as f:
        return [line for line in map(json.loads, f) if "tokens_per_second" in line]


def train(shop, options, ranks=1, threads=THREADS):
    """Speed of the counted updates."""
    options = ["--checkpoint.every", "never", *options]
    with shop.passing("run") as directory:
        done = run(*train_command(directory, options, f"{WARM + COUNTED}u", ranks), threads=threads)
        lines = metrics(directory)
    counted = lines[WARM:]
    seconds = sum(line["tokens"] / line["tokens_per_second"] for line in counted)
    return {"value": sum(line["tokens"] for line in counted) / seconds, "updates_per_second": len(counted) / seconds, "peak": done.peak,
            "loss": lines[-1]["loss"]}


PAUSE = re.compile(r"updates paused for ([0-9.]+) s to save")


def train_whole(shop, options, updates):
    """Speed over all that a run takes, saving too; how long each save beside the updates held them up."""
    with shop.passing("run") as directory:
        done = run(*train_command(directory, [*options, "--log.level", "detail"], f"{updates}u"))
        tokens = sum(line["tokens"] for line in metrics(directory))
        with open(f"{directory}/log.txt", encoding="utf-8") as f:
            pauses = [float(seconds) for seconds in PAUSE.findall(f.read())]
    return {"value": tokens / done.seconds, "seconds": done.seconds, "pauses": pauses}


def state_bytes(shop, options):
    """Of parameters and both moments, as `seqtrain info` counts the parameters."""
    directory = shop.path("start")
    run(*train_command(directory, options, "start"))
    return 3 * 4 * json.loads(run(PROGRAM, "info", directory, "--json").output)["parameters"]


def copy_seconds(size):
    """Of so many bytes in memory, to where something was before: the fastest of five."""
    source, target, seconds = bytearray(b"1") * size, bytearray(b"2") * size, []
    for _ in range(5):
        start = time.perf_counter()
        target[:] = source
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bench(shop, options):
    """`seqtrain bench`: speed, share of the limit, memory by label."""
    done = run(PROGRAM, "bench", "--folder", shop.folder, "--warm-up", WARM, "--updates", COUNTED, "--json", *options)
    report = json.loads(done.output[done.output.index("{"):])
    return {"value": report["tokens_per_second"], "share": report["share_of_limit"], "step": report["memory"]["model step"]}


def start_up(shop, options, ranks):
    """Seconds from the start of mpirun to the start of the first update."""
    with shop.passing("run") as directory:
        process, path = Process(train_command(directory, options, "1u", ranks), threads=1), f"{directory}/metrics.jsonl"
        while process.running() and not (os.path.exists(path) and os.path.getsize(path)):
            time.sleep(0.002)
        seen = time.perf_counter() - process.start
        process.wait()
        first = metrics(directory)[0]
    return {"value": seen - first["tokens"] / first["tokens_per_second"]}


def first_batches(shop, corpus, options, path):
    """Writes the micro-batches of the measured updates to `path`; the initial checkpoint."""
    directory = shop.path("start")
    run(*train_command(directory, options, "start"))
    run(DUMP, "batches", f"{directory}/last.h5", corpus, WARM + COUNTED, path)
    return f"{directory}/last.h5"


def translate_command(model, text, out, options):
    return [PROGRAM, "translate", model, "--input", text, "--output", out, "--parameters", "raw", "--batch", 64, "--max-length-ratio", 0, *options]


def translate(command, empty_command, tokens):
    """Target tokens a second, </s> too; what the same takes on an empty file is not counted."""
    idle = run(*empty_command).seconds
    done = run(*command)
    return {"value": tokens / (done.seconds - idle), "peak": done.peak}


def prepare(shop, corpus, text, threads):
    """Megabytes of text a second, with start and end of the program; the vocabulary is that of `corpus`."""
    out = shop.path("corpus")
    done = run(PROGRAM, "prepare", "--source", text[0], "--target", text[1], "--vocab", corpus, "--output", out, threads=threads)
    os.remove(out)
    return {"value": sum(map(os.path.getsize, text)) / done.seconds / 1e6, "peak": done.peak}
