"""Recurrent encoder-decoders out of PyTorch's nn.RNN, nn.GRU, nn.LSTM and their cells, with weights read from a seqtrain checkpoint."""

import math

import torch
from torch import nn

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


class RecurrentTwin(nn.Module):
    def __init__(self, options, rows, source=None):
        """As twin.Twin's."""
        super().__init__()
        o = self.options = options
        layers = o["encoder_layers"]
        width, ways = o["width"], 2 if layers and o["encoder_bidirectional"] else 1
        states, memory = 2 if o["cell"] == "lstm" else 1, width * ways
        self.attends, self.before = o["attention"] != "none", o["attention"].startswith("bahdanau")
        self.normed = o["attention"] == "bahdanau_normed"
        self.feeds = self.before or self.attends and o["input_feeding"]
        self.repeats = not self.attends and o["context"] == "every_step"
        fed = memory if self.before else width if self.feeds else ways * states * width if self.repeats else 0
        if layers:
            self.encoder = LAYERS[o["cell"]](width, width, layers, bidirectional=ways == 2)
        self.cells = nn.ModuleList([CELLS[o["cell"]](width + (fed if i == 0 else 0), width) for i in range(o["decoder_layers"])])
        if o["bridge"] == "linear":
            self.bridge = nn.ModuleList([nn.Linear(ways * states * width if layers else width, states * width) for _ in self.cells])
        self.local = o["attention"].startswith("luong_local")
        if self.before or self.local or o["attention"] in ("luong_general", "luong_concat"):
            self.key = nn.Linear(memory, width, bias=self.normed)
        if self.before or o["attention"] == "luong_concat":
            self.query, self.score = nn.Linear(width, width, bias=False), nn.Linear(width, 1, bias=False)
        if o["attention"] == "luong_local_p":
            self.centre, self.centre_score = nn.Linear(width, width, bias=False), nn.Linear(width, 1, bias=False)
        if self.normed:
            self.length = nn.Parameter(torch.ones(1))
        if o["coverage"] == "sum":
            self.cover = nn.Linear(1, width, bias=False)
        if self.attends:
            self.combine = nn.Linear(memory + width * (2 if self.before else 1), width)
        self.target = nn.Embedding(rows[1], width)
        self.reads_text = source is None
        self.source = source or (self.target if o["tie"] == "all" else nn.Embedding(rows[0], width))
        self.output = nn.Linear(width, rows[1])
        if o["tie"] != "none":
            self.output.weight = self.target.weight
        self.classes, self.states, self.fed = rows[1] - 2, states, fed

    def names(self):
        """{seqtrain's name: our parameter} where the layouts are the same."""
        o, pairs = self.options, {"output/bias": self.output.bias}
        if o["tie"] == "all":
            pairs["embedding/weight"] = self.target.weight
        else:
            pairs |= {"source/embedding/weight": self.source.weight} if self.reads_text else self.source.names()
            pairs["target/embedding/weight"] = self.target.weight
        if o["tie"] == "none":
            pairs["output/weight"] = self.output.weight
        for i in range(o["encoder_layers"]):
            for way, suffix in (("/forward", ""), ("/backward", "_reverse")) if o["encoder_bidirectional"] else (("", ""),):
                for part, their in (("input", "ih"), ("hidden", "hh")):
                    for kind in ("weight", "bias"):
                        pairs[f"encoder/{i}{way}/{part}/{kind}"] = getattr(self.encoder, f"{kind}_{their}_l{i}{suffix}")
        for i, cell in enumerate(self.cells):
            for part, their in (("input", "ih"), ("hidden", "hh")):
                for kind in ("weight", "bias"):
                    if not (i == 0 and self.fed and (part, kind) == ("input", "weight")):
                        pairs[f"decoder/{i}/{part}/{kind}"] = getattr(cell, f"{kind}_{their}")
        for i, bridge in enumerate(getattr(self, "bridge", [])):
            pairs[f"bridge/{i}/weight"], pairs[f"bridge/{i}/bias"] = bridge.weight, bridge.bias
        for name, ours in (("key", "key"), ("query", "query"), ("score", "score"), ("centre", "centre/inner"), ("centre_score", "centre/outer"), ("cover", "coverage")):
            if hasattr(self, name):
                pairs[f"attention/{ours}/weight"] = getattr(self, name).weight
        if self.normed:
            pairs["attention/key/bias"], pairs["attention/score/length"] = self.key.bias, self.length
        if self.attends:
            pairs["decoder/combine/weight"], pairs["decoder/combine/bias"] = self.combine.weight, self.combine.bias
        return pairs

    def parts(self):
        """{seqtrain's name: columns of the first cell's weight_ih}, where it is put together of two."""
        width = self.options["width"]
        return {"decoder/0/input/weight": slice(0, width), "decoder/0/fed/weight": slice(width, None)} if self.fed else {}

    def shapes(self):
        out = {name: tuple(parameter.shape) for name, parameter in self.names().items()}
        return out | {name: tuple(self.cells[0].weight_ih[:, part].shape) for name, part in self.parts().items()}

    def load(self, read):
        with torch.no_grad():
            for name, parameter in self.names().items():
                parameter.copy_(torch.from_numpy(read(name)))
            for name, part in self.parts().items():
                self.cells[0].weight_ih[:, part] = torch.from_numpy(read(name))

    def gradients(self):
        out = {name: parameter.grad for name, parameter in self.names().items()}
        return out | {name: self.cells[0].weight_ih.grad[:, part] for name, part in self.parts().items()}

    def embed(self, table, ids):
        return table(ids) * (math.sqrt(self.options["width"]) if self.options["embedding_scale"] else 1)

    def encode(self, source):
        """Rows [batch, longest, memory], their mask, and of each layer the end [batch, ways·states·width]: of each way h, then c.
        Without an encoder what the source gives, and its mean."""
        rows = nn.utils.rnn.pad_sequence(source, True, 0) if self.reads_text else nn.utils.rnn.pad_sequence(self.source(source), True)
        if not self.options["encoder_layers"]:
            return rows, torch.zeros(rows.shape[:2], dtype=torch.bool), [rows.mean(1)]
        rows = self.embed(self.source, rows) if self.reads_text else rows
        packed = nn.utils.rnn.pack_padded_sequence(rows, [len(s) for s in source], batch_first=True, enforce_sorted=False)
        self.encoder.batch_first = True
        out, end = self.encoder(packed)
        rows = nn.utils.rnn.pad_packed_sequence(out, True)[0]
        end = torch.stack(end if self.states == 2 else [end])  # [states, layers·ways, batch, width]
        ways = 2 if self.options["encoder_bidirectional"] else 1
        ends = [torch.cat([end[s, layer * ways + way] for way in range(ways) for s in range(self.states)], 1) for layer in range(self.options["encoder_layers"])]
        mask = nn.utils.rnn.pad_sequence([torch.zeros(len(s), dtype=torch.bool) for s in source], True, True)
        return rows, mask, ends

    def begin(self, ends, layer):
        kind, end = self.options["bridge"], ends[min(layer, len(ends) - 1)]
        if kind == "zero":
            return torch.zeros(len(end), self.states * self.options["width"])
        return self.bridge[layer](end).tanh() if kind == "linear" else end

    def window(self, query, mask, step):
        """Local attention: the mask of what is not seen, and the weights' factors."""
        lengths, places, reach = (~mask).sum(1, keepdim=True), torch.arange(mask.shape[1])[None], self.options["window"]
        if not hasattr(self, "centre"):
            return mask | ((places - (lengths - 1).clamp(max=step)).abs() > reach), torch.ones(())
        centre = lengths * self.centre_score(self.centre(query).tanh()).sigmoid()
        return mask | ((places - (centre + 0.5).floor()).abs() > reach), torch.exp(-(places - centre) ** 2 / (2 * (reach / 2) ** 2))

    def attend(self, query, rows, keys, mask, step):
        if hasattr(self, "cover"):
            keys = keys + self.cover(sum(self.told, torch.zeros(rows.shape[:2]))[..., None])
        if self.before or self.options["attention"] == "luong_concat":
            scores = self.score((self.query(query)[:, None] + keys).tanh())[..., 0]
            if self.normed:
                scores = scores * self.length / self.score.weight.norm() / math.sqrt(self.options["width"])
        else:
            scores = (query[:, None] * keys).sum(-1) / (math.sqrt(self.options["width"]) if self.options["attention"] == "luong_scaled" else 1)
        mask, factors = self.window(query, mask, step) if self.local else (mask, torch.ones(()))
        weights = scores.masked_fill(mask, -math.inf).softmax(-1) * factors
        self.told.append(weights)
        return (weights[..., None] * rows).sum(1)

    def predict(self, hidden):
        return nn.functional.linear(hidden, self.output.weight[:self.classes], self.output.bias[:self.classes])

    def forward(self, source, target, draw=None):
        """As twin.Twin's; draw(t, ids, logits) tells what step t is given instead of `ids`, the step before having predicted `logits`."""
        width, self.told = self.options["width"], []
        inputs = nn.utils.rnn.pad_sequence([torch.cat([torch.tensor([2]), t[:-1]]) for t in target], True, 0)
        rows, mask, ends = self.encode(source)
        keys = self.key(rows) if hasattr(self, "key") else rows
        states = [tuple(self.begin(ends, i).split(width, 1)) for i in range(len(self.cells))]
        hidden, all_hidden = torch.zeros(len(source), width), []
        for t in range(inputs.shape[1]):
            ids = draw(t, inputs[:, t], self.predict(hidden).detach()) if draw and t else inputs[:, t]
            x = e = self.embed(self.target, ids)
            if self.before:
                context = self.attend(states[-1][0], rows, keys, mask, t)
            if self.fed:
                x = torch.cat([x, context if self.before else ends[-1] if self.repeats else hidden], 1)
            for i, cell in enumerate(self.cells):
                state = cell(x, states[i] if self.states == 2 else states[i][0])
                states[i] = state if self.states == 2 else (state,)
                x = states[i][0]
            if self.before:
                hidden = self.combine(torch.cat([x, context, e], 1)).tanh()
            elif self.attends:
                hidden = self.combine(torch.cat([self.attend(x, rows, keys, mask, t), x], 1)).tanh()
            else:
                hidden = x
            all_hidden.append(hidden)
        return self.predict(torch.stack(all_hidden, 1)), nn.utils.rnn.pad_sequence(target, True, -100)

    def loss(self, source, target, smoothing, guide=None, draw=None):
        """As twin.Twin's; draw as in forward()."""
        logits, labels = self(source, target, draw)
        loss = nn.functional.cross_entropy(logits.reshape(-1, self.classes), labels.reshape(-1), reduction="sum", label_smoothing=smoothing)
        return loss + guide(torch.stack(self.told, 1)) if guide else loss
