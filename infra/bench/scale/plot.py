"""Two pictures for docs/scale.md, as SVG: bars, each with its name and what is to be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from infra.bench.scale.check import Point
from infra.bench.scale.plans import Step

WIDTH, LEFT, RIGHT, HIGH, TOP = 860, 250, 330, 22, 46
COLOURS = {"measured": "#1b6ca8", "simulated": "#c8553d", "steps": "#3a7d44"}


class Bar(NamedTuple):
    """One value; an empty name continues the bar above."""

    name: str
    value: float
    note: str
    colour: str


def write(folder: Path, points: Sequence[Point], steps: Sequence[Step]) -> list[Path]:
    """Both pictures, in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "scale-measured.svg": draw("Jobs a second on one machine: measured and simulated", _checked(points)),
        "scale-simulated.svg": draw("Documents a second, simulated, and what limits them", _planned(steps)),
    }
    for name, drawing in made.items():
        (folder / name).write_text(drawing, encoding="utf-8")
    return [folder / name for name in made]


def _checked(points: Sequence[Point]) -> list[Bar]:
    bars = []
    for point in points:
        bars.append(Bar(point.name, point.measured, f"{point.measured:.2f} measured", COLOURS["measured"]))
        note = f"{point.simulated:.2f} simulated ({point.error:+.0%})"
        bars.append(Bar("", point.simulated, note, COLOURS["simulated"]))
    return bars


def _planned(steps: Sequence[Step]) -> list[Bar]:
    return [
        Bar(
            f"{step.workers:,} workers, {step.change.removeprefix('SHADOWTWIN_')}",
            step.outcome.per_second,
            f"{step.outcome.per_second:,.0f}/s, limited by {step.outcome.bottleneck.name}",
            COLOURS["steps"],
        )
        for step in steps
    ]


def draw(title: str, bars: Sequence[Bar]) -> str:
    """The SVG; lengths are logarithmic."""
    low = min(bar.value for bar in bars) / 2
    most = math.log10(max(bar.value for bar in bars) / low)
    room = WIDTH - LEFT - RIGHT
    height = TOP + HIGH * len(bars) + 16
    parts = [_text(16, 26, f"{title} (logarithmic)", weight="bold")]
    for number, bar in enumerate(bars):
        y = TOP + HIGH * number
        long = max(1.0, math.log10(bar.value / low) / most * room)
        parts.append(_text(LEFT - 8, y + 14, bar.name, anchor="end"))
        parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{long:.1f}" height="{HIGH - 6}" fill="{bar.colour}"/>')
        parts.append(_text(LEFT + long + 6, y + 14, bar.note))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="Helvetica" font-size="11"><rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="#222222" font-weight="{weight}">{escape(text)}</text>'
    )
