"""What all rows share: settings from the environment, processes with their time and memory, text and corpora."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

BUILD = os.environ.get("BUILD", "build")
PROGRAM = os.path.join(BUILD, "seqtrain")
DUMP = os.path.join(BUILD, "tests/peers/tool_dump")


def number(name, default):
    return int(os.environ.get(name, default))


THREADS, ROUNDS = number("BENCH_THREADS", 2), number("BENCH_ROUNDS", 5)
WARM, COUNTED, TOKENS = 3, number("BENCH_UPDATES", 12), number("BENCH_TOKENS", 4096)
LINES = number("BENCH_LINES", 3000)
LONG = os.environ.get("BENCH_LONG", "") not in ("", "0")


@dataclass
class Done:
    output: str
    seconds: float
    peak: int  # bytes resident at once, of the largest process


class Process:
    """A process of its own. This one is small, so that the peak that the kernel tells is the child's."""

    def __init__(self, command, threads=THREADS):
        self.command = [str(word) for word in command]
        self.output, self.errors = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.start = time.perf_counter()
        self.child = subprocess.Popen(self.command, stdout=self.output, stderr=self.errors, env=environment)

    def running(self):
        """Leaves a process that has ended to wait()."""
        return os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self):
        _, status, used = os.wait4(self.child.pid, 0)
        seconds = time.perf_counter() - self.start
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.output.seek(0)
        self.errors.seek(0)
        text = self.output.read()
        if status:
            sys.exit(f"{' '.join(self.command)}\nended with {self.child.returncode}: {text}{self.errors.read()}")
        return Done(text, seconds, used.ru_maxrss * 1024)


def run(*command, threads=THREADS):
    return Process(command, threads).wait()


def python(script, *words):
    """The command of a script beside this one."""
    return [sys.executable, os.path.join(os.path.dirname(__file__), script), *words]


class Workshop:
    """A folder of text, corpora and runs; what was made once is used again."""

    def __init__(self, folder):
        self.folder, self.names, self.corpora = folder, itertools.count(), {}
        self.source, self.target = os.environ.get("BENCH_SOURCE"), os.environ.get("BENCH_TARGET")
        self.own = not self.source
        if self.own:
            self.source, self.target = self.generate(40000)

    def path(self, kind):
        """A new one."""
        return f"{self.folder}/{kind}{next(self.names)}"

    @contextlib.contextmanager
    def passing(self, kind):
        """A new one whose folder is removed in the end: checkpoints of many runs would fill the disk."""
        path = self.path(kind)
        yield path
        shutil.rmtree(path)

    def generate(self, lines):
        folder = self.path("text")
        run(PROGRAM, "generate", "numbers", "--output", folder, "--lines", lines, "--test-lines", 100)
        return f"{folder}/train.en", f"{folder}/train.de"

    def prepare(self, source, target, pieces):
        path = self.path("corpus") + ".h5"
        run(PROGRAM, "prepare", "--source", source, "--target", target, "--output", path, "--vocab-size", pieces, "--joint")
        return path

    def corpus(self, pieces):
        """The generated text has words for 300 pieces only."""
        pieces = 300 if self.own else pieces
        if pieces not in self.corpora:
            self.corpora[pieces] = self.prepare(self.source, self.target, pieces)
        return self.corpora[pieces]

    def repeated(self, size):
        """The files of the text, over and over, of about so many bytes together."""
        times = max(1, round(size / (os.path.getsize(self.source) + os.path.getsize(self.target))))
        paths = self.path("source"), self.path("target")
        for path, text in zip(paths, (self.source, self.target)):
            with open(text, "rb") as f, open(path, "wb") as out:
                lines = f.read()
                for _ in range(times):
                    out.write(lines)
        return paths

    def first_lines(self, count):
        """The file of the first lines of the source text."""
        path = self.path("lines")
        with open(self.source, encoding="utf-8") as text, open(path, "w", encoding="utf-8") as out:
            out.writelines(itertools.islice(text, count))
        return path
