"""The bundles under tests/fixtures/bundles: made by a real stack from documents that are made here, and exported.

    .venv/bin/python -m tests.support.bundles [FOLDER]      makes them anew (about a minute)

Make them anew only when results are meant to change, and read what `./shadowtwin replay` says about the old ones first.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pymupdf

from infra.bench.catalogue import simulated_model
from infra.sample import SECTIONS, TABLE, TITLE
from infra.stack import REPO, Stack
from tests.support.catalogues import Design, catalogue

FOLDER = REPO / "tests" / "fixtures" / "bundles"
ALL_STAGES = {"products": True, "focusedExtraction": True, "analyzeImages": True, "qualityPass": True}
NAMES = ("plain", "catalogue", "model")


def plain(path: Path) -> Path:
    """Headings, paragraphs in columns, a ruled table and an outline; no picture."""
    document = pymupdf.open()
    toc: list[list[object]] = [[1, TITLE, 1]]
    document.new_page().insert_text((72, 160), TITLE, fontsize=26, fontname="hebo")
    for number, (heading, paragraphs) in enumerate(SECTIONS, 1):
        page = document.new_page()
        page.insert_text((72, 110), f"{number} {heading}", fontsize=17, fontname="hebo")
        toc.append([2, heading, page.number + 1])
        for column, text in enumerate(paragraphs):
            page.insert_textbox(pymupdf.Rect(72 + column * 235, 140, 287 + column * 235, 420), text, fontsize=11)
        for row, cells in enumerate(TABLE if number == 2 else ()):
            for column, cell in enumerate(cells):
                x, y = 72 + column * 110, 460 + row * 20
                page.draw_rect((x, y, x + 110, y + 20), width=0.5)
                page.insert_text((x + 5, y + 14), cell, fontsize=10)
    document.set_toc(toc)
    document.save(path, garbage=3, deflate=True, no_new_id=True)
    return path


def export(stack: Stack, job_id: str, target: Path, *more: str) -> None:
    """By the command, as everybody does it."""
    command = [str(REPO / "shadowtwin"), "export", job_id, "--api-url", stack.api_url, "--output", str(target), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def processed(http: httpx.Client, pdf: Path, parameters: dict[str, Any]) -> str:
    """The job's id, when it and its quality pass have ended."""
    with pdf.open("rb") as file:
        form = {"libraryId": "fixtures", "itemId": pdf.stem, "parameters": json.dumps(parameters)}
        accepted = http.post("/api/jobs", files={"file": (pdf.name, file)}, data=form).json()
    job_id: str = accepted["jobId"]
    while True:
        jobs = http.get("/api/jobs", params={"document": accepted["documentId"]}).json()["jobs"]
        own = next(job for job in jobs if job["jobId"] == job_id)
        passes = own["counts"].get("imagesQueued", 0) and parameters.get("qualityPass")
        if all(job["status"] in ("completed", "failed") for job in jobs) and len(jobs) >= (2 if passes else 1):
            assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs]
            return job_id
        time.sleep(0.1)


def make(folder: Path) -> None:
    """All three, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        catalogue(work / "catalogue.pdf", Design(products=3, swatches=1), seed=3)
        catalogue(work / "model.pdf", Design(products=2, swatches=2, certificates=False), seed=5)
        with _stack(work / "offline", {}) as (stack, http):
            export(stack, processed(http, plain(work / "plain.pdf"), {}), folder / "plain.zip")
            export(stack, processed(http, work / "catalogue.pdf", {"products": True}), folder / "catalogue.zip")
        with simulated_model(0.01, []) as url:
            asked = {
                "SHADOWTWIN_ANALYZER": "openai",
                "SHADOWTWIN_MODEL_BASE_URL": f"{url}/v1",
                "SHADOWTWIN_MODEL_NAME": "simulated",
            }
            with _stack(work / "online", asked) as (stack, http):
                export(stack, processed(http, work / "model.pdf", ALL_STAGES), folder / "model.zip")


@contextlib.contextmanager
def _stack(folder: Path, settings: dict[str, str]) -> Iterator[tuple[Stack, httpx.Client]]:
    with (
        Stack(folder, settings=settings) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=120, trust_env=False) as http,
    ):
        while http.get("/ready").status_code != 200:
            time.sleep(0.1)
        yield stack, http


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
