"""The table of what is measured. A row prepares what its sides need, and yields comparisons, each measured before the next
is asked for; to add one, write its function and name it in ROWS.
"""

import os
import statistics
from dataclasses import dataclass
from typing import Callable, Optional

import ours
import theirs
from workshop import LINES, LONG, THREADS, number

RANKS = [int(n) for n in os.environ.get("BENCH_RANKS", "2").split()]
TEXT_BYTES = 40e6  # of prepare
LONGEST = 100  # target tokens of a translation


@dataclass
class Comparison:
    """A side is called once a round and returns {"value": ..., and what `note` shows of it}."""

    title: str
    unit: str
    names: tuple  # of the sides
    side: Callable
    other: Optional[Callable] = None
    note: Callable = lambda side, other: ""  # of the samples of both
    peer: bool = False  # the other side is another program: being slower is a failure


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def megabytes(samples, key="peak"):
    return f"{median(samples, key) / 1e6:,.0f} MB"


def resident(side, other):
    return f"resident at most {megabytes(side)} against {megabytes(other)}"


def train(shop, model):
    corpus = shop.corpus(ours.MODELS[model]["pieces"])
    options = ours.settings(corpus, model)
    batches = shop.path("batches")
    checkpoint = ours.first_batches(shop, corpus, options, batches)
    share = ours.bench(shop, options)["share"]
    yield Comparison(
        f"training, {model}, 1 process of {THREADS} threads", "tokens/s", ("seqtrain", "PyTorch eager"),
        lambda: ours.train(shop, options), lambda: theirs.train(shop, checkpoint, batches),
        lambda a, b: f"{100 * share:.0f} % of the limit; {resident(a, b)}", peer=True)


def ddp(shop, model):
    for ranks in RANKS:
        corpus = shop.corpus(ours.MODELS[model]["pieces"])
        options = ours.settings(corpus, model, ranks)
        batches = shop.path("batches")
        checkpoint = ours.first_batches(shop, corpus, options, batches)
        yield Comparison(
            f"training, {model}, {ranks} processes of 1 thread", "tokens/s", ("seqtrain", "PyTorch DDP (gloo)"),
            lambda: ours.train(shop, options, ranks, 1), lambda: theirs.train(shop, checkpoint, batches, ranks, 1), resident, peer=True)


def scaling(shop, model):
    for ranks in RANKS:
        options = ours.settings(shop.corpus(ours.MODELS[model]["pieces"]), model, ranks)
        yield Comparison(
            f"training, {model}, ranks of 1 thread, {ranks} micro-batches an update", "tokens/s", (f"{ranks} ranks", "1 rank"),
            lambda: ours.train(shop, options, ranks, 1), lambda: ours.train(shop, options, 1, 1))


def reduce(shop, model):
    for ranks in RANKS:
        options = ours.settings(shop.corpus(ours.MODELS[model]["pieces"]), model, ranks)
        yield Comparison(
            f"comm.reduce, {model}, {ranks} ranks of 1 thread", "tokens/s", ("ordered", "native"),
            lambda: ours.train(shop, [*options, "--comm.reduce", "ordered"], ranks, 1),
            lambda: ours.train(shop, [*options, "--comm.reduce", "native"], ranks, 1))


