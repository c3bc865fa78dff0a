"""The Transformer as PyTorch's own modules, with weights read from a seqtrain checkpoint."""

import math

import h5py
import torch
from torch import nn

from source_twin import sinusoids


def activation(name):
    return {"relu": nn.functional.relu, "gelu": nn.functional.gelu,
            "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh"), "silu": nn.functional.silu}[name]


class Twin(nn.Module):
    def __init__(self, options, rows, dropout=0.0, source=None):
        """options: the model group of a checkpoint's configuration; rows: vocabulary rows of (source, target); source: a
        module of source_twin.py, if it is no text."""
        super().__init__()
        o = self.options = options
        width, heads = o["width"], o["heads"]
        norm_first = o["norm"] == "pre"
        common = dict(d_model=width, nhead=heads, dim_feedforward=o["ffn_width"], dropout=dropout,
                      activation=activation(o["activation"]), layer_norm_eps=o["norm_epsilon"], batch_first=True, norm_first=norm_first)
        final = (lambda: nn.LayerNorm(width, o["norm_epsilon"])) if norm_first else (lambda: None)
        self.reads_text = source is None
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**common), o["encoder_layers"], final(), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**common), o["decoder_layers"], final())
        self.target = nn.Embedding(rows[1], width)
        self.source = source or (self.target if o["tie"] == "all" else nn.Embedding(rows[0], width))
        self.output = nn.Linear(width, rows[1])
        if o["tie"] != "none":
            self.output.weight = self.target.weight
        if o["position"] == "learned":
            self.source_position = nn.Embedding(o["position_limit"], width)
            self.target_position = nn.Embedding(o["position_limit"], width)
        self.dropout = nn.Dropout(dropout)
        last = self.decoder.layers[-1].multihead_attn
        last.register_forward_pre_hook(lambda module, given, named: (given, named | {"need_weights": True}), with_kwargs=True)
        last.register_forward_hook(lambda module, given, out: setattr(self, "attention", out[1]))  # [batch, target, source], mean over heads
        self.classes = rows[1] - 2

    def names(self):
        """{seqtrain's name: our parameter} where the layouts are the same."""
        o, pairs = self.options, {}
        if o["tie"] == "all":
            pairs["embedding/weight"] = self.target.weight
        else:
            pairs |= {"source/embedding/weight": self.source.weight} if self.reads_text else self.source.names()
            pairs["target/embedding/weight"] = self.target.weight
        if o["position"] == "learned":
            pairs["source/position/weight"] = self.source_position.weight
            pairs["target/position/weight"] = self.target_position.weight
        if o["tie"] == "none":
            pairs["output/weight"] = self.output.weight
        pairs["output/bias"] = self.output.bias

        def norm(prefix, module):
            pairs[prefix + "/gain"], pairs[prefix + "/bias"] = module.weight, module.bias

        def linear(prefix, module):
            pairs[prefix + "/weight"], pairs[prefix + "/bias"] = module.weight, module.bias

        def layer(prefix, module, last_norm):
            pairs[prefix + "/self_attention/qkv/weight"] = module.self_attn.in_proj_weight
            pairs[prefix + "/self_attention/qkv/bias"] = module.self_attn.in_proj_bias
            linear(prefix + "/self_attention/output", module.self_attn.out_proj)
            norm(prefix + "/self_attention/norm", module.norm1)
            linear(prefix + "/feed_forward/inner", module.linear1)
            linear(prefix + "/feed_forward/outer", module.linear2)
            norm(prefix + "/feed_forward/norm", last_norm)

        for i, module in enumerate(self.encoder.layers):
            layer(f"encoder/{i}", module, module.norm2)
        for i, module in enumerate(self.decoder.layers):
            prefix = f"decoder/{i}"
            layer(prefix, module, module.norm3)
            linear(prefix + "/cross_attention/output", module.multihead_attn.out_proj)
            norm(prefix + "/cross_attention/norm", module.norm2)
        if o["norm"] == "pre":
            norm("encoder/norm", self.encoder.norm)
            norm("decoder/norm", self.decoder.norm)
        return pairs

    def cross(self):
        """The decoder's cross-attention: seqtrain keeps q apart and the keys and values of all layers in one product."""
        return [module.multihead_attn for module in self.decoder.layers]

    def shapes(self):
        """{seqtrain's name: natural shape}."""
        width, layers = self.options["width"], len(self.cross())
        out = {name: tuple(parameter.shape) for name, parameter in self.names().items()}
        for i in range(layers):
            out[f"decoder/{i}/cross_attention/query/weight"], out[f"decoder/{i}/cross_attention/query/bias"] = (width, width), (width,)
        out["decoder/cross_attention/key_value/weight"] = (2 * width * layers, width)
        out["decoder/cross_attention/key_value/bias"] = (2 * width * layers,)
        return out

    def load(self, read):
        width = self.options["width"]
        with torch.no_grad():
            for name, parameter in self.names().items():
                parameter.copy_(torch.from_numpy(read(name)))
            key_value = torch.from_numpy(read("decoder/cross_attention/key_value/weight"))
            key_value_bias = torch.from_numpy(read("decoder/cross_attention/key_value/bias"))
            for i, attention in enumerate(self.cross()):
                rows = slice(2 * width * i, 2 * width * (i + 1))
                attention.in_proj_weight[:width] = torch.from_numpy(read(f"decoder/{i}/cross_attention/query/weight"))
                attention.in_proj_bias[:width] = torch.from_numpy(read(f"decoder/{i}/cross_attention/query/bias"))
                attention.in_proj_weight[width:] = key_value[rows]
                attention.in_proj_bias[width:] = key_value_bias[rows]

    def gradients(self):
        """{seqtrain's name: gradient} in seqtrain's layout."""
        width = self.options["width"]
        out = {name: parameter.grad for name, parameter in self.names().items()}
        for i, attention in enumerate(self.cross()):
            out[f"decoder/{i}/cross_attention/query/weight"] = attention.in_proj_weight.grad[:width]
            out[f"decoder/{i}/cross_attention/query/bias"] = attention.in_proj_bias.grad[:width]
        out["decoder/cross_attention/key_value/weight"] = torch.cat([a.in_proj_weight.grad[width:] for a in self.cross()])
        out["decoder/cross_attention/key_value/bias"] = torch.cat([a.in_proj_bias.grad[width:] for a in self.cross()])
        return out

    def embed(self, table, positions, ids):
        x = table(ids)
        if self.options["embedding_scale"]:
            x = x * math.sqrt(self.options["width"])
        length = ids.shape[1]
        if self.options["position"] == "sinusoidal":
            x = x + sinusoids(length, self.options["width"])
        elif self.options["position"] == "learned":
            x = x + positions.weight[:length]
        return self.dropout(x)

    def forward(self, source, target):
        """source, target: lists of id tensors, </s> included, of another source of what it reads. Returns logits [batch, longest target, classes] and the targets
        padded with -100."""
        pad = nn.utils.rnn.pad_sequence
        if self.reads_text:
            rows = self.embed(self.source, getattr(self, "source_position", None), pad(source, True, 0))
        else:
            source = self.source(source)
            rows = pad(source, True)
        source_mask = pad([torch.zeros(len(s), dtype=torch.bool) for s in source], True, True)
        start = torch.tensor([2])
        target_in = pad([torch.cat([start, t[:-1]]) for t in target], True, 0)
        target_mask = pad([torch.zeros(len(t), dtype=torch.bool) for t in target], True, True)
        labels = pad(target, True, -100)
        causal = torch.triu(torch.ones(target_in.shape[1], target_in.shape[1], dtype=torch.bool), 1)
        memory = self.encoder(rows, src_key_padding_mask=source_mask) if self.options["encoder_layers"] else rows
        hidden = self.decoder(self.embed(self.target, getattr(self, "target_position", None), target_in), memory, tgt_mask=causal,
                              tgt_key_padding_mask=target_mask, memory_key_padding_mask=source_mask)
        logits = nn.functional.linear(hidden, self.output.weight[:self.classes], self.output.bias[:self.classes])
        return logits, labels

    def loss(self, source, target, smoothing, guide=None):
        """Summed over target tokens; guide: a loss of the attention."""
        logits, labels = self(source, target)
        loss = nn.functional.cross_entropy(logits.reshape(-1, self.classes), labels.reshape(-1), reduction="sum", label_smoothing=smoothing)
        return loss + guide(self.attention) if guide else loss


