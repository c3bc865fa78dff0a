"""CTranslate2's side of translation, a process of its own; the model is that of ctranslate_model.py.

    ctranslate.py FOLDER TEXT BEAM ALPHA LONGEST THREADS OUT

Prints {"value": target tokens a second, </s> too}. Reading, cutting into pieces, translating, joining pieces and writing are in the
measured time, which starts when the model is loaded and its first batch, which warms up, is done. OUT gets the pieces of each line.
"""

import json
import sys
import time

import ctranslate2
from sentencepiece import SentencePieceProcessor

BATCH = 64


def translate(folder, path, beam, alpha, longest, threads, out):
    translator = ctranslate2.Translator(folder, device="cpu", compute_type="float32", inter_threads=1, intra_threads=threads)
    source, target = (SentencePieceProcessor(model_file=f"{folder}/{side}.spm") for side in ("source", "target"))

    def answer(lines):
        """The lines' pieces and text. return_end_token: </s> counts in the length that scores are divided by, as it does in seqtrain."""
        results = translator.translate_batch(source.encode(lines, out_type=str), max_batch_size=BATCH, beam_size=beam, max_decoding_length=longest,
                                             min_decoding_length=0, length_penalty=alpha, return_end_token=True)
        pieces = [[piece for piece in result.hypotheses[0] if piece != "</s>"] for result in results]
        return pieces, [target.decode(p) for p in pieces]

    def read():
        with open(path, encoding="utf-8") as f:
            return [line.rstrip("\n") for line in f]

    answer(read()[:BATCH])
    start = time.perf_counter()
    pieces, lines = answer(read())
    with open(out + ".text", "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in lines)
    seconds = time.perf_counter() - start
    with open(out, "w", encoding="utf-8") as f:
        f.writelines(" ".join(p) + "\n" for p in pieces)
    print(json.dumps({"value": sum(len(p) + 1 for p in pieces) / seconds}))


def main():
    folder, path, beam, alpha, longest, threads, out = sys.argv[1:]
    translate(folder, path, int(beam), float(alpha), int(longest), int(threads), out)


main()
