"""How the other sides are started; what they print is the measurement."""

import json
import os

from workshop import COUNTED, THREADS, WARM, Process, python, run


def read(done):
    return json.loads(done.output.splitlines()[-1])


def train(shop, checkpoint, batches, ranks=1, threads=THREADS):
    """PyTorch: every rank is a process."""
    meeting = shop.path("meeting")
    command = python("torch_side.py", checkpoint, batches, WARM + COUNTED, WARM, threads, ranks)
    done = [process.wait() for process in [Process([*command, rank, meeting], threads) for rank in range(ranks)]]
    return {**read(done[0]), "peak": max(d.peak for d in done)}


def convert(shop, checkpoint):
    """The folder of the same weights for CTranslate2."""
    folder = shop.path("ctranslate")
    run(*python("ctranslate_model.py", checkpoint, folder))
    return folder


def translate(folder, text, beam, alpha, longest, out):
    done = run(*python("ctranslate.py", folder, text, beam, alpha, longest, THREADS, out))
    return {**read(done), "peak": done.peak}


def prepare(shop, corpus, text, threads):
    out = shop.path("spm")
    done = run(*python("spm_side.py", corpus, *text, out, threads), threads=threads)
    os.remove(out)
    return {**read(done), "peak": done.peak}
