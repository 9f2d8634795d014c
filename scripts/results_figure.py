#!/usr/bin/env python3
"""Draws docs/results.svg from the table "Quality against time" of docs/results.md.

usage: results_figure.py [--check]    (exit code 1 when the committed figure is another)
"""
import html
import math
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 60, 170, 20, 50


def points(text):
    section = text.split("## Quality against time", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([^|]+) \| (\.\d+) \| ([\d,]+) \|$", section, re.M)
    return [(name, float(evidence), float(ms.replace(",", ""))) for name, evidence, ms in rows]


def draw(rows):
    least, most = 1.0, max(ms for _, _, ms in rows) * 1.3
    low = math.floor(min(e for _, e, _ in rows) * 20) / 20
    high = math.ceil(max(e for _, e, _ in rows) * 20) / 20
    wide = (WIDTH - LEFT - RIGHT) / math.log(most / least)
    across = lambda ms: LEFT + wide * math.log(ms / least)
    down = lambda e: TOP + (HEIGHT - TOP - BOTTOM) * (high - e) / (high - low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for step in range(round((high - low) * 20) + 1):
        value = low + step / 20
        out.append(f'<path d="M{LEFT} {down(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{down(value) + 4:.1f}" text-anchor="end">'
                   f'{value:.2f}</text>')
    for ms in (1, 10, 100, 1000, 10000):
        if ms <= most:
            out.append(f'<path d="M{across(ms):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                       f'<text x="{across(ms):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                       f'text-anchor="middle">{ms:,}</text>')
    taken = {True: [], False: []}
    for name, evidence, ms in sorted(rows, key=lambda row: -row[1]):
        x, y = across(ms), down(evidence)
        ours = name not in ("BM25", "MiniLM", "RRF(BM25, MiniLM)")
        label = y + 4  # on the right of ours, on the left of others
        while any(abs(label - other) < 13 and abs(x - where) < 150 for where, other in taken[ours]):
            label += 2
        taken[ours].append((x, label))
        side, anchor = (x + 8, "start") if ours else (x - 8, "end")
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{"#0b6" if ours else "#888"}"/>'
                   f'<text x="{side:.1f}" y="{label:.1f}" text-anchor="{anchor}">'
                   f'{html.escape(name)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
               'milliseconds a question (log)</text>')
    out.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" '
               f'transform="rotate(-90 14 {HEIGHT / 2})">evidence at 1,024 tokens</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    figure = draw(points((DOCS / "results.md").read_text("utf-8")))
    if "--check" in sys.argv:
        if figure != (DOCS / "results.svg").read_text("utf-8"):
            sys.exit("docs/results.svg is not what scripts/results_figure.py draws of results.md")
        return
    (DOCS / "results.svg").write_text(figure, "utf-8")


if __name__ == "__main__":
    main()
