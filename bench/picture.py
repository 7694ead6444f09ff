#!/usr/bin/env python3
"""Draws the rows of `./dev bench --json` as an SVG: times as multiples of the hand-written code's.

    picture.py ROWS.json PICTURE.svg

One line a case, on one thread: Kroton, the fastest other library (named at the right), and the bound. The scale is
logarithmic. Nothing but the standard library is needed; light and dark pages are both served.
"""

import json
import math
import sys
from html import escape

LABEL, PLOT, LINE, TOP = 330, 480, 14, 64
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.small { font-size: 10.5px; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.suite { font-weight: 600 }
.grid { stroke: #d0d7de } .limit { stroke: #57606a }
.ours { fill: #0969da } .over { fill: #cf222e } .peer { fill: none; stroke: #9a6700; stroke-width: 1.5 }
.bound { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #8d96a0 }
  .grid { stroke: #30363d } .limit { stroke: #8d96a0 }
  .ours { fill: #4493f8 } .over { fill: #f85149 } .peer { stroke: #d29922 } .bound { stroke: #3fb950 }
}
"""


def cases_of(rows):
    """Suite → [(label, ours, best peer or None)] of the cases that have hand-written code."""
    groups = {}
    for row in rows:
        if row["threads"] == 1 and "of_limit" in row:
            groups.setdefault((row["suite"], row["case"], row["size"]), []).append(row)
    suites = {}
    for (suite, case, size), group in groups.items():
        ours = next((r for r in group if r["system"].startswith("kroton")), None)
        if ours:
            peer = next((r for r in group if r["system"] == ours.get("peer")), None)
            suites.setdefault(suite, []).append((f"{case}, {size}", ours, peer))
    return suites


class Scale:
    def __init__(self, ratios):
        self.low = min(0.5, *ratios) * 0.9
        self.high = max(10.0, *ratios) * 1.15

    def __call__(self, ratio):
        return LABEL + PLOT * math.log(ratio / self.low) / math.log(self.high / self.low)

    def ticks(self):
        return [t for t in TICKS if self.low <= t <= self.high]


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def vertical(x, y0, y1, kind):
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y0:.1f}" y2="{y1:.1f}" class="{kind}"/>'


def legend():
    y, parts = 40, []
    for x, mark, words in (
        (0, '<circle cx="6" cy="-4" r="4.5" class="ours"/>', "Kroton (red: over its bound)"),
        (200, '<circle cx="6" cy="-4" r="4" class="peer"/>', "fastest other library"),
        (360, '<line x1="6" x2="6" y1="-10" y2="2" class="bound"/>', "bound"),
        (430, '<line x1="6" x2="6" y1="-10" y2="2" class="limit"/>', "1 = written by hand (products: the best library)"),
    ):
        parts.append(f'<g transform="translate({x + 12} {y})">{mark}{text(16, 0, words, "small")}</g>')
    return parts


def case_line(label, ours, peer, y, scale):
    parts = [text(LABEL - 10, y + 4, label, "small", "end")]
    if "bound_of_limit" in ours:
        parts.append(vertical(scale(ours["bound_of_limit"]), y - 6, y + 6, "bound"))
    if peer:
        parts.append(
            f'<circle cx="{scale(peer["of_limit"]):.1f}" cy="{y:.1f}" r="4" class="peer">'
            f'<title>{escape(peer["system"])}: {peer["of_limit"]:.2f}</title></circle>'
        )
        parts.append(text(LABEL + PLOT + 12, y + 4, peer["system"], "small"))
    kind = "over" if ours["is_over"] else "ours"
    parts.append(
        f'<circle cx="{scale(ours["of_limit"]):.1f}" cy="{y:.1f}" r="4.5" class="{kind}">'
        f'<title>Kroton: {ours["of_limit"]:.2f}</title></circle>'
    )
    return parts


def picture(rows):
    suites = cases_of(rows)
    drawn = [r for cases in suites.values() for _, *pair in cases for r in pair if r]
    scale = Scale([r["of_limit"] for r in drawn])
    lines, y = [], TOP + 20
    for suite, cases in suites.items():
        lines.append(text(12, y + 4, suite, "suite"))
        for label, ours, peer in cases:
            lines += case_line(label, ours, peer, y, scale)
            y += LINE
        y += LINE // 2
    grid = [vertical(scale(t), TOP, y, "limit" if t == 1 else "grid") for t in scale.ticks()]
    grid += [text(scale(t), TOP - 4, f"{t:g}×", "small", "middle") for t in scale.ticks()]
    width, height = LABEL + PLOT + 110, y + 12
    title = text(12, 20, "Time as a multiple of code written by hand for the same case (one thread)", "title")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, f"<style>{STYLE}</style>", title, *legend(), *grid, *lines, "</svg>"]) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        rows = json.load(file)
    if not cases_of(rows):
        sys.exit("picture: none of the rows stands beside hand-written code on one thread")
    with open(sys.argv[2], "w") as file:
        file.write(picture(rows))


if __name__ == "__main__":
    main()
