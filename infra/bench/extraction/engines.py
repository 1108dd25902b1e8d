"""The engines that are compared, and the environment each of them lives in."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.bench.extraction.worker import EngineAbsent, Worker
from infra.bootstrap import STATE

OWN = ("fast", "auto", "layout", "ocr")
RAW = ("get_text", "dict")
PEERS = ("pymupdf4llm-classic", "pymupdf4llm-layout", "liteparse", "pdf_oxide")
ALL = (*OWN, *RAW, *PEERS)
DEFAULT = ("fast", "auto", *RAW, *PEERS)
"""`layout` and `ocr` take seconds a page: they run when they are named."""

_WARM_SECONDS = 120.0


def start_engines(names: tuple[str, ...], peers: Path | None, sample: Path) -> tuple[list[Worker], dict[str, str]]:
    """Workers that have read `sample` once, and why each of the others is absent.

    `peers` is the Python of the peers' environment; the product and raw PyMuPDF run in the product's own.
    """
    workers: list[Worker] = []
    absent: dict[str, str] = {}
    for name in names:
        if name in PEERS and peers is None:
            absent[name] = f"no environment of peers under {STATE}"
            continue
        python = peers if name in PEERS and peers is not None else Path(sys.executable)
        worker = Worker(name, python, own=name in OWN)
        try:
            worker.start()
            if error := worker.ask({"file": str(sample)}, _WARM_SECONDS).get("error"):
                raise EngineAbsent(error)
            workers.append(worker)
        except EngineAbsent as exc:
            worker.close()
            absent[name] = str(exc)
    return workers, absent