class Guide:
    """Guided alignment (Chen et al. 2016) of a dumped micro-batch: A is 1 / points at each point of a target token; tokens
    without points do not count."""

    def __init__(self, options, batch):
        self.kind, self.weight = options["guided_alignment"], options["guided_weight"]
        self.points, self.offsets = batch["points"][:], batch["point_offsets"][:]
        self.starts = batch["target_offsets"][:]

    def __call__(self, attention):
        total = torch.zeros(())
        for pair, (first, end) in enumerate(zip(self.starts[:-1], self.starts[1:])):
            for t in range(first, end):
                points = self.points[self.offsets[t]:self.offsets[t + 1]]
                if len(points):
                    a, wanted = attention[pair, t - first], torch.zeros(attention.shape[2])
                    wanted[torch.from_numpy(points).long()] = 1 / len(points)
                    total = total + {"ce": lambda: -(wanted * (a + 1e-6).log()).sum(), "mse": lambda: ((a - wanted) ** 2).sum() / 2,
                                     "mult": lambda: -((a * wanted).sum() + 1e-6).log()}[self.kind]()
        return self.weight * total


def guide_of(options, batch):
    return Guide(options["train"], batch) if options["train"]["guided_alignment"] != "none" else None


def sentences(batch, side, source=None):
    """The sentences of a dumped micro-batch group of an h5py file; source: what reads its words, if they are no ids."""
    words, offsets = batch[side + "_ids"][:], batch[side + "_offsets"][:]
    ids = source.read(words) if source else torch.from_numpy(words).long()
    return [ids[a:b] for a, b in zip(offsets[:-1], offsets[1:])]


def read_config(path):
    """The model's options as stored in a checkpoint."""
    with h5py.File(path) as f:
        text = f["config"][()].decode()
    options, group = {}, None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, _, value = line.strip().partition(":")
        value = value.strip().strip("\"'")
        if not line.startswith(" "):
            group = options.setdefault(key, {})
        else:
            group[key] = convert(value)
    return options


def convert(value):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(value, value)
