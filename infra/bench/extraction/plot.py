"""The growth figures as a picture: peak memory and time to the first page against the number of pages.

Two small line charts are a hundred lines of SVG; a plotting library would be the largest package of the project.
A PNG is the same SVG drawn by MuPDF.
"""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 78, 44, 46
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d4f9e")

Series = dict[str, list[tuple[float, float]]]


def write_plot(path: Path, growth: dict[str, Any]) -> None:
    """Write `path` (.svg or .png) from what measure_growth found."""
    drawing = draw(growth)
    if path.suffix.lower() == ".png":
        import pymupdf

        with pymupdf.open(stream=drawing.encode(), filetype="svg") as doc:
            doc[0].get_pixmap(dpi=144).save(path)
    else:
        path.write_text(drawing, encoding="utf-8")


def draw(growth: dict[str, Any]) -> str:
    """The SVG."""

    def series(field: str, factor: float = 1.0) -> Series:
        return {
            engine: [(entry["pages"], entry[field] * factor) for entry in entries if field in entry]
            for engine, entries in growth.items()
        }

    charts = (
        _chart("Peak memory", "MB", series("peak_mb"), 0),
        _chart(
            "Time to the first page, after the import", "ms, log", series("first_page_seconds", 1000), WIDTH, log=True
        ),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" width="{2 * WIDTH}" '
        f'height="{HEIGHT}" font-family="Helvetica" font-size="11">'
        f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{"".join(charts)}</svg>\n'
    )


def _chart(title: str, unit: str, series: Series, left: int, *, log: bool = False) -> str:
    points = [point for line in series.values() for point in line]
    if not points:
        return _text(left + LEFT, TOP - 20, f"{title}: nothing measured")
    right, marks = max(x for x, _ in points), _marks([y for _, y in points], log)

    def place(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        low, top, at = (math.log10(v) for v in (marks[0], marks[-1], y)) if log else (marks[0], marks[-1], y)
        return round(left + LEFT + x / right * wide, 1), round(TOP + high - (at - low) / (top - low) * high, 1)

    parts = [_text(left + LEFT, TOP - 20, f"{title} ({unit})", weight="bold")]
    for value in marks:
        (x0, y), (x1, _) = place(0, value), place(right, value)
        parts.append(f'<line x1="{x0}" y1="{y}" x2="{x1}" y2="{y}" stroke="#dddddd" stroke-width="1"/>')
        parts.append(_text(x0 - 6, y + 4, f"{value:g}", anchor="end"))
    floor = marks[0]
    ends = sorted({x for x, _ in points})
    shown = [x for x in ends if x / right > 0.08 or x == ends[0]]
    parts.extend(_text(place(x, floor)[0], HEIGHT - BOTTOM + 16, f"{x:g}", anchor="middle") for x in shown)
    parts.append(_text(place(right / 2, floor)[0], HEIGHT - 10, "pages", anchor="middle"))
    names = _spread([(place(*line[-1])[1] + 4, name) for name, line in series.items() if line])
    for number, (name, line) in enumerate(series.items()):
        if line:
            parts.append(_line([place(*point) for point in line], COLOURS[number % len(COLOURS)]))
            parts.append(_text(place(right, floor)[0] + 8, names[name], name, colour=COLOURS[number % len(COLOURS)]))
    return "".join(parts)


def _line(points: list[tuple[float, float]], colour: str) -> str:
    drawn = " ".join(f"{x},{y}" for x, y in points)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.8"/>{dots}'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#222222", weight: str = "normal"
) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{escape(text)}</text>'


def _spread(wanted: list[tuple[float, str]]) -> dict[str, float]:
    """Heights of the lines' names, moved up where they would cover each other or the axis."""
    placed: dict[str, float] = {}
    last = HEIGHT - BOTTOM + 13.0
    for y, name in sorted(wanted, reverse=True):
        last = min(y, last - 13)
        placed[name] = last
    return placed


def _marks(values: list[float], log: bool) -> list[float]:
    """Where the axis is marked: quarters of a round number, or powers of ten around the values."""
    highest = max(values)
    if log:
        low = math.floor(math.log10(max(min(values), 1e-3)))
        return [10.0**power for power in range(low, max(low + 1, math.ceil(math.log10(max(highest, 1e-3)))) + 1)]
    unit = 10.0 ** math.floor(math.log10(highest)) if highest > 0 else 1.0
    top = next((step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8) if step * unit >= highest), 10 * unit)
    return [top * step / 4 for step in range(5)]
