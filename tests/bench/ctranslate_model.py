"""Writes the weights of a seqtrain checkpoint as a CTranslate2 model, with the vocabularies' SentencePiece models beside it.

    ctranslate_model.py CHECKPOINT FOLDER
"""

import json
import os
import struct
import sys

import h5py
import numpy
from sentencepiece import SentencePieceProcessor

from twin import read_config, sinusoids

ACTIVATIONS = {"relu": 0, "gelu_tanh": 1, "silu": 2, "gelu": 3}
POSITIONS = 2048


# ---- the model's file: binary version 6, specification 7 of the Transformer ----

def text(string):
    data = string.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def variable(name, value):
    code = {"float32": 0, "int8": 1, "int16": 2}[value.dtype.name]
    head = text(name) + struct.pack(f"<B{value.ndim}IBI", value.ndim, *value.shape, code, value.nbytes)
    return head + value.tobytes()


def write_model(path, variables, aliases):
    with open(path, "wb") as f:
        f.write(struct.pack("<I", 6) + text("TransformerSpec") + struct.pack("<II", 7, len(variables)))
        for name, value in variables.items():
            f.write(variable(name, numpy.asarray(value, order="C")))
        f.write(struct.pack("<I", len(aliases)) + b"".join(text(a) + text(b) for a, b in aliases.items()))


# ---- its contents ----

class Converter:
    def __init__(self, checkpoint):
        self.options = read_config(checkpoint)["model"]
        with h5py.File(checkpoint) as f:
            self.weights = {}
            f["model"].visititems(lambda name, item: self.weights.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
            vocabularies = f["vocabulary"]
            self.pieces = {side: bytes(vocabularies[side if side in vocabularies else "joint"]["model"][:]) for side in ("source", "target")}
        if self.options["head_width"]:
            sys.exit("CTranslate2 has no model.head_width")
        self.out = {}

    def linear(self, to, weight, bias):
        self.out[to + "/weight"], self.out[to + "/bias"] = weight, bias

    def copy(self, to, name):
        self.linear(to, self.weights[name + "/weight"], self.weights[name + "/bias"])

    def norm(self, to, name):
        self.out[to + "/gamma"], self.out[to + "/beta"] = self.weights[name + "/gain"], self.weights[name + "/bias"]

    def layer(self, side, i):
        to, name = f"{side}/layer_{i}", f"{side}/{i}"
        self.copy(to + "/self_attention/linear_0", name + "/self_attention/qkv")
        self.copy(to + "/self_attention/linear_1", name + "/self_attention/output")
        self.norm(to + "/self_attention/layer_norm", name + "/self_attention/norm")
        self.copy(to + "/ffn/linear_0", name + "/feed_forward/inner")
        self.copy(to + "/ffn/linear_1", name + "/feed_forward/outer")
        self.norm(to + "/ffn/layer_norm", name + "/feed_forward/norm")

    def cross_attention(self, i):
        to, name, width = f"decoder/layer_{i}/attention", f"decoder/{i}/cross_attention", self.options["width"]
        rows = slice(2 * width * i, 2 * width * (i + 1))
        key_value = "decoder/cross_attention/key_value"
        self.copy(to + "/linear_0", name + "/query")
        self.linear(to + "/linear_1", self.weights[key_value + "/weight"][rows], self.weights[key_value + "/bias"][rows])
        self.copy(to + "/linear_2", name + "/output")
        self.norm(to + "/layer_norm", name + "/norm")

    def positions(self, side):
        if self.options["position"] == "learned":
            return self.weights[f"{side}/position/weight"]
        table = sinusoids(POSITIONS, self.options["width"]).numpy()
        return table if self.options["position"] == "sinusoidal" else numpy.zeros_like(table)

    def side(self, side, of):
        o, scale = self.options, self.options["width"] ** 0.5 if self.options["embedding_scale"] else 1
        self.out |= {f"{side}/num_heads": numpy.int16(o["heads"]), f"{side}/pre_norm": numpy.int8(o["norm"] == "pre"),
                     f"{side}/activation": numpy.int8(ACTIVATIONS[o["activation"]]), f"{side}/scale_embeddings": numpy.float32(scale),
                     f"{side}/position_encodings/encodings": self.positions(of)}
        for i in range(o[f"{side}_layers"]):
            self.layer(side, i)
        if o["norm"] == "pre":
            self.norm(f"{side}/layer_norm", f"{side}/norm")

    def embeddings(self):
        """Without the last two rows, <mask> and <pad>, which are no words. Returns the aliases of what is tied."""
        cut, tie, w = slice(None, -2), self.options["tie"], self.weights
        aliases = {}
        if tie == "all":
            self.out["decoder/embeddings/weight"] = w["embedding/weight"][cut]
            aliases["encoder/embeddings_0/weight"] = "decoder/embeddings/weight"
        else:
            self.out["decoder/embeddings/weight"] = w["target/embedding/weight"][cut]
            self.out["encoder/embeddings_0/weight"] = w["source/embedding/weight"][cut]
        if tie == "none":
            self.out["decoder/projection/weight"] = w["output/weight"][cut]
        else:
            aliases["decoder/projection/weight"] = "decoder/embeddings/weight"
        self.out["decoder/projection/bias"] = w["output/bias"][cut]
        self.out["decoder/start_from_zero_embedding"] = numpy.int8(self.options["start"] == "zero")
        return aliases

    def write(self, folder):
        self.side("encoder", "source")
        self.side("decoder", "target")
        for i in range(self.options["decoder_layers"]):
            self.cross_attention(i)
        os.makedirs(folder)
        write_model(f"{folder}/model.bin", self.out, self.embeddings())
        for side, model in self.pieces.items():
            with open(f"{folder}/{side}.spm", "wb") as f:
                f.write(model)
            cutter = SentencePieceProcessor(model_file=f"{folder}/{side}.spm")
            with open(f"{folder}/{side}_vocabulary.json", "w", encoding="utf-8") as f:
                json.dump([cutter.id_to_piece(i) for i in range(cutter.get_piece_size())], f)
        with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
            json.dump({"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "decoder_start_token": "<s>", "add_source_bos": False,
                       "add_source_eos": True, "layer_norm_epsilon": self.options["norm_epsilon"]}, f)


Converter(sys.argv[1]).write(sys.argv[2])
