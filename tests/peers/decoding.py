"""seqtrain's translations against a search written here from its description (models/models.h): beam search with penalties and blocked
n-grams, forced prefixes, ensembles, sampling, scores and attention of pieces. Small models, so that every hypothesis can be put
through PyTorch as a whole, in double precision.
"""

import json
import math
import sys
import tempfile

import h5py
import torch

import peers
from peers import PROGRAM, corpus, expect, load, report, run, train
from philox import SAMPLE, uniform

END, LINES, UPDATES = 0, 24, 120


# ---- models ----

class Voter:
    """A model in double precision that keeps the attention of its last decoder layer, averaged over heads."""

    def __init__(self, path):
        _, twin, _, _ = load(path)
        self.twin = twin.double().eval()
        attention = twin.cross()[-1]
        forward = attention.forward

        def keep(*args, **kwargs):
            out = forward(*args, **{**kwargs, "need_weights": True, "average_attn_weights": True})
            self.attention = out[1]
            return out

        attention.forward = keep

    def predict(self, source, hypotheses):
        """Log probabilities [hypotheses, classes] of the next token, and what it looks at [hypotheses, source tokens]."""
        targets = [torch.tensor(list(h) + [END]) for h in hypotheses]
        with torch.no_grad():
            logits, _ = self.twin([source] * len(targets), targets)
        last = [len(h) for h in hypotheses]
        rows = range(len(targets))
        return torch.log_softmax(logits[rows, last], -1), self.attention[rows, last]


def predict(voters, weights, source, hypotheses):
    said = [voter.predict(source, hypotheses) for voter in voters]
    logs = torch.stack([log + math.log(w) for (log, _), w in zip(said, weights)])
    return torch.logsumexp(logs, 0), sum(w * attention for (_, attention), w in zip(said, weights))


# ---- the search ----

class Path:
    def __init__(self, tokens=(), scores=(), rows=(), samples=(0,)):
        self.tokens, self.scores, self.rows, self.samples = tokens, scores, rows, samples

    def sum(self):
        return sum(self.scores)

    def extended(self, token, score, row, samples):
        return Path(self.tokens + (token,), self.scores + (score,), self.rows + (row,), samples)


def divisor(o, length):
    return {"none": 1, "average": length ** o["length_alpha"], "gnmt": ((5 + length) / 6) ** o["length_alpha"]}[o["length_penalty"]]


def score(o, path):
    return path.sum() / divisor(o, len(path.tokens)) - o["word_penalty"] * len(path.tokens)


def repeats(tokens, token, n):
    grams = [tokens[i:i + n] for i in range(len(tokens) - n + 1)]
    return len(tokens) + 1 >= n and tokens[len(tokens) + 1 - n:] + (token,) in grams


def draw(o, logs, share):
    """The token at `share` of softmax(logs / temperature) after the cuts."""
    weights = torch.softmax(logs / o["temperature"], -1).tolist()
    order = sorted(range(len(weights)), key=lambda c: (-weights[c], c))
    if o["top_k"]:
        order = order[:o["top_k"]]
    total, kept = o["top_p"] * sum(weights[c] for c in order), []
    for c in order:
        kept.append(c)
        if o["top_p"] < 1 and sum(weights[k] for k in kept) >= total:
            break
    kept.sort()
    left = share * sum(weights[c] for c in kept)
    for c in kept:
        left -= weights[c]
        if left < 0:
            return c
    return kept[-1]


def choices(o, path, logs, number, prefix):
    """(token, samples it is for) of what may follow."""
    position = len(path.tokens)
    if position < len(prefix):
        return [(prefix[position], (s,)) for s in path.samples]
    free = logs.clone()
    if o["no_repeat_ngram"]:
        for token in set(path.tokens):
            if repeats(path.tokens, token, o["no_repeat_ngram"]):
                free[token] = -math.inf
    if o["sample"]:
        return [(draw(o, free, uniform(SAMPLE, o["seed"], position, s, 0, number)), (s,)) for s in path.samples]
    return [(t, (0,)) for t in range(len(free)) if free[t] > -math.inf]


def done(o, best, finished, width):
    """As many finished ones as the beam is wide score no less than the best unfinished one as it stands."""
    return len(finished) >= width if o["sample"] else sum(score(o, p) >= score(o, best) for p in finished) >= width


