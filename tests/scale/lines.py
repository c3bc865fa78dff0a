"""Efficiency over ranks as an SVG chart: a panel for each scaling, a line for each link and way to sum."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 360, 52, 70, 60
COLORS = ["#b5651d", "#2f6f9f", "#3b7a3b", "#7a3b6f"]
DASHES = ["", "6 4", "2 3", "10 3 2 3"]


def text(x, y, words, size=12, anchor="start", color="#222222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'


class Panel:
    def __init__(self, left, ranks):
        self.left, self.ranks = left, ranks

    def x(self, ranks):
        low, high = math.log2(self.ranks[0]), math.log2(self.ranks[-1])
        return self.left + LEFT + (math.log2(ranks) - low) / max(high - low, 1) * (WIDTH - LEFT - 20)

    def y(self, share):
        return TOP + (1 - min(share, 1)) * (HEIGHT - TOP - BOTTOM)

    def frame(self, name):
        yield text(self.left + LEFT, TOP - 10, f"{name} scaling: share of what the ranks compute alone", 13)
        for percent in range(0, 101, 20):
            y = self.y(percent / 100)
            yield f'<line x1="{self.left + LEFT}" x2="{self.left + WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d5d9de"/>'
            yield text(self.left + LEFT - 6, y + 4, f"{percent} %", 11, "end")
        for ranks in self.ranks:
            yield text(self.x(ranks), HEIGHT - BOTTOM + 16, f"{ranks:,}", 11, "middle")

    def line(self, points, color, dash):
        places = " ".join(f"{self.x(p['ranks']):.1f},{self.y(p['efficiency']):.1f}" for p in points)
        return f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'


def draw(about, scalings, results):
    def of(key):
        return list(dict.fromkeys(r[key] for r in results))

    width = WIDTH * len(scalings) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="#ffffff"/>', text(20, 26, "Training on clusters, simulated: ranks", 17), text(20, 44, about, 10)]
    for i, scaling in enumerate(scalings):
        panel = Panel(WIDTH * i, of("ranks"))
        parts += panel.frame(scaling)
        for color, gbit in zip(COLORS, of("gbit")):
            for dash, sums in zip(DASHES, of("sums")):
                parts.append(panel.line([r for r in results if (r["scaling"], r["gbit"], r["sums"]) == (scaling, gbit, sums)], color, dash))
    for i, (color, gbit) in enumerate(zip(COLORS, of("gbit"))):
        parts.append(text(LEFT + 110 * i, HEIGHT - 12, f"{gbit} Gbit/s", 12, color=color))
    for i, (dash, sums) in enumerate(zip(DASHES, of("sums"))):
        x = LEFT + 420 + 150 * i
        parts += [f'<line x1="{x}" x2="{x + 34}" y1="{HEIGHT - 16}" y2="{HEIGHT - 16}" stroke="#222222" stroke-width="2" stroke-dasharray="{dash}"/>',
                  text(x + 40, HEIGHT - 12, sums)]
    return "\n".join([*parts, "</svg>", ""])
