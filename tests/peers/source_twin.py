"""Sources that are not text in PyTorch, as rows that an encoder begins with: frames through a linear layer, pictures through convolutions."""

import re

import numpy as np
import torch
from torch import nn


def sinusoids(rows, width):
    """Halves: [sin(p / 10000^(2i/d)) | cos(same)]."""
    angle = torch.arange(rows, dtype=torch.float64)[:, None] / 10000 ** (torch.arange(width // 2, dtype=torch.float64) * 2 / width)
    return torch.cat([angle.sin(), angle.cos()], 1).float()


class Frames(nn.Module):
    def __init__(self, options, values):
        super().__init__()
        self.placed, self.width = options["kind"] != "recurrent", options["width"]
        self.linear = nn.Linear(values, self.width)

    def names(self):
        return {"source/frames/weight": self.linear.weight, "source/frames/bias": self.linear.bias}

    def read(self, words):
        """A micro-batch's 4-byte words as the values of its frames."""
        return torch.from_numpy(words.view(np.float32)).reshape(-1, self.linear.in_features)

    def forward(self, source):
        """source: a tensor for each sentence. Returns rows [n, width] for each."""
        return [self.linear(s) + (sinusoids(len(s), self.width) if self.placed else 0) for s in source]


class Images(nn.Module):
    def __init__(self, options, height, width, channels):
        super().__init__()
        self.placed, self.width, self.line = options["kind"] != "recurrent", options["width"], (width, channels)
        stages, fewest = options["image_stages"], min(16, options["width"])
        sizes = [channels] + [max(options["width"] >> (stages - 1 - s), fewest) for s in range(stages)]
        self.activation = {"relu": nn.functional.relu, "gelu": nn.functional.gelu}[options["activation"]]
        self.stages = nn.ModuleList()
        for before, after in zip(sizes, sizes[1:]):
            self.stages.append(nn.ModuleDict({
                "halving": nn.Conv2d(before, after, 3, 2, 1), "first/norm": nn.LayerNorm(after, options["norm_epsilon"]),
                "first": nn.Conv2d(after, after, 3, 1, 1), "second": nn.Conv2d(after, after, 3, 1, 1), "norm": nn.LayerNorm(after, options["norm_epsilon"])}))

    def names(self):
        pairs = {}
        for s, stage in enumerate(self.stages):
            for name, part in stage.items():
                pairs[f"source/image/{s}/{name}/{'gain' if name.endswith('norm') else 'weight'}"] = part.weight
                pairs[f"source/image/{s}/{name}/bias"] = part.bias
        return pairs

    def read(self, words):
        return torch.from_numpy(words.view(np.uint8)).reshape(-1, *self.line)

    def forward(self, source):
        def across(norm, x):
            return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

        x = torch.stack(list(source)).permute(0, 3, 1, 2) / 127.5 - 1
        for stage in self.stages:
            s = stage["halving"](x)
            x = across(stage["norm"], s + stage["second"](self.activation(stage["first"](across(stage["first/norm"], s)))))
        height, width, half = *x.shape[2:], self.width // 2
        rows = x.permute(0, 2, 3, 1).reshape(len(x), height * width, self.width)
        if self.placed:
            rows = rows + torch.cat([sinusoids(height, half).repeat_interleave(width, 0), sinusoids(width, self.width - half).repeat(height, 1)], 1)
        return list(rows)


def source_of(options, file):
    """The module for the source of an open checkpoint; None for text."""
    form = file["vocabulary/source/model"][:].tobytes().decode("latin-1") if "vocabulary/source" in file else ""
    found = re.match(r"seqtrain source: (frames|images) of (\S+)", form)
    if not found:
        return None
    sizes = [int(n) for n in found[2].split("x")]
    return (Frames if found[1] == "frames" else Images)(options, *sizes)
