"""One engine in a process of its own: imports it once, then reads the files that it is told of.

Standard library and the engine alone: the peers' environment holds nothing else. Speaks JSON, one object a line:
`{"file": PATH, "output": PATH | null}` -> `{"seconds", "cpu", "chars"}` (a whole document, timed inside),
`{"grow": PATH}` -> `{"seconds", "first_page_seconds", "pages", "base_mb", "peak_mb"}`; faults as `{"error"}`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Texts = Callable[[str], Iterator[str]]
"""The texts of a document's pages one by one, or of all pages at once where an engine cannot part them."""


def get_text() -> Texts:
    """PyMuPDF's raw text: what any reader over PyMuPDF is measured against."""
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)

    def read(path: str) -> Iterator[str]:
        with pymupdf.open(path) as doc:
            for page in doc:
                yield page.get_text()

    return read


def dict_texts() -> Texts:
    """PyMuPDF's spans with fonts and boxes, without the bytes of images."""
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    flags = pymupdf.TEXTFLAGS_DICT & ~pymupdf.TEXT_PRESERVE_IMAGES

    def read(path: str) -> Iterator[str]:
        with pymupdf.open(path) as doc:
            for page in doc:
                found = page.get_text("dict", flags=flags)
                lines = (line for block in found["blocks"] for line in block.get("lines", ()))
                yield "\n".join("".join(span["text"] for span in line["spans"]) for line in lines)

    return read


def pymupdf4llm(layout: bool) -> Callable[[], Texts]:
    """pymupdf4llm with its layout model or with its older rules; character recognition is off."""

    def load() -> Texts:
        import pymupdf4llm as library

        library.use_layout(layout)
        more = {"use_ocr": False} if layout else {}
        return lambda path: iter((library.to_markdown(path, show_progress=False, **more),))

    return load


def liteparse() -> Texts:
    """liteparse's Markdown without character recognition."""
    import liteparse as library

    parser = library.LiteParse(ocr_enabled=False, output_format="markdown", quiet=True)
    return lambda path: iter((parser.parse(path).text,))


def pdf_oxide() -> Texts:
    """pdf_oxide's Markdown."""
    import pdf_oxide as library

    library.disable_logging()
    return lambda path: iter((library.PdfDocument(path).to_markdown_all(),))


def own(method: str) -> Callable[[], Texts]:
    """One of the product's methods, by the entry that programs use; `fast` gives page by page."""

    def load() -> Texts:
        from services.extractor import extract

        if method != "fast":
            return lambda path: iter((extract.pdf_to_markdown(path, method=method),))

        def read(path: str) -> Iterator[str]:
            doc = extract.open_pdf(path)
            try:
                for page in extract.read_pages(doc):
                    yield page.markdown
            finally:
                doc.close()

        return read

    return load


LOADERS: dict[str, Callable[[], Texts]] = {
    "fast": own("fast"),
    "auto": own("auto"),
    "layout": own("layout"),
    "ocr": own("ocr"),
    "get_text": get_text,
    "dict": dict_texts,
    "pymupdf4llm-classic": pymupdf4llm(layout=False),
    "pymupdf4llm-layout": pymupdf4llm(layout=True),
    "liteparse": liteparse,
    "pdf_oxide": pdf_oxide,
}


def read_file(texts: Texts, path: str, output: str | None) -> dict[str, Any]:
    """Read a document as a whole; writing its Markdown is not timed."""
    wall, cpu = time.perf_counter(), time.process_time()
    text = "\n\n".join(texts(path))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if output is not None:
        Path(output).write_text(text, encoding="utf-8", errors="replace")
    return {"seconds": wall, "cpu": cpu, "chars": len(text)}


def grow(texts: Texts, path: str) -> dict[str, Any]:
    """Read a document page by page and forget each page, as a service does; memory in MB of this process."""
    base, started, first, pieces = memory_mb("VmRSS"), time.perf_counter(), 0.0, 0
    for _ in texts(path):
        first = first or time.perf_counter() - started
        pieces += 1
    total, peak = time.perf_counter() - started, memory_mb("VmHWM")
    return {"seconds": total, "first_page_seconds": first, "pieces": pieces, "base_mb": base, "peak_mb": peak}


def memory_mb(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak) of this process; elsewhere than on Linux the peak stands for both."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024
    except (OSError, StopIteration):
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def is_compiled() -> bool:
    """Whether the product's own reader was loaded, and as machine code."""
    return bool(getattr(sys.modules.get("services.extractor.reader"), "IS_COMPILED", False))


def answer(texts: Texts, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; a failure is an answer."""
    try:
        if "grow" in request:
            return grow(texts, request["grow"])
        return read_file(texts, request["file"], request.get("output"))
    except Exception as exc:  # an engine may raise anything; the next file is another matter
        return {"error": f"{type(exc).__name__}: {exc}"[:300]}


def main(name: str, root: str) -> None:
    """Load the engine, say how long that took, and answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # engines print what they like
    if root:
        sys.path.insert(0, root)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        texts = LOADERS[name]()
        found: dict[str, Any] = {"import_seconds": time.perf_counter() - wall, "import_cpu": time.process_time() - cpu}
    except Exception as exc:
        found = {"error": f"{type(exc).__name__}: {exc}"[:300]}
    found |= {"import_mb": memory_mb("VmRSS"), "compiled": is_compiled()}
    print(json.dumps(found), file=answers, flush=True)
    if "error" not in found:
        for line in sys.stdin:
            print(json.dumps(answer(texts, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
