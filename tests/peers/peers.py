"""seqtrain against PyTorch: logits, every gradient, 20 Adam updates, also with guided alignment, attention and R-Drop alone; and its files as h5py sees them.

Each comparison prints its largest difference beside its limit; any over the limit fails the whole.
"""

import itertools
import json
import os
import random
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from torch import nn

from philox import INPUT, uniform
from recurrent_twin import RecurrentTwin
from source_twin import source_of
from twin import Twin, guide_of, read_config, sentences

BUILD = sys.argv[1]
PROGRAM = os.path.join(BUILD, "seqtrain")
DUMP = os.path.join(BUILD, "tests/peers/tool_dump")
FRAMES = os.path.join(BUILD, "tests/io/tool_frames")
passed = failed = 0


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def report(what, difference, limit):
    global passed, failed
    good = difference <= limit  # NaN is not
    passed, failed = passed + good, failed + (not good)
    print(f"  {'ok  ' if good else 'FAIL'}  {what}: {difference:.2e} (limit {limit:.0e})", flush=True)


def expect(what, faults):
    """`faults` lists what is wrong, one text each."""
    global passed, failed
    passed, failed = passed + (not faults), failed + bool(faults)
    print(f"  {'FAIL' if faults else 'ok  '}  {what}{': ' if faults else ''}{'; '.join(faults[:5])}", flush=True)


def datasets(path):
    """{name: (shape, type)} of all datasets of a file, and the names of those without a description."""
    found, bare = {}, []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = (item.shape, item.dtype.kind + str(item.dtype.itemsize))
            if not item.attrs.get("description"):
                bare.append(name)

    with h5py.File(path) as f:
        f.visititems(visit)
    return found, bare


def look(what, path, wanted):
    """Exactly these datasets, of these shapes and types (S: bytes of any length), each with a description."""
    found, bare = datasets(path)
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"{name} was not expected" for name in sorted(found.keys() - wanted.keys())]
    faults += [f"{name} has no description" for name in bare]
    for name in wanted.keys() & found.keys():
        shape, kind = found[name]
        if wanted[name][0] not in (shape, None) or not kind.startswith(wanted[name][1]):
            faults.append(f"{name} is {shape} {kind} instead of {wanted[name]}")
    expect(f"{what}: {len(found)} datasets as h5py sees them", faults)


PIECES = {"joint": 110, "separate": 60}


def look_at_corpus(folder, kind, points=None):
    """points: of its alignment."""
    wanted = {"pairs": ((), "i8"), "fingerprint": ((), "S"), "skipped/line": ((0,), "i8"), "skipped/reason": ((0,), "S")}
    for side in ("source", "target"):
        with open(f"{folder}/{side}") as f:
            text = f.read()
        lines, tables = text.count("\n"), "vocabulary/" + (side if kind == "separate" else "joint")
        with h5py.File(f"{folder}/{kind}.h5") as f:
            tokens, offsets, pieces = f[f"{side}/tokens"][:], f[f"{side}/offsets"][:], f[f"{tables}/pieces"][:]
        expect(f"corpus, {kind}: {side} sentences are token ids that end with </s>",
               [] if np.array_equal(offsets[1:] - 1, np.flatnonzero(tokens == 0)) and tokens.max() < len(pieces) else ["they are not"])
        wanted[f"{side}/tokens"] = ((offsets[-1],), "i4")
        wanted[f"{side}/offsets"] = ((lines + 1,), "i8")
        wanted[f"{tables}/model"] = (None, "u1")
        wanted[f"{tables}/pieces"] = (None, "S")
    wanted["target/text"] = ((len(text) - lines,), "u1")
    wanted["target/text_offsets"] = ((lines + 1,), "i8")
    if points is not None:
        wanted["alignment/points"], wanted["alignment/offsets"] = (points.shape, "i4"), ((lines + 1,), "i8")
        with h5py.File(f"{folder}/{kind}.h5") as f:
            expect(f"corpus, {kind}: points are those of the words", [] if np.array_equal(f["alignment/points"][:], points) else ["they are not"])
    look(f"corpus, {kind}", f"{folder}/{kind}.h5", wanted)


