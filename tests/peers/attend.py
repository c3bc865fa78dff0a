"""Attention of recurrent decoders against plain PyTorch, contexts and every gradient: each form of Luong et al. 2015 and
that of Bahdanau et al. 2015, sentence by sentence as the papers write them."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

TOOL = os.path.join(sys.argv[1], "tests/peers/tool_attend")
QUERIES, KEYS = [4, 1, 30, 9, 2, 17], [7, 3, 1, 26, 12, 9]
REACH = 3
passed = failed = 0


def report(what, difference, limit):
    global passed, failed
    good = difference <= limit  # NaN is not
    passed, failed = passed + good, failed + (not good)
    print(f"  {'ok  ' if good else 'FAIL'}  {what}: {difference:.2e} (limit {limit:.0e})", flush=True)


def drawn(*shape):
    return torch.randn(*shape, requires_grad=True)


def contexts(score, query, memory, reach, centre):
    """Luong's equations 7-10: `score` of all queries of a sentence against all its states gives [queries, keys]."""
    out, rows, keys = [], torch.split(query, QUERIES), torch.split(memory, KEYS)
    centres = torch.split(centre[:, 0], QUERIES) if centre is not None else [None] * len(rows)
    for h, states, c in zip(rows, keys, centres):
        scores, s = score(h, states), torch.arange(len(states))
        p = torch.arange(len(h)).clamp(max=len(states) - 1).float() if c is None else len(states) * c
        if reach:
            middle = torch.floor(p.detach() + 0.5)
            scores = scores.masked_fill((s - middle[:, None]).abs() > reach, -torch.inf)
        weights = scores.softmax(-1)
        if c is not None:
            weights = weights * torch.exp(-((s - p[:, None]) ** 2) / (2 * (reach / 2) ** 2))
        out.append(weights @ states)
    return torch.cat(out)


def ours(folder, given, head, scale, gradient):
    """`given` in the order of tool_attend.c."""
    with tempfile.NamedTemporaryFile(dir=folder) as source, tempfile.NamedTemporaryFile(dir=folder) as result:
        source.write(np.array([len(KEYS), *head], np.int32).tobytes() + np.array(QUERIES + KEYS, np.int32).tobytes()
                     + np.float32(scale).tobytes() + b"".join(t.detach().numpy().tobytes() for t in (*given, gradient)))
        source.flush()
        done = subprocess.run([TOOL, source.name, result.name], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{TOOL} ended with {done.returncode}: {done.stderr}")
        values = torch.from_numpy(np.fromfile(result.name, np.float32))
    sizes = [gradient.numel()] + [t.numel() for t in given]
    assert values.numel() == sum(sizes), f"{values.numel()} floats instead of {sum(sizes)}"
    return torch.split(values, sizes)


def compare(folder, name, width, reach=0, predicted=False):
    """`width` of the queries; states have 24 columns, which some forms bring to those of the queries."""
    torch.manual_seed(len(name))
    states, inner = (width if name in ("dot", "scaled") else 24), (20 if name in ("concat", "bahdanau") else width)
    query, memory = drawn(sum(QUERIES), width), drawn(sum(KEYS), states)
    wq, bq, wk, bk, v = drawn(inner, width), drawn(1, inner), drawn(inner, states), drawn(1, inner), drawn(1, inner)
    zero = torch.zeros(1, inner, requires_grad=True)  # where the paper has no bias
    centre = torch.sigmoid(2 * torch.randn(sum(QUERIES), 1)).requires_grad_() if predicted else None
    scale = width ** -0.5 if name == "scaled" else 1.0
    score, given, products = {
        "dot": (lambda h, s: h @ s.T, [], 0),
        "scaled": (lambda h, s: scale * h @ s.T, [], 0),
        "general": (lambda h, s: h @ (wk @ s.T), [wk, zero], 2),
        "concat": (lambda h, s: both(h, s, lambda a, b: torch.tanh(torch.cat([a, b], -1) @ torch.cat([wq, wk], 1).T)) @ v[0],
                   [wq, zero, wk, zero, v], 3),
        "bahdanau": (lambda h, s: both(h, s, lambda a, b: torch.tanh(a @ wq.T + bq + b @ wk.T + bk)) @ v[0],
                     [wq, bq, wk, bk, v], 3),
    }[name]
    given = [query, memory, *given] + ([centre] if predicted else [])
    theirs = contexts(score, query, memory, reach, centre)
    gradient = torch.randn_like(theirs)
    theirs.backward(gradient)
    head = [width, states, inner, int(name in ("concat", "bahdanau")), products, reach, int(predicted)]
    context, *found = ours(folder, given, head, scale, gradient)
    what = name + (", local-p" if predicted else ", local-m" if reach else "") + f", width {width}"
    report(f"{what}: contexts", (context - theirs.detach().flatten()).abs().max().item(), 1e-5)
    worst = max(((a - b.grad.flatten()).abs().max() / b.grad.abs().max()).item() for a, b in zip(found, given) if b is not zero)
    report(f"{what}: worst gradient, relative to its largest entry", worst, 1e-4)


def both(h, s, score):
    """`score` of each query with each state."""
    return score(h[:, None].expand(-1, len(s), -1), s[None].expand(len(h), -1, -1))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dot", "scaled", "general", "concat", "bahdanau"):
            for width in (16, 37):
                compare(folder, name, width)
            compare(folder, name, 24, REACH)
            compare(folder, name, 24, REACH, True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