def trained(shop, model):
    """A model that says something: BENCH_MODEL, or one trained for some updates."""
    if "BENCH_MODEL" in os.environ:
        path = os.environ["BENCH_MODEL"]
        return f"{path}/last.h5" if os.path.isdir(path) else path
    directory, updates = shop.path("trained"), number("BENCH_TRAIN_UPDATES", 400)
    options = [*ours.settings(shop.corpus(ours.MODELS[model]["pieces"]), model), "--schedule.warmup", updates // 4, "--checkpoint.every", "never"]
    ours.run(*ours.train_command(directory, options, f"{updates}u"))
    return f"{directory}/last.h5"


def agreement(path, other):
    """How many lines have the same pieces, in words; the target tokens of the first file, </s> too."""
    with open(path, encoding="utf-8") as a, open(other, encoding="utf-8") as b:
        lines, others = a.read().split("\n")[:-1], b.read().split("\n")[:-1]
    same = sum(x.split() == y.split() for x, y in zip(lines, others, strict=True))
    return f"{same:,} of {len(lines):,} lines translated alike", sum(len(line.split()) + 1 for line in lines)


# name, beam, alpha of scores that are divided by length^alpha. Divided, the searches end by different rules: CTranslate2's when it has as
# many translations as the beam is wide, seqtrain's when no other could be better: not the same work.
SEARCHES = [("greedy", 1, 0), ("beam 5", 5, 0), ("beam 5, scores divided by length", 5, 1)]


def translate(shop, model):
    checkpoint = trained(shop, model)
    folder, text, empty = theirs.convert(shop, checkpoint), shop.first_lines(LINES), shop.path("empty")
    open(empty, "w").close()
    model = "BENCH_MODEL" if "BENCH_MODEL" in os.environ else model
    for name, beam, alpha in SEARCHES:
        out, pieces = shop.path("theirs"), shop.path("ours")
        options = ["--beam", beam, "--length-alpha", alpha, "--max-length-extra", LONGEST]
        ours.run(*ours.translate_command(checkpoint, text, pieces, [*options, "--pieces"]))
        theirs.translate(folder, text, beam, alpha, LONGEST, out)
        alike, tokens = agreement(pieces, out)
        commands = [ours.translate_command(checkpoint, path, shop.path("text"), options) for path in (text, empty)]
        yield Comparison(
            f"translation, {name}, {model}, {THREADS} threads", "target tokens/s", ("seqtrain", "CTranslate2 float32"),
            lambda: ours.translate(*commands, tokens), lambda: theirs.translate(folder, text, beam, alpha, LONGEST, out),
            lambda a, b: f"{alike}; {resident(a, b)}", peer=alpha == 0)


def recompute(shop, model):
    options = ours.settings(shop.corpus(ours.MODELS[model]["pieces"]), model)

    def note(on, off):
        return (f"{median(off, 'value') / median(on, 'value'):.2f} times the time; memory of a step {megabytes(on, 'step')} against "
                f"{megabytes(off, 'step')}")

    yield Comparison(
        f"train.recompute, {model}, {THREADS} threads", "tokens/s", ("on", "off"),
        lambda: ours.bench(shop, [*options, "--train.recompute"]), lambda: ours.bench(shop, options), note)


def prepare(shop, model):
    """spm_encode knows no threads; SentencePiece's library does."""
    corpus, text = shop.corpus(ours.MODELS[model]["pieces"]), shop.repeated(TEXT_BYTES)
    for threads, others in sorted({(1, 1), (THREADS, 1), (THREADS, THREADS)}):
        yield Comparison(
            f"prepare, {TEXT_BYTES / 1e6:.0f} MB (the text over and over), threads: {threads} and {others}", "MB/s", ("seqtrain", "SentencePiece and h5py"),
            lambda: ours.prepare(shop, corpus, text, threads), lambda: theirs.prepare(shop, corpus, text, others), resident, peer=True)


def saving(shop, model):
    """Long enough for several checkpoints; both sides save at the end. One round takes two runs."""
    if not LONG:
        return
    options = ours.settings(shop.corpus(ours.MODELS[model]["pieces"]), model)
    size = ours.state_bytes(shop, options)
    updates = max(1, int(number("BENCH_LONG_SECONDS", 300) * ours.train(shop, options)["updates_per_second"]))

    def note(on, off):
        pauses, copy = [pause for sample in on for pause in sample["pauses"]], ours.copy_seconds(size)
        told = f"{len(pauses)} pauses, median {statistics.median(pauses):.3f} s, {statistics.median(pauses) / copy:.1f} times a copy of " \
               f"{size / 1e6:,.0f} MB in memory ({copy:.3f} s)" if pauses else "no save beside updates"
        return f"runs of {median(on, 'seconds'):.0f} s against {median(off, 'seconds'):.0f} s; {told}"

    yield Comparison(
        f"checkpoint.every 60s, compression 1, {model}, {updates} updates with start and end", "tokens/s", ("60s", "never"),
        lambda: ours.train_whole(shop, [*options, "--checkpoint.every", "60s", "--checkpoint.compression", 1], updates),
        lambda: ours.train_whole(shop, [*options, "--checkpoint.every", "never"], updates), note)


def start(shop, model):
    corpus, pairs = shop.corpus(ours.MODELS[model]["pieces"]), "the corpus of the other rows"
    if LONG:
        pairs = "1,000,000 generated pairs"
        corpus = shop.prepare(*shop.generate(1000000), 300)
    options = [*ours.settings(corpus, model, 2), "--checkpoint.every", "never"]
    yield Comparison(f"from mpirun -n 2 to the first update, {model}, {pairs}", "s", ("seqtrain",), lambda: ours.start_up(shop, options, 2))


# name: its function, and the models if none are named
ROWS = {
    "train": (train, ["tiny", "small", "base", "gru", "lstm"]),
    "ddp": (ddp, ["small"]),
    "scaling": (scaling, ["small"]),
    "reduce": (reduce, ["small"]),
    "translate": (translate, ["small"]),
    "recompute": (recompute, ["base"]),
    "prepare": (prepare, ["small"]),
    "saving": (saving, ["base"]),
    "start": (start, ["base"]),
}
