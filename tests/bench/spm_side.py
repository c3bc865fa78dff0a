"""SentencePiece's and h5py's side of prepare, a process of its own: text to the tokens, offsets and target lines of a corpus file.

    spm_side.py CORPUS SOURCE TARGET OUT THREADS

Prints {"value": bytes of text a second}. The vocabulary is that of CORPUS; reading it is in the measured time, importing modules is not.
"""

import itertools
import json
import os
import sys
import time

import h5py
import numpy as np
from sentencepiece import SentencePieceProcessor

LINES = 4096


class Column:
    """A dataset that grows."""

    def __init__(self, file, name, kind, rows):
        self.data = file.create_dataset(name, (0,), maxshape=(None,), dtype=kind, chunks=(rows,), compression=1, shuffle=kind != "u1")

    def append(self, values):
        end = len(self.data)
        self.data.resize((end + len(values),))
        self.data[end:] = values


class Lists:
    """Lists end to end, and where each begins."""

    def __init__(self, file, name, offsets, kind, rows):
        self.values, self.offsets, self.end = Column(file, name, kind, rows), Column(file, offsets, "<i8", 1 << 15), 0
        self.offsets.append([0])

    def append(self, lists, values):
        ends = self.end + np.cumsum(np.fromiter(map(len, lists), dtype="<i8", count=len(lists)))
        self.values.append(values)
        self.offsets.append(ends)
        self.end = ends[-1]


def blocks(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        while lines := [line.rstrip("\n") for line in itertools.islice(f, LINES)]:
            yield lines


def prepare(corpus, paths, out, threads):
    with h5py.File(corpus) as f:
        processor = SentencePieceProcessor(model_proto=f["vocabulary/joint/model"][:].tobytes())
    with h5py.File(out, "w") as f:
        for side, path in paths.items():
            tokens = Lists(f, f"{side}/tokens", f"{side}/offsets", "<i4", 1 << 16)
            text = Lists(f, f"{side}/text", f"{side}/text_offsets", "u1", 1 << 18) if side == "target" else None
            for lines in blocks(path):
                ids = processor.encode(lines, add_eos=True, num_threads=threads)
                tokens.append(ids, np.fromiter(itertools.chain.from_iterable(ids), dtype="<i4"))
                if text:
                    raw = [line.encode() for line in lines]
                    text.append(raw, np.frombuffer(b"".join(raw), dtype="u1"))


def main():
    corpus, source, target, out, threads = sys.argv[1:]
    start = time.perf_counter()
    prepare(corpus, {"source": source, "target": target}, out, int(threads))
    print(json.dumps({"value": (os.path.getsize(source) + os.path.getsize(target)) / (time.perf_counter() - start) / 1e6}))


main()
