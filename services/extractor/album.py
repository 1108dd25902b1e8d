"""The pictures of a document's pages, sent as they are found: images, figures and previews, as the task wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pymupdf
from msgspec.structs import replace

from services.extractor.figures import page_figures
from services.extractor.images import Seen, page_images
from services.extractor.pages import Image, Page
from services.extractor.places import Announcer, figures_of, images_of, preview_of
from services.extractor.previews import page_preview
from services.extractor.references import with_references
from services.extractor.task import Task

Send = Callable[[Any], None]


class Album:
    """Each kind of picture is a place of its own: what dies there costs that kind on that page."""

    def __init__(self, task: Task, document: pymupdf.Document, announce: Announcer, send: Send) -> None:
        self._task, self._document, self._announce, self._send = task, document, announce, send
        self._seen = Seen()
        self._seen.update(task.seen)
        self._seen.hashes.update(task.hashes)
        self._told: Counter[str] = Counter()

    def add(self, page: Page) -> tuple[Page, dict[str, int]]:
        """Send a page's pictures; the page with references to them, and how many were dropped on it, by reason."""
        if str(page.number) in self._task.lost:
            return page, {}
        found: list[Image] = []
        if self._task.images:
            page = self._part(page, images_of(page.number), "images_lost", lambda: self._images(page, found))
        if self._task.images and self._task.figures and not page.error:
            page = self._part(page, figures_of(page.number), "figures_lost", lambda: self._figures(page, found))
        page = with_references(page, found)
        if self._task.previews:
            name = f"{page.number}.jpg"
            kept = self._part(page, preview_of(page.number), "preview_lost", lambda: self._preview(page.number, name))
            page = replace(page, preview=name) if kept is page else kept
        return page, self._dropped()

    def _part(self, page: Page, place: str, warning: str, work: Callable[[], None]) -> Page:
        """Do one kind of picture at its place; the page, with a warning when it is lost."""
        if place not in self._task.lost:
            self._announce(place)
            try:
                work()
                return page
            except MemoryError:
                raise
            except Exception:  # MuPDF raises many types; the kind is lost on this page, not the page
                pass
        return replace(page, warnings=[*page.warnings, warning])

    def _images(self, page: Page, found: list[Image]) -> None:
        self._deliver(page_images(self._document, page.number, self._seen, (page.header, page.footer)), found)

    def _figures(self, page: Page, found: list[Image]) -> None:
        self._deliver(page_figures(self._document, page, list(found), self._seen), found)

    def _preview(self, number: int, name: str) -> None:
        content = page_preview(self._document, number)
        self._send({"preview": {"page": number, "name": name}, "content": content})

    def _deliver(self, images: Iterable[tuple[Image, bytes]], found: list[Image]) -> None:
        for image, content in images:
            mark = next(reversed(self._seen)) if content else ""
            self._send({"image": msgspec.to_builtins(image), "content": content, "fingerprint": mark})
            found.append(image)

    def _dropped(self) -> dict[str, int]:
        """How many were dropped since the last call, by reason."""
        fresh = self._seen.dropped - self._told
        self._told = Counter(self._seen.dropped)
        return dict(fresh)
