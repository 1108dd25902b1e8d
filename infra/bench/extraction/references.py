"""A corpus folder: its PDFs and, where a manifest.csv names them, the references they are scored by.

Columns that are read: `file`, `ref` (text or Markdown), `headings` (JSON: a list of titles), `tables` (JSON:
`{"tables": [{"rows": [[cell]]}]}`), `has_text` ("no" for scans). All others are for people.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

from infra.bench.extraction.parts import Heading, cell, headings, title


@dataclass(frozen=True)
class Reference:
    """What is known of a document: its text, its headings (level 0: unknown) and the filled cells of its tables."""

    text: str | None = None
    headings: list[Heading] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    scan: bool = False


def corpus_files(corpus: Path) -> list[Path]:
    """The PDFs of the folder by name."""
    return sorted(path for path in corpus.iterdir() if path.suffix.lower() == ".pdf" and path.is_file())


def read_references(corpus: Path) -> tuple[dict[str, Reference], dict[str, str]]:
    """References by file name, and what is wrong with those that could not be read."""
    manifest = corpus / "manifest.csv"
    found: dict[str, Reference] = {}
    faults: dict[str, str] = {}
    if manifest.is_file():
        with open(manifest, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                try:
                    reference = _read(corpus, row)
                except (OSError, ValueError, KeyError, TypeError) as exc:
                    faults[str(row.get("file"))] = f"{type(exc).__name__}: {exc}"
                    continue
                if reference.text is not None or reference.headings or reference.cells:
                    found[row["file"]] = reference
    return found, faults


def _read(corpus: Path, row: dict[str, str]) -> Reference:
    text = _text(corpus, row, "ref", (".md", ".txt"))
    titles = json.loads(_text(corpus, row, "headings", (".json",)) or "[]")
    tables = json.loads(_text(corpus, row, "tables", (".json",)) or '{"tables": []}')["tables"]
    levels = _levels(text) if row.get("ref", "").endswith(".md") and text else {}
    wanted = [title(one) for one in titles]
    filled = [cell(str(one)) for table in tables for line in table["rows"] for one in line if one]
    return Reference(
        text,
        [Heading(one, levels.get(one, 0)) for one in wanted if one],
        [one for one in filled if one],
        row.get("has_text") == "no",
    )


def _text(corpus: Path, row: dict[str, str], column: str, endings: tuple[str, ...]) -> str | None:
    name = row.get(column) or ""
    return (corpus / name).read_text(encoding="utf-8") if name.endswith(endings) else None


def _levels(markdown: str) -> dict[str, int]:
    """Levels by title; a title that stands there at two levels tells nothing."""
    levels: dict[str, int] = {}
    for heading in headings(markdown):
        levels[heading.title] = 0 if levels.get(heading.title, heading.level) != heading.level else heading.level
    return levels
