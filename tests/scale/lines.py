"""Efficiency over ranks as an SVG chart: a panel for each scaling, a line for each link and way to sum."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 430, 64, 24, 84, 110
COLORS = ["#b5651d", "#2f6f9f", "#3b7a3b", "#7a3b6f"]
DASHES = ["", "7 4", "2 3", "10 3 2 3"]
INK, PALE = "#222222", "#d5d9de"


def text(x, y, words, size=12, anchor="start", color=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}"{more}>{escape(words)}</text>'


def stroke(x1, x2, y1, y2, color=PALE, width=1, dash=""):
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}" stroke-dasharray="{dash}"/>'


class Panel:
    def __init__(self, left, ranks):
        self.left, self.right, self.ranks = left + LEFT, left + WIDTH - RIGHT, ranks

    def x(self, ranks):
        low, high = math.log2(self.ranks[0]), math.log2(self.ranks[-1])
        return self.left + (math.log2(ranks) - low) / max(high - low, 1) * (self.right - self.left)

    def y(self, share):
        return TOP + (1 - min(share, 1)) * (HEIGHT - TOP - BOTTOM)

    def frame(self, name):
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield text(self.left, TOP - 12, f"{name} scaling", 14)
        yield text(self.left - 44, middle, "share of what ranks compute alone", 11, "middle", more=f' transform="rotate(-90 {self.left - 44} {middle})"')
        for percent in range(0, 101, 20):
            yield stroke(self.left, self.right, self.y(percent / 100), self.y(percent / 100))
            yield text(self.left - 6, self.y(percent / 100) + 4, f"{percent} %", 11, "end")
        for ranks in self.ranks:
            yield stroke(self.x(ranks), self.x(ranks), self.y(0), self.y(0) + 4, INK)
            yield text(self.x(ranks), self.y(0) + 18, f"{ranks:,}", 11, "middle")
        yield text((self.left + self.right) / 2, self.y(0) + 36, "ranks", 11, "middle")

    def line(self, points, color, dash):
        places = " ".join(f"{self.x(p['ranks']):.1f},{self.y(p['efficiency']):.1f}" for p in points)
        return f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'


def legend(y, samples):
    """(words, color, dash) one beside the other."""
    for i, (words, color, dash) in enumerate(samples):
        x = LEFT + 150 * i
        yield stroke(x, x + 34, y - 4, y - 4, color, 2, dash)
        yield text(x + 40, y, words)


def draw(about, scalings, results):
    def of(key):
        return list(dict.fromkeys(r[key] for r in results))

    width = WIDTH * len(scalings)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="#ffffff"/>', text(20, 26, "Training on clusters, simulated", 17), text(20, 46, about, 10)]
    for i, scaling in enumerate(scalings):
        panel = Panel(WIDTH * i, of("ranks"))
        parts += panel.frame(scaling)
        for color, gbit in zip(COLORS, of("gbit")):
            for dash, sums in zip(DASHES, of("sums")):
                parts.append(panel.line([r for r in results if (r["scaling"], r["gbit"], r["sums"]) == (scaling, gbit, sums)], color, dash))
    parts += legend(HEIGHT - 40, [(f"{gbit} Gbit/s", color, "") for color, gbit in zip(COLORS, of("gbit"))])
    parts += legend(HEIGHT - 16, [(sums, INK, dash) for dash, sums in zip(DASHES, of("sums"))])
    return "\n".join([*parts, "</svg>", ""])