def look_at_checkpoint(name, path, twin, joint):
    wanted = {f"state/{key}": ((), "i8") for key in ("update", "epoch", "update_in_epoch", "tokens", "seed", "micro_batches", "best_update", "tokens_in_epoch",
                                                     "moments_from", "plateau_cuts", "skipped", "skipped_in_a_row",
                                                     "validated_update")}
    wanted |= {"state/best_metric": ((), "f8"), "config": ((), "S"), "code/version": ((), "S"), "corpus/fingerprint": ((), "S")}
    wanted |= {f"vocabulary/{side}/model": (None, "u1") for side in (("joint",) if joint else ("source", "target"))}
    for parameter, shape in twin.shapes().items():
        wanted |= {f"{group}/{parameter}": (shape, "f4") for group in ("model", "optimizer/m", "optimizer/v")}
    look(f"{name}: checkpoint", path, wanted)


def corpus(folder):
    """Two made-up languages whose sentences differ in length within a batch."""
    words = random.Random(5)
    lines, links, points = [[], []], [], []
    for _ in range(400):
        line = [words.randrange(60) for _ in range(words.randint(1, 20))]
        lines[0].append(" ".join(f"s{w}" for w in line))
        lines[1].append(" ".join(f"t{w}" for w in reversed(line) if w % 7))
        if not lines[1][-1]:
            lines[1][-1] = "t0"
        # Every third word is aligned with its neighbour, too, every fifth with none.
        kept = [i for i in reversed(range(len(line))) if line[i] % 7]
        own = [(s, t) for t, i in enumerate(kept) if t % 5 for s in range(i, min(i + 1 + (t % 3 == 0), len(line)))]
        links.append(" ".join(f"{s}-{t}" for s, t in words.sample(own, len(own))))
        points += own
    for side, name in ((0, "source"), (1, "target")):
        with open(f"{folder}/{name}", "w") as f:
            f.write("\n".join(lines[side]) + "\n")
    with open(f"{folder}/links", "w") as f:
        f.write("\n".join(links) + "\n")
    run(PROGRAM, "prepare", "--source", f"{folder}/source", "--target", f"{folder}/target", "--output", f"{folder}/guided.h5",
        "--vocab-kind", "word", "--vocab-size", 130, "--joint", "--alignments", f"{folder}/links")  # no unknown words, which may be one token
    look_at_corpus(folder, "guided", np.array(points, np.int32))
    for kind in PIECES:
        run(PROGRAM, "prepare", "--source", f"{folder}/source", "--target", f"{folder}/target", "--output", f"{folder}/{kind}.h5",
            "--vocab-kind", "word", "--vocab-size", PIECES[kind], f"--{kind}")
        look_at_corpus(folder, kind)


def other_sources(folder):
    """The same text as frames, and pictures with captions."""
    run(FRAMES, f"{folder}/source", f"{folder}/source-frames.h5")
    run(PROGRAM, "prepare", "--source-features", f"{folder}/source-frames.h5:/frames:/offsets", "--target", f"{folder}/target",
        "--output", f"{folder}/frames.h5", "--vocab-kind", "word", "--vocab-size", 60)
    run(PROGRAM, "generate", "shapes", "--output", f"{folder}/shapes", "--lines", 300, "--test-lines", 1)
    run(PROGRAM, "prepare", "--source-images", f"{folder}/shapes/train.images", "--image-size", "12x20", "--target", f"{folder}/shapes/train.en",
        "--output", f"{folder}/images.h5", "--vocab-kind", "word", "--vocab-size", 40)


UPDATES, SLOTS, TOKENS, RATE, SMOOTHING, CLIP = 20, 3, 200, 0.002, 0.1, 1.0


def train(folder, name, corpus_file, model, updates, guide=None):
    command = [PROGRAM, "train", "--run.directory", f"{folder}/{name}", "--data.train", corpus_file, "--batch.tokens", TOKENS,
               "--batch.micro_batches", SLOTS, "--optimizer.kind", "adam", "--optimizer.learning_rate", RATE, "--schedule.kind", "constant",
               "--schedule.warmup", 0, "--train.clip_norm", CLIP, "--train.label_smoothing", SMOOTHING, "--train.until", f"{updates}u" if updates else "start",
               "--model.width", 32, "--model.encoder_layers", 2, "--model.decoder_layers", 2, "--model.dropout", 0, "--model.attention_dropout", 0]
    if model.get("kind") != "recurrent":
        command += ["--model.heads", 4, "--model.ffn_width", 48, "--model.activation_dropout", 0]
    for key, value in model.items():
        command += [f"--model.{key}", value]
    if guide:
        command += ["--train.guided_alignment", guide, "--train.guided_weight", 0.5]
    run(*command)
    return f"{folder}/{name}/last.h5"