def search(voters, weights, source, o, number, prefix):
    width = o["nbest"] if o["sample"] else o["beam"]
    limit = max(int(max(1, o["max_length_ratio"] * len(source) + o["max_length_extra"])), len(prefix))
    paths, finished = [Path(samples=tuple(range(width)) if o["sample"] else (0,))], []
    while paths and not done(o, paths[0], finished, width):
        logs, attention = predict(voters, weights, source, [p.tokens for p in paths])
        ways = [(p.sum() + logs[r, token].item(), r, token, samples)
                for r, p in enumerate(paths) for token, samples in choices(o, p, logs[r], number, prefix)]
        ways.sort(key=lambda way: (-way[0], way[1], way[2] if not o["sample"] else way[3]))
        before, paths, going_on = paths, [], 0
        for rank, (_, r, token, samples) in enumerate(ways[:2 * width]):
            if going_on == width:
                break
            if token == END and rank >= width:
                continue
            going_on += token != END
            path = before[r].extended(token, logs[r, token].item(), attention[r], samples)
            if token == END or len(path.tokens) >= limit:
                finished.append(path)
            else:
                paths.append(path)
    finished.sort(key=lambda p: -score(o, p))
    return finished[:o["nbest"]]


# ---- comparison ----

DEFAULTS = dict(beam=4, nbest=4, length_penalty="none", length_alpha=1.0, word_penalty=0.0, no_repeat_ngram=0, sample=False, temperature=1.0,
                top_k=0, top_p=1.0, seed=1, max_length_ratio=1.0, max_length_extra=5)


def switches(o):
    out = []
    for key, value in o.items():
        needs = {"length_alpha": o["length_penalty"] != "none", "no_repeat_ngram": value > 0 if key == "no_repeat_ngram" else True,
                 "temperature": o["sample"], "top_p": o["sample"], "seed": o["sample"], "top_k": o["sample"] and o["top_k"] > 0, "beam": not o["sample"]}
        if needs.get(key, True):
            out += ["--" + key.replace("_", "-"), str(value).lower()]
    return out


class Data:
    def __init__(self, folder):
        with h5py.File(f"{folder}/separate.h5") as f:
            self.pieces = [p.decode() for p in f["vocabulary/target/pieces"][:]]
            self.ids = []
            for side in ("source", "target"):
                tokens, offsets = f[f"{side}/tokens"][:], f[f"{side}/offsets"][:LINES + 1]
                self.ids.append([tokens[a:b] for a, b in zip(offsets[:-1], offsets[1:])])
        for side in ("source", "target"):
            with open(f"{folder}/{side}") as f:
                lines = f.read().splitlines()[:LINES]
            if side == "target":
                self.prefixes = [ids[:n % 4].tolist() for n, ids in enumerate(self.ids[1])]
                self.prefixes = [ids[:-1] if ids and ids[-1] == END else ids for ids in self.prefixes]
                lines = [" ".join(line.split()[:len(ids)]) for line, ids in zip(lines, self.prefixes)]
            with open(f"{folder}/{side}.first", "w") as f:
                f.write("\n".join(lines) + "\n")


def compare(folder, data, name, models, weights=None, prefix=False, **changes):
    o = {**DEFAULTS, **changes}
    words = [*models, "--input", f"{folder}/source.first", "--format", "json", "--word-scores", "--alignment", "soft", *switches(o)]
    words += ["--weights", *weights] if weights else []
    words += ["--prefix", f"{folder}/target.first"] if prefix else []
    lines = [json.loads(line)["translations"] for line in run(PROGRAM, "translate", *words).splitlines()]
    shares = [w / sum(weights) for w in weights] if weights else [1 / len(models)] * len(models)
    voters, faults, worst, looks = [Voter(m) for m in models], [], 0.0, 0.0
    for n, ours in enumerate(lines):
        source = torch.from_numpy(data.ids[0][n]).long()
        theirs = search(voters, shares, source, o, n, data.prefixes[n] if prefix else [])
        wanted = [[data.pieces[t] for t in p.tokens if t != END] for p in theirs]
        if [t["pieces"] for t in ours] != wanted:
            faults.append(f"line {n}: {[t['pieces'] for t in ours]} instead of {wanted}")
            continue
        for t, p in zip(ours, theirs):
            worst = max([worst, abs(t["log_probability"] - p.sum()), abs(t["score"] - score(o, p))]
                        + [abs(a - b) for a, b in zip(t["piece_scores"], p.scores)])
            looks = max([looks] + [abs(a - b) for row, theirs_row in zip(t["alignment"], p.rows) for a, b in zip(row, theirs_row.tolist())])
    faults += [] if len(lines) == LINES else [f"{len(lines)} lines"]
    expect(f"{name}: the translations of {LINES} lines", faults)
    report(f"{name}: their scores", worst, 1e-4)
    report(f"{name}: what they look at", looks, 1e-4)


