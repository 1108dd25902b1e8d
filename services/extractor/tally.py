"""Counts what an extraction gave, and holds it against what the document promised."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from services.extractor.pages import DocumentInfo, Image, Page
from shared.errors import CATALOGUE, DocumentError

_NAMED = {
    "images_lost": "Images of page {} could not be read within the limits; its text was kept.",
    "figures_lost": "Figures of page {} could not be drawn within the limits; its text was kept.",
    "preview_lost": "Page {} could not be drawn within the limits and has no preview.",
    "graphics_limit": "Page {} has more drawn lines than are looked at; its ruled tables may be missing.",
    "text_capped": "Page {} holds more text than a page may have; the rest was cut off.",
}
"""Warnings of single pages that the result names, with their sentence."""


_GATHERED = {
    "ocr_language_missing": "Pages that need text recognition stay as they are: its language data are not installed.",
    "layout_unavailable": "Pages that need the layout model stay as they are: its package is not installed.",
    "budget_spent": "The time for other methods was used up; the pages stay as the fast method reads them.",
    "text_garbled": "The characters of the text have no meaning or a wrong one, so the pages are hardly to be read.",
    "characters_unknown": "The PDF does not say what some characters mean; they stand as \ufffd in the text.",
    "content_lost": "The file is damaged: it lacks drawing instructions of pages, and the text that stood there.",
    "ocr_doubtful": "What was recognised holds hardly a common word: handwriting, or another language.",
    "ocr_failed": "The text recognition failed; the pages stay as the fast method reads them.",
    "ocr_lost": "The text recognition exceeded its limits; the pages stay as the fast method reads them.",
    "layout_failed": "The layout model failed; the pages stay as the fast method reads them.",
    "layout_lost": "The layout model exceeded its limits; the pages stay as the fast method reads them.",
}
"""Warnings that many pages may have, each told once with its pages."""
_LEFT = {"page_failed": "The images of {} pages were not looked for, because the pages cannot be drawn."}
"""Why images were left out, where the count is not one of images."""
_LISTED = 20


class Found(msgspec.Struct, frozen=True):
    """What the run of the child gave, after the conservation check."""

    pages: int
    metadata: dict[str, str]
    counts: dict[str, int]
    warnings: list[dict[str, Any]]
    methods: dict[str, int] = {}
    """Pages by the method that read them."""


class Tally:
    """Pages, characters, images and failures so far."""

    def __init__(self) -> None:
        self.pages = 0
        self.dropped: Counter[str] = Counter()
        """Images that were left out, by reason."""
        self._failed: list[tuple[int, str]] = []
        self._warned: dict[str, list[int]] = {}
        self._confidence = 0.0
        self._chars = self._placements = self._repeats = self._figures = self._previews = 0
        self._methods: Counter[str] = Counter()
        self._limited: dict[str, list[int]] = {}

    def page(self, page: Page) -> None:
        """Count a page."""
        self.pages += 1
        self._chars += page.chars
        self._confidence += page.confidence
        self._previews += bool(page.preview)
        if page.error:
            self._failed.append((page.number, page.error))
        self._methods[page.method] += not page.error
        for code in {warning.partition(":")[0] for warning in page.warnings} & _GATHERED.keys():
            self._limited.setdefault(code, []).append(page.number)
        for code in _NAMED.keys() & set(page.warnings):
            self._warned.setdefault(code, []).append(page.number)

    def image(self, image: Image) -> None:
        """Count an image's placement, or a figure."""
        if image.kind == "figure":
            self._figures += not image.duplicate_of
            return
        self._placements += 1
        self._repeats += bool(image.duplicate_of)

    def found(self, info: DocumentInfo) -> Found:
        """Raises DocumentError pdf_no_pages or pdf_page_failed when pages are missing or none could be read."""
        if not self.pages:
            raise DocumentError("pdf_no_pages")
        if self.pages != info.pages:
            raise DocumentError("pdf_page_failed", f"{self.pages} of {info.pages} pages were answered by the reader.")
        if len(self._failed) == self.pages:
            raise none_read([code for _, code in self._failed])
        counts = {
            "pages": info.pages,
            "pagesFailed": len(self._failed),
            "images": self._placements - self._repeats,
            "imagePlacements": self._placements,
            "figures": self._figures,
            "previews": self._previews,
            "characters": self._chars,
            "pageConfidencePercent": round(100 * self._confidence / max(1, self.pages)),
        }
        metadata = {f"pdf_{key}": value for key, value in info.metadata.items() if value}
        return Found(
            pages=info.pages,
            metadata=metadata,
            counts=counts,
            warnings=self._warnings(info),
            methods=dict(self._methods),
        )

    def _warnings(self, info: DocumentInfo) -> list[dict[str, Any]]:
        warnings: list[dict[str, Any]] = [
            {"code": code, "message": f"Page {number} could not be read: {_sentence(code)}", "page": number}
            for number, code in self._failed
        ]
        for code, numbers in sorted(self._warned.items()):
            warnings.extend({"code": code, "message": _NAMED[code].format(n), "page": n} for n in numbers)
        for code, numbers in sorted(self._limited.items()):
            message = f"{_GATHERED[code]} Pages: {_listed(numbers)}."
            warnings.append({"code": code, "message": message, "count": len(numbers), "page": numbers[0]})
        if "outline_lost" in info.warnings:
            warnings.append({"code": "outline_lost", "message": "The outline could not be read within its limits."})
        if info.repaired:
            message = "The PDF was damaged and has been repaired; something may be missing."
            warnings.append({"code": "pdf_repaired", "message": message})
        if info.encrypted and not info.permissions.copy:
            message = "The owner of the PDF restricts copying; this system is set to read such files."
            warnings.append({"code": "copy_restricted", "message": message})
        if not self._chars:
            warnings.append({"code": "pdf_no_text", "message": DocumentError("pdf_no_text").message})
        if self._repeats:
            message = f"{self._repeats} placements repeat an image stored already; images.jsonl names the first."
            warnings.append({"code": "images_repeated", "message": message, "count": self._repeats})
        for reason, count in sorted(self.dropped.items()):
            message = _LEFT.get(reason, "{} images dropped: " + f"{reason}.").format(count)
            warnings.append({"code": "images_dropped", "message": message, "count": count, "reason": reason})
        return warnings


def _listed(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:_LISTED]))
    return f"{named} and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else named


def none_read(codes: list[str]) -> DocumentError:
    """The error of a document of which no page could be read: the code that most pages failed with."""
    code = Counter(codes).most_common(1)[0][0]
    whole = f"None of the {len(codes)} pages" if len(codes) > 1 else "Not even the only page"
    return DocumentError(code, f"{whole} could be read: {_sentence(code)}")


def _sentence(code: str) -> str:
    return CATALOGUE[code].message if code in CATALOGUE else code
