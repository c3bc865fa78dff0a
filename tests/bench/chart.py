"""Ratios as an SVG chart: a bar for each median, a line from the least to the largest, and a mark where both are equal."""

import math
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 960, 30, 60, 72, 54
FASTER, SLOWER, INK, PALE = "#2f6f9f", "#b5651d", "#222222", "#d5d9de"


def text(x, y, words, size=13, color=INK, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}">{escape(words)}</text>'


def upright(x, top, bottom, color):
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{color}"/>'


def step_of(limit):
    """Between lines of the scale: 1, 2 or 5 times a power of ten, at most ten of them."""
    power = 10.0 ** math.floor(math.log10(limit / 10))
    return next(power * n for n in (1, 2, 5, 10) if limit / (power * n) <= 10)


def ticks(limit):
    step = step_of(limit)
    return [i * step for i in range(int(limit / step) + 1)]


def scale(place, limit, bottom):
    for tick in ticks(limit):
        yield text(place(tick), bottom + 12, f"{tick:g}", 11, anchor="middle")


def bar(place, limit, y, entry):
    ratio, (side, other) = entry["ratio"], entry["sides"]
    low, high, median = place(ratio["min"]), place(ratio["max"]), place(ratio["median"])
    color = FASTER if ratio["median"] >= 1 else SLOWER
    yield text(LEFT, y + 18, f"{entry['title']}: {side['name']} against {other['name']}")
    for tick in ticks(limit):
        yield upright(place(tick), y + 22, y + 46, PALE)
    yield f'<rect x="{LEFT}" y="{y + 25}" width="{median - LEFT:.1f}" height="18" fill="{color}"/>'
    yield f'<line x1="{low:.1f}" y1="{y + 34}" x2="{high:.1f}" y2="{y + 34}" stroke="{INK}" stroke-width="2"/>'
    yield upright(place(1), y + 22, y + 46, INK)
    yield text(max(high, place(1)) + 8, y + 39, f"{ratio['median']:.2f}")


def draw(about, entries):
    """about: lines of text; entries: as bench.py makes them, with a ratio each."""
    limit = max([1.2] + [entry["ratio"]["max"] * 1.08 for entry in entries])
    bottom = TOP + ROW * len(entries) + 6

    def place(ratio):
        return LEFT + ratio / limit * (WIDTH - LEFT - RIGHT)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="#ffffff"/>', text(LEFT, 26, "Speed: times that of the other side (1: equal)", 17),
             *[text(LEFT, 44 + 14 * i, words, 10) for i, words in enumerate(about)],
             *scale(place, limit, bottom)]
    for i, entry in enumerate(entries):
        parts += bar(place, limit, TOP + ROW * i, entry)
    return "\n".join([*parts, "</svg>", ""])