def all_weights(model, source, target):
    """What `target` attends to when it is fed, of each decoder layer [layers, heads, target tokens, source tokens]."""
    _, twin, _, _ = load(model)
    said = []
    for attention in twin.double().eval().cross():
        def keep(*args, forward=attention.forward, **kwargs):
            out = forward(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
            said.append(out[1][0])
            return out

        attention.forward = keep
    with torch.no_grad():
        twin([source], [target])
    return torch.stack(said)


def stored(folder, data, model):
    """translate --attention as h5py reads it."""
    words = [model, "--input", f"{folder}/source.first", "--alignment", "hard", "--attention", f"{folder}/weights.h5"]
    pairs = [line.split(" ||| ")[1].split() for line in run(PROGRAM, "translate", *words).splitlines()]
    worst, faults, sums = 0.0, [], 0.0
    with h5py.File(f"{folder}/weights.h5") as f:
        faults += [f"{name} has no description" for name in ("source/pieces", "target/offsets", "attention/weights") if "description" not in f[name].attrs]
        shape = (int(f["attention/layers"][()]), int(f["attention/heads"][()]))
        spans = [(f[name][()], f[name.split("/")[0] + "/offsets"][()]) for name in ("source/pieces", "target/pieces", "attention/weights")]
    for n in range(LINES):
        source, target, weights = (values[offsets[n]:offsets[n + 1]] for values, offsets in spans)
        ours = torch.from_numpy(weights).double().reshape(*shape, len(target), len(source))
        ids = torch.tensor([data.pieces.index(piece.decode()) for piece in target])
        theirs = all_weights(model, torch.from_numpy(data.ids[0][n]).long(), ids)
        worst = max(worst, (ours - theirs).abs().max().item())
        sums = max(sums, (ours.sum(-1) - 1).abs().max().item())
        looks = ours[-1].mean(0)[:, :-1].argmax(-1).tolist()
        wanted = [f"{s}-{t}" for t, s in enumerate(looks) if target[t] != b"</s>"]
        faults += [] if pairs[n] == wanted else [f"line {n}: {pairs[n]} instead of {wanted}"]
    expect("stored attention: alignments are where the mean of the last layer is largest", faults)
    report("stored attention: rows sum to 1", sums, 1e-5)
    report("stored attention: of every layer and head", worst, 1e-5)


def main():
    with tempfile.TemporaryDirectory() as folder:
        corpus(folder)
        data = Data(folder)
        one = train(folder, "one", f"{folder}/separate.h5", dict(norm="post", tie="decoder"), UPDATES)
        two = train(folder, "two", f"{folder}/separate.h5", dict(norm="pre", tie="none", width=16, decoder_layers=1), UPDATES)

        def case(name, models=(one,), **changes):
            compare(folder, data, name, models, **changes)

        stored(folder, data, one)
        stored(folder, data, two)
        case("greedy", beam=1, nbest=1)
        case("beam of 4")
        case("length to the power 0.7", length_penalty="average", length_alpha=0.7)
        case("GNMT's penalty, a word penalty", length_penalty="gnmt", length_alpha=0.6, word_penalty=0.3)
        case("long ones favoured", word_penalty=-0.4, nbest=2)
        case("no pair of tokens twice", no_repeat_ngram=2)
        case("no token twice", no_repeat_ngram=1, beam=3, nbest=1)
        case("short", max_length_ratio=0.3, max_length_extra=1)
        case("forced prefixes", prefix=True)
        case("ensemble", (one, two), nbest=2)
        case("ensemble 3 to 1, prefixes, no pair twice", (one, two), weights=[3, 1], prefix=True, no_repeat_ngram=2, length_penalty="average")
        case("samples", sample=True, nbest=3)
        case("samples, temperature 0.7, top 10", sample=True, nbest=2, seed=77, temperature=0.7, top_k=10)
        case("samples, nucleus 0.8", sample=True, nbest=2, seed=123456789, top_p=0.8, temperature=1.5)
        case("samples of an ensemble, prefixes, no pair twice", (one, two), sample=True, nbest=2, prefix=True, no_repeat_ngram=2, top_k=20, top_p=0.9)
    print(f"{peers.passed} passed, {peers.failed} failed")
    sys.exit(peers.failed > 0)


if __name__ == "__main__":
    main()
