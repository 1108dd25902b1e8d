"""The record of an analysed picture (image_analyses.jsonl), one for each distinct picture, keyed by its hash."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from services.transformer.discovery.records import Row

ROLE = "imageAnalyses"
FILE = "image_analyses.jsonl"
HISTORY_MOST = 20


class Looked(Row, frozen=True):
    """What somebody, model or rules, has said of a picture; `quality_score` is 0-1."""

    description: str = ""
    material: str = ""
    colours: list[str] = []
    textures: list[str] = []
    quality_score: float = 0.0


class Change(Row, frozen=True):
    """One improvement: what was said `before`, by whom (`analyzer`), and when and by which run it was changed."""

    at: str
    run: str
    before: Looked
    analyzer: str


class Analysis(Row, frozen=True):
    """One distinct picture. `name` is its file in images/ and `pages` are the sheets that show it, `queued` says that
    its score is too low and nobody has looked again; `measured` are the descriptors of its pixels, where rules have
    measured them; `history` has the earlier answers, the newest last."""

    image_hash: str
    name: str
    pages: list[int]
    looked: Looked
    analyzer: str
    queued: bool = False
    caption: str = ""
    measured: dict[str, Any] = {}
    history: list[Change] = []


def is_low(score: float, threshold: float) -> bool:
    """Whether a score sends its picture to the quality pass: below the threshold, not at it."""
    return score < threshold


def improved(row: Analysis, looked: Looked, analyzer: str, run: str, at: str) -> Analysis:
    """The row after a second look: filled values replace the former ones, the score never falls."""
    given = {name: value for name, value in msgspec.structs.asdict(looked).items() if value not in ("", [])}
    given["quality_score"] = max(looked.quality_score, row.looked.quality_score)
    change = Change(at=at, run=run, before=row.looked, analyzer=row.analyzer)
    return replace(
        row,
        looked=replace(row.looked, **given),
        analyzer=analyzer,
        queued=False,
        history=[*row.history, change][-HISTORY_MOST:],
    )


def read_rows(content: bytes) -> list[Analysis]:
    """The rows of the file; raises ValidationError for a file that is not ours."""
    return [msgspec.json.decode(line, type=Analysis) for line in content.splitlines() if line]