def load(path):
    options = read_config(path)
    with h5py.File(path) as f:
        values = {}
        source = source_of(options["model"], f)
        f["model"].visititems(lambda name, item: values.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    read = values.__getitem__
    rows = [len(values.get(f"{side}/embedding/weight", values.get("embedding/weight", ()))) for side in ("source", "target")]
    kind = RecurrentTwin if options["model"]["kind"] == "recurrent" else Twin
    twin = kind(options["model"], rows, source=source)
    twin.load(read)
    return options, twin, values, source


def compare_gradients(what, path, twin, names):
    theirs = twin.gradients()
    with h5py.File(path) as ours:
        worst = max(((theirs[n] - torch.from_numpy(ours["gradient/" + n][:]).reshape(theirs[n].shape)).abs().max() / theirs[n].abs().max().clamp_min(1e-12)).item()
                    for n in names)
    report(f"{what}: worst of {len(names)} gradients, relative to its largest entry", worst, 1e-4)
    twin.zero_grad()


def compare_sampled(folder, name, start, twin, source, target, names):
    """Scheduled sampling: the twin draws its inputs by the same random numbers."""
    offsets = np.cumsum([0] + [len(t) for t in target])

    for rate in (0.5, 1):
        drawn = [0, 0]

        def draw(t, ids, logits):
            ids = ids.clone()
            for i, sentence in enumerate(target):
                token = int(offsets[i]) + t
                if t < len(sentence) and uniform(INPUT, 0, 0, 0, 0, token) < rate:
                    sums = logits[i].double().softmax(0).cumsum(0)
                    own = int(torch.searchsorted(sums, uniform(INPUT, 0, 0, 0, 1, token), right=True))
                    drawn[:] = drawn[0] + 1, drawn[1] + (own != ids[i])
                    ids[i] = own
            return ids

        twin.loss(source, target, SMOOTHING, draw=draw).backward()
        run(DUMP, "gradients", start, f"{folder}/{name}.batches.h5", f"{folder}/{name}.sampled.h5", rate)
        compare_gradients(f"{name}: scheduled sampling, {drawn[0]} inputs of {offsets[-1] - len(target)} drawn, {drawn[1]} others than the target's",
                          f"{folder}/{name}.sampled.h5", twin, names)


def compare(folder, name, model, guide=None, corpus_kind=None):
    """One configuration: logits and gradients of a micro-batch, then the losses of 20 updates. guide: a kind of guided alignment."""
    corpus_file = f"{folder}/{corpus_kind or ('guided' if guide else 'joint' if model['tie'] == 'all' else 'separate')}.h5"
    start = train(folder, name, corpus_file, model, 0, guide)
    run(DUMP, "batches", start, corpus_file, UPDATES, f"{folder}/{name}.batches.h5")
    run(DUMP, "gradients", start, f"{folder}/{name}.batches.h5", f"{folder}/{name}.gradients.h5")
    options, twin, values, reads = load(start)
    look_at_checkpoint(name, start, twin, model["tie"] == "all")
    with h5py.File(f"{folder}/{name}.batches.h5") as batches, h5py.File(f"{folder}/{name}.gradients.h5") as ours:
        first = batches["0/0"]
        source, target = sentences(first, "source", reads), sentences(first, "target")
        logits, labels = twin(source, target)
        packed = logits[labels != -100]
        report(f"{name}: logits", (packed.detach() - torch.from_numpy(ours["logits"][:])).abs().max().item(), 1e-4)
        twin.loss(source, target, SMOOTHING, guide_of(options, first)).backward()
        theirs = twin.gradients()
        missing = [n for n in sorted(values.keys() | theirs.keys()) if n not in values or theirs.get(n) is None]
        expect(f"{name}: every parameter has a gradient, and a twin with one", missing)
        names = [n for n in values if n not in missing]
        compare_gradients(name, f"{folder}/{name}.gradients.h5", twin, names)
        if model.get("kind") == "recurrent" and not guide:
            compare_sampled(folder, name, start, twin, source, target, names)
        optimizer = torch.optim.Adam(twin.parameters(), lr=RATE, betas=(options["optimizer"]["beta1"], options["optimizer"]["beta2"]),
                                     eps=options["optimizer"]["epsilon"])
        theirs = []
        for update in range(UPDATES):
            optimizer.zero_grad()
            total, tokens = 0.0, 0
            for slot in batches[str(update)].values():
                source, target = sentences(slot, "source", reads), sentences(slot, "target")
                loss = twin.loss(source, target, SMOOTHING, guide_of(options, slot))
                loss.backward()
                total, tokens = total + loss.item(), tokens + sum(map(len, target))
            for parameter in twin.parameters():
                parameter.grad /= tokens
            nn.utils.clip_grad_norm_(twin.parameters(), CLIP)
            optimizer.step()
            theirs.append(total / tokens)
    train(folder, name, corpus_file, model, UPDATES, guide)
    with open(f"{folder}/{name}/metrics.jsonl") as f:
        losses = [line["loss"] for line in map(json.loads, f) if "loss" in line]
    assert len(losses) == UPDATES, f"{len(losses)} losses"
    report(f"{name}: losses of {UPDATES} Adam updates, relative", max(abs(a / b - 1) for a, b in zip(losses, theirs)), 1e-4)


def attention(folder):
    """op_attention against torch.nn.MultiheadAttention with padding and causal masks."""
    torch.manual_seed(3)
    heads, width = 3, 24
    for causal, lengths in itertools.product((False, True), ([1, 2, 7, 33], [5], [70, 3, 129])):
        module = nn.MultiheadAttention(width, heads, batch_first=True)
        x = [torch.randn(n, width) for n in lengths]
        padded = nn.utils.rnn.pad_sequence(x, True)
        mask = nn.utils.rnn.pad_sequence([torch.zeros(n, dtype=torch.bool) for n in lengths], True, True)
        longest = max(lengths)
        triangle = torch.triu(torch.ones(longest, longest, dtype=torch.bool), 1) if causal else None
        theirs = module(padded, padded, padded, key_padding_mask=mask, attn_mask=triangle, need_weights=False)[0][~mask]
        qkv = torch.cat(x) @ module.in_proj_weight.T + module.in_proj_bias
        offsets = np.cumsum([0] + lengths).astype(np.int32)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".raw") as given, tempfile.NamedTemporaryFile(dir=folder, suffix=".raw") as got:
            given.write(np.array([len(lengths), heads, width // heads, causal], np.int32).tobytes() + offsets.tobytes() + qkv.detach().numpy().tobytes())
            given.flush()
            run(DUMP, "attention", given.name, got.name)
            context = torch.from_numpy(np.fromfile(got.name, np.float32)).reshape(-1, width)
        ours = module.out_proj(context)
        report(f"attention, lengths {lengths}{', causal' if causal else ''}", (ours - theirs).abs().max().item(), 1e-5)


def r_drop(folder):
    """The loss of R-Drop as its authors compute it (both draws at once, F.kl_div), halved, with PyTorch's gradients."""
    torch.manual_seed(4)
    smoothing, width = 0.1, 12
    for alpha, n, classes in itertools.product((0.5, 5.0), (1, 37), (7, 1000)):
        x, weight, bias = (torch.randn(*shape, requires_grad=True) for shape in ((2 * n, width), (classes, width), (classes,)))
        targets = torch.randint(classes, (n,))
        log_p = nn.functional.log_softmax(x @ weight.T + bias, -1)
        nll = -log_p.gather(1, torch.cat([targets, targets])[:, None]).sum()
        both = (1 - smoothing) * nll - smoothing * log_p.mean(-1).sum()
        p, q = log_p.chunk(2)
        apart = sum(nn.functional.kl_div(a, b, reduction="sum", log_target=True) for a, b in ((p, q), (q, p))) / 2
        loss = (both + alpha * apart) / 2
        loss.backward()
        with tempfile.NamedTemporaryFile(dir=folder) as given, tempfile.NamedTemporaryFile(dir=folder) as got:
            given.write(np.array([n, width, classes], np.int32).tobytes() + np.array([smoothing, alpha], np.float32).tobytes()
                        + targets.numpy().astype(np.int32).tobytes() + b"".join(t.detach().numpy().tobytes() for t in (x, weight, bias)))
            given.flush()
            run(DUMP, "r_drop", given.name, got.name)
            sums = np.fromfile(got.name, np.float64, 2)
            ours = torch.from_numpy(np.fromfile(got.name, np.float32, offset=16))
        theirs = torch.cat([t.grad.flatten() for t in (x, weight, bias)])
        what = f"R-Drop {alpha:g}, {n} targets of {classes} classes"
        report(f"{what}: loss and cross-entropy, relative", max(abs(sums[0] / loss.item() - 1), abs(sums[1] / (nll.item() / 2) - 1)), 1e-5)
        report(f"{what}: gradients, relative to the largest entry", ((ours - theirs).abs().max() / theirs.abs().max()).item(), 1e-5)


RECURRENT = {
    "rnn-bahdanau": dict(cell="rnn", attention="bahdanau"),
    "gru-bahdanau": dict(cell="gru", attention="bahdanau"),
    "lstm-bahdanau": dict(cell="lstm", attention="bahdanau", encoder_layers=3),
    "gru-bahdanau_normed": dict(cell="gru", attention="bahdanau_normed"),
    "gru-coverage": dict(cell="gru", attention="bahdanau", coverage="sum"),
    "lstm-coverage-concat": dict(cell="lstm", attention="luong_concat", coverage="sum"),
    "lstm-luong_general": dict(cell="lstm", attention="luong_general"),
    "gru-luong_general-at-once": dict(cell="gru", attention="luong_general", input_feeding="false", decoder_layers=3),
    "gru-luong_concat": dict(cell="gru", attention="luong_concat"),
    "gru-luong_dot": dict(cell="gru", attention="luong_dot", encoder_bidirectional="false"),
    "rnn-luong_scaled": dict(cell="rnn", attention="luong_scaled", encoder_bidirectional="false", bridge="zero"),
    "gru-luong_local_m": dict(cell="gru", attention="luong_local_m", window=3),
    "lstm-luong_local_p": dict(cell="lstm", attention="luong_local_p", window=3),
    "gru-luong_local_p-at-once": dict(cell="gru", attention="luong_local_p", window=4, input_feeding="false"),
    "lstm-sutskever": dict(cell="lstm", attention="none", encoder_bidirectional="false", bridge="none"),
    "gru-cho": dict(cell="gru", attention="none", context="every_step"),
}


GRID = dict(kind="recurrent", encoder_layers=0, image_stages=2)
OTHERS = {
    "frames": ("frames", dict(norm="pre", activation="gelu")),
    "frames-gru-bahdanau": ("frames", dict(kind="recurrent", cell="gru", attention="bahdanau")),
    "images": ("images", dict(norm="pre", activation="gelu", image_stages=2)),
    "images-post-no-encoder": ("images", dict(norm="post", activation="relu", image_stages=1, encoder_layers=0)),
    "images-gru-bahdanau": ("images", GRID | dict(cell="gru", attention="bahdanau")),
    "images-lstm-luong_general": ("images", GRID | dict(cell="lstm", attention="luong_general")),
    "images-lstm-no-attention": ("images", GRID | dict(cell="lstm", attention="none")),
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        corpus(folder)
        attention(folder)
        r_drop(folder)
        for norm, activation, tie in itertools.product(("post", "pre"), ("relu", "gelu"), ("all", "decoder", "none")):
            compare(folder, f"{norm}-{activation}-{tie}", dict(norm=norm, activation=activation, tie=tie))
        for position in ("none", "learned"):
            compare(folder, f"position-{position}", dict(norm="pre", activation="gelu_tanh", tie="all", position=position))
        for i, (name, model) in enumerate(RECURRENT.items()):
            compare(folder, name, dict(kind="recurrent", tie=("all", "decoder", "none")[i % 3]) | model)
        recurrent = dict(kind="recurrent", tie="all")
        for guide, model in (("ce", dict(norm="pre")), ("mse", dict(norm="post")), ("mult", dict(norm="pre", decoder_layers=1)),
                             ("ce", recurrent | RECURRENT["gru-bahdanau"]), ("mse", recurrent | RECURRENT["lstm-luong_local_p"]),
                             ("mult", recurrent | RECURRENT["gru-luong_general-at-once"])):
            compare(folder, f"guided {guide} {model.get('attention', model.get('norm'))}", dict(tie="all") | model, guide)
        other_sources(folder)
        for name, (corpus_kind, model) in OTHERS.items():
            compare(folder, name, dict(tie="decoder") | model, corpus_kind=corpus_kind)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
