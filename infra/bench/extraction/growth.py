"""Import time, time to the first page and peak memory against the number of pages, on documents made here."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from infra.bench.extraction.engines import OWN, PEERS
from infra.bench.extraction.worker import EngineAbsent, Worker
from infra.sample import SECTIONS

SIZES = (10, 50, 100, 200, 400)
ENGINES = ("fast", "get_text", "liteparse")
_SECONDS = 300.0


def write_document(path: Path, pages: int, seed: int = 1) -> None:
    """A report of `pages` pages: running head, headings, two columns of text, and a ruled table on every fifth page."""
    import pymupdf

    chance, words = random.Random(seed), [word for _, texts in SECTIONS for text in texts for word in text.split()]
    document = pymupdf.open()
    toc = []
    for number in range(1, pages + 1):
        page = document.new_page()
        page.insert_text((72, 50), "Annual report of the harbour office", fontsize=8)
        page.insert_text((297, 800), str(number), fontsize=8)
        heading = f"{number} {' '.join(chance.sample(words, 3)).strip(',.;').capitalize()}"
        page.insert_text((72, 95), heading, fontsize=16, fontname="hebo")
        toc.append([1, heading, number])
        with_table = number % 5 == 0
        for left in (72, 307):
            for top in range(115, 560 if with_table else 740, 110):
                text = " ".join(chance.choices(words, k=62))
                page.insert_textbox(pymupdf.Rect(left, top, left + 215, top + 105), text, fontsize=9)
        if with_table:
            _table(page, chance)
    document.set_toc(toc)
    document.save(path, garbage=3, deflate=True)
    document.close()


def _table(page: Any, chance: random.Random) -> None:
    for row in range(6):
        for column in range(4):
            x, y = 72 + column * 112, 640 + row * 20
            page.draw_rect((x, y, x + 112, y + 20), width=0.5)
            text = f"Column {column + 1}" if row == 0 else str(chance.randint(10, 9999))
            page.insert_text((x + 5, y + 14), text, fontsize=9)


def measure_growth(folder: Path, peers: Path | None, python: Path, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """For each engine a list with one entry for each size; a fresh process each, so that peaks are its own.

    Units: seconds and MB; `above_import_mb` is the peak less what the process held after its import.
    """
    found: dict[str, Any] = {}
    for pages in sizes:
        write_document(folder / f"{pages}.pdf", pages)
        for engine in ENGINES:
            if engine in PEERS and peers is None:
                continue
            with Worker(engine, peers if engine in PEERS and peers else python, own=engine in OWN) as worker:
                found.setdefault(engine, []).append({"pages": pages} | _grow(worker, folder / f"{pages}.pdf"))
    return found


def _grow(worker: Worker, path: Path) -> dict[str, Any]:
    try:
        worker.start()
    except EngineAbsent as exc:
        return {"error": str(exc)}
    answer = worker.ask({"grow": str(path)}, _SECONDS)
    if "error" in answer:
        return answer
    return {
        "import_seconds": worker.hello["import_seconds"],
        "import_mb": worker.hello["import_mb"],
        "first_page_seconds": answer["first_page_seconds"],
        "seconds": answer["seconds"],
        "peak_mb": answer["peak_mb"],
        "above_import_mb": max(0.0, answer["peak_mb"] - answer["base_mb"]),
        "page_by_page": answer["pieces"] > 1,
    }
