"""Draws one page of a PDF; runs in a child process only, since files are hostile (shared/child.py)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pymupdf

from shared.errors import DocumentError, RequestError

MAX_PIXELS = 1_500_000
_SCALE = 2.0
_QUALITY = 80

pymupdf.TOOLS.mupdf_display_errors(False)  # damaged files are reported by codes, not on stderr
pymupdf.TOOLS.mupdf_display_warnings(False)


def draw(args: dict[str, Any], send: Callable[[Any], None]) -> bytes:
    """JPEG of sheet `page` (from 1) of the file `path`, as it is shown. Raises DocumentError, RequestError."""
    try:
        document = pymupdf.open(args["path"], filetype="pdf")
    except Exception as error:  # the library raises whatever it likes
        raise DocumentError("pdf_corrupt") from error
    if document.needs_pass:
        raise DocumentError("pdf_encrypted")
    if not 1 <= args["page"] <= document.page_count:
        raise RequestError("not_found", f"The document has {document.page_count} pages.")
    page = document.load_page(args["page"] - 1)
    scale = min(_SCALE, math.sqrt(MAX_PIXELS / max(page.rect.width * page.rect.height, 1.0)))
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False, colorspace=pymupdf.csRGB)
    return bytes(pixmap.tobytes("jpg", jpg_quality=_QUALITY))
