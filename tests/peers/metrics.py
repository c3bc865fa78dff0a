"""seqtrain's text metrics against sacrebleu's: pairs of files of many kinds, every metric, tokeniser and case; lower
case of every character against Python's; the paired bootstrap against sacrebleu's.

    metrics.py BUILD
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

import sacrebleu
from sacrebleu.significance import PairedTest

PROGRAM = os.path.join(os.path.abspath(sys.argv[1]), "seqtrain")
FAILED = []
WORDS = {
    "en": "a the man woman dog is in on with playing red small two children their sitting of and water ball through "
          "snow , . street's young people's non-stop 3,000 1.5 U.S. jumping over".split(),
    "de": "ein eine der Mann Frau Hund spielt im auf mit rotes kleines zwei Kinder sitzen Straße und Wasser Ball durch "
          "Schnee , . größer Übung ÄRGER 1.000,50 z.B. springt über „ja“".split(),
    "zh": list("我们在公园里看见了两个小孩和一只红色的狗。，他说：“你好！”３５"),
    "el": "Ο ΣΟΦΟΣ ΆΝΘΡΩΠΟΣ ΛΈΕΙ ΣΕ ΌΛΟΥΣ ΤΟΥΣ ΦΊΛΟΥΣ· ΣΑΣ ΕΥΧΑΡΙΣΤΏ Α.Σ. ΟΔΌΣ,".split(),
    "tr": "İstanbul IŞIK İyi ILIK bir gün geldi İLK".split(),
}
PUNCTUATION = ["&quot;", "&amp;", "&lt;b&gt;", "&amp;lt;", "&amp;quot;", "<skipped>", "...", "1.5", "3,000.", ".5", "5.",
               "a.b", ",", "--", "10-12", "x-y", "9-", "$5%", "(hi)", "[x]", "{y}", "it's", "'s", "e.g.,", "a,,b", "..",
               "http://a.b/c?d=e&f", "#tag", "@me", "^`~|\\", "\"q\"", "*", "+=", ";:", "!", "?!", "«c»", "—", "“”", "´",
               "Ａ", "\u00a0", "a\u00a0b", "\u3000", "\u200b", "\u2028", "\x1c", "\x85", "e\u0301", "😀", "-", "._."]


def fail(text):
    print("FAIL:", text)
    FAILED.append(text)


def sentence(rng, language, low, high):
    blank = "" if language == "zh" else " "
    return blank.join(rng.choice(WORDS[language]) for _ in range(rng.randint(low, high)))


def disturb(rng, line, rate, blank=" "):
    """As a translation errs: words lost, doubled, replaced, and blocks moved."""
    words = line.split(" ") if blank else list(line)
    out = []
    for word in words:
        x = rng.random()
        if x < rate:
            continue
        out.append(rng.choice(words) if x < 2 * rate else word)
        if 2 * rate < x < 2.5 * rate:
            out.append(word)
    for _ in range(rng.randint(0, 3)):
        if len(out) > 4:
            first = rng.randrange(len(out) - 2)
            block = out[first:first + rng.randint(1, 4)]
            del out[first:first + len(block)]
            at = rng.randint(0, len(out))
            out[at:at] = block
    if out and rng.random() < 0.3:
        out[0] = out[0].upper()
    return blank.join(out)


def noise(rng, count):
    return [" ".join(rng.choice(PUNCTUATION) for _ in range(rng.randint(0, 12))) for _ in range(count)]


def glued(rng, count):
    return ["".join(rng.choice(PUNCTUATION + [" "] * 8 + list("ab19.,-&;")) for _ in range(rng.randint(0, 40))) for _ in range(count)]


def pairs_of_files():
    rng = random.Random(1)
    made = {}

    def add(name, references, hypotheses):
        made[name] = (hypotheses, references)

    for language in WORDS:
        references = [sentence(rng, language, 5, 25) for _ in range(200)]
        blank = "" if language == "zh" else " "
        add(language + " good", references, [disturb(rng, line, 0.05, blank) for line in references])
        add(language + " poor", references, [disturb(rng, line, 0.35, blank) for line in references])
    english = made["en good"][1]
    add("identical", english, list(english))
    add("nothing in common", english, ["xyzzy plugh"] * len(english))
    add("all empty", [""] * 5, [""] * 5)
    add("empty translations", english[:20], [""] * 20)
    add("empty references", [""] * 20, english[:20])
    add("some empty", [line if rng.random() < 0.7 else "" for line in english],
        [line if rng.random() < 0.7 else "" for line in made["en good"][0]])
    add("one word", [rng.choice(WORDS["en"]) for _ in range(30)], [rng.choice(WORDS["en"]) for _ in range(30)])
    add("one letter", list("abcabc,.!a"), list("abdabc..?b"))
    add("up to three words", [sentence(rng, "en", 1, 3) for _ in range(50)], [sentence(rng, "en", 1, 3) for _ in range(50)])
    add("one line", [english[0]], [disturb(rng, english[0], 0.1)])
    add("punctuation", noise(rng, 300), noise(rng, 300))
    lines = glued(rng, 400)
    add("punctuation glued", lines, [disturb(rng, line, 0.1) for line in lines])
    add("white space", ["  a\tb  c\u00a0d ", "\u3000x y\u2003z", " lead", "trail \u2028", "a\x1cb\x1dc\x85d"],
        ["a b c d", "x\u3000y z ", "lead ", "  trail", "a b c d"])
    long = [sentence(rng, "en", 150, 260) for _ in range(4)]
    add("long", long, [disturb(rng, line, 0.1) for line in long])
    add("long against short", [sentence(rng, "en", 200, 400) for _ in range(3)] + [sentence(rng, "en", 1, 3) for _ in range(3)],
        [sentence(rng, "en", 1, 4) for _ in range(3)] + [sentence(rng, "en", 200, 300) for _ in range(3)])
    halves = [sentence(rng, "de", 8, 40) for _ in range(100)]
    add("halves swapped", halves, [" ".join((w := line.split(" "))[len(w) // 2:] + w[:len(w) // 2]) for line in halves])
    add("reversed", halves, [" ".join(reversed(line.split(" "))) for line in halves])
    few = ["a", "b", "c"]
    add("few words, many shifts", [" ".join(rng.choice(few) for _ in range(rng.randint(1, 60))) for _ in range(40)],
        [" ".join(rng.choice(few) for _ in range(rng.randint(1, 60))) for _ in range(40)])
    add("capitals", english, [line.upper() for line in made["en good"][0]])
    return made


def write(folder, name, lines):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in lines)
    return path


def evaluate(hypotheses, references, *switches):
    run = subprocess.run([PROGRAM, "evaluate", "--translation", hypotheses, "--target", references, "--json", *switches],
                         capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit("evaluate: status %d: %s" % (run.returncode, run.stderr))
    return json.loads(run.stdout)["metrics"]


def peers(tokenizer, lowercase):
    return {"bleu": sacrebleu.BLEU(tokenize=tokenizer, lowercase=lowercase, force=True),
            "chrf": sacrebleu.CHRF(lowercase=lowercase),
            "chrf++": sacrebleu.CHRF(word_order=2, lowercase=lowercase),
            "ter": sacrebleu.TER()}


def compare(folder, name, hypotheses, references):
    compared = 0
    files = write(folder, "hypotheses", hypotheses), write(folder, "references", references)
    for lowercase in (False, True):
        for tokenizer in ("13a", "none", "char"):
            metrics = peers(tokenizer, lowercase)
            if tokenizer != "13a":
                metrics = {"bleu": metrics["bleu"]}
            if lowercase:
                metrics.pop("ter", None)  # the same again, and slow
            found = evaluate(*files, "--tokenizer", tokenizer, *["--lowercase"] * lowercase, "--metrics", *metrics)
            for metric, peer in metrics.items():
                score = peer.corpus_score(hypotheses, [references])
                signature = str(peer.get_signature()).replace(sacrebleu.__version__, "seqtrain")
                where = "%s, %s, %s%s" % (name, metric, tokenizer, ", lower case" if lowercase else "")
                compared += 1
                if abs(score.score - found[metric]["value"]) > 1e-6:
                    fail("%s: sacrebleu %.6f, seqtrain %.6f" % (where, score.score, found[metric]["value"]))
                if signature != found[metric]["signature"]:
                    fail("%s: signature %s, found %s" % (where, signature, found[metric]["signature"]))
                if metric == "bleu" and score._verbose.strip() != found[metric]["details"]:
                    fail("%s: %s, found %s" % (where, score._verbose, found[metric]["details"]))
    return compared


def compare_lower_case(folder):
    """Every character alone, and capital sigmas between all kinds of Greek and Latin neighbours."""
    characters = [chr(c) for c in range(0x21, 0x110000) if not 0xD800 <= c < 0xE000 and chr(c) != "\ufeff"]
    near = "aAςσΣάΑ.,:'’·- \u0301ªß1Жж"
    lines = ["x" + c for c in characters] + [a + b + "Σ" + c + d for a in near for b in near for c in near for d in near]
    files = write(folder, "mixed", lines), write(folder, "lower", [line.lower() for line in lines])
    found = evaluate(*files, "--lowercase", "--metrics", "exact")["exact"]["value"]
    if found != 100:
        fail("lower case: %.4f %% of %d lines as Python has them" % (found, len(lines)))
    return len(lines)


def compare_bootstrap(folder, made):
    references = made["en good"][1]
    rng = random.Random(2)
    better = [disturb(rng, line, 0.12) for line in references]
    for rate in (0.125, 0.14, 0.2):
        baseline = [disturb(rng, line, rate) for line in references]
        found = evaluate(write(folder, "better", better), write(folder, "references", references),
                         "--baseline", write(folder, "baseline", baseline), "--metrics", "bleu", "chrf", "ter", "--resamples", "4000")
        metrics = {name: peer for name, peer in peers("13a", False).items() if name in found}
        _, scores = PairedTest([("baseline", baseline), ("better", better)], metrics, [references], test_type="bs", n_samples=4000)()
        for name, key in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
            p = scores[key][1].p_value
            spread = 5 * (max(p, 0.001) * (1 - p) / 4000) ** 0.5 + 0.01
            print("  %-4s difference %+.2f: p = %.4f, sacrebleu %.4f" % (name, found[name]["difference"], found[name]["p_value"], p))
            if abs(found[name]["p_value"] - p) > spread:
                fail("bootstrap of %s: sacrebleu p = %.4f, seqtrain %.4f" % (name, p, found[name]["p_value"]))


def main():
    start = time.time()
    made = pairs_of_files()
    with tempfile.TemporaryDirectory() as folder:
        compared = sum(compare(folder, name, *sides) for name, sides in made.items())
        print("%d values of %d pairs of files compared with sacrebleu %s" % (compared, len(made), sacrebleu.__version__))
        print("%d lines in lower case" % compare_lower_case(folder))
        compare_bootstrap(folder, made)
    print("metrics: %s in %.0f s" % ("%d failures" % len(FAILED) if FAILED else "all equal", time.time() - start))
    sys.exit(1 if FAILED else 0)


main()
