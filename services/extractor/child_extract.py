"""What runs in the child process: one PDF, read page by page, everything sent to the parent as it is found.

The child has no credentials and is not trusted: its parent checks and stores what it sends. It says what it is about
to touch, so that the parent knows where it died.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pymupdf
from msgspec.structs import replace

from services.extractor.extract import describe_document, open_pdf, read_pages
from services.extractor.images import Seen, page_images
from services.extractor.places import OUTLINE, Announcer, images_of
from services.extractor.task import Task
from shared.errors import DocumentError, ShadowtwinError

Send = Callable[[Any], None]


def extract(args: dict[str, Any], send: Send) -> None:
    """Send {"at"} before a place is touched, {"info"}, then for each page its {"image", "content"}s and {"page"}.

    A page comes with the counts of images that were dropped on it, by reason. Raises DocumentError (pdf_*) for the
    document, ShadowtwinError artefact_changed for a changed source.
    """
    task = msgspec.convert(args, Task)
    if task.sha256 and _digest(task.path) != task.sha256:
        raise ShadowtwinError("artefact_changed", "The stored PDF is not the one that was uploaded.")
    with open_pdf(task.path, task.password, respect_permissions=task.respect_permissions) as document:
        if document.page_count > task.max_pages:
            raise DocumentError(
                "pdf_too_many_pages", f"The PDF has {document.page_count} pages; {task.max_pages} are accepted."
            )
        announce = Announcer(lambda place: send({"at": place}))
        announce(OUTLINE)
        send({"info": msgspec.to_builtins(describe_document(document, with_outline=OUTLINE not in task.lost))})
        images = _Images(task, document, announce, send)
        for page in read_pages(document, first=task.first, lost=task.lost, touch=announce, caps=task.caps):
            lost = images.send(page.number)
            warned = replace(page, warnings=[*page.warnings, "images_lost"]) if lost and not page.error else page
            send({"page": msgspec.to_builtins(warned), "dropped": images.dropped()})


class _Images:
    """The images of the pages, unless the task wants none or they were lost."""

    def __init__(self, task: Task, document: pymupdf.Document, announce: Announcer, send: Send) -> None:
        self._task, self._document, self._announce, self._send = task, document, announce, send
        self._seen = Seen()
        self._seen.update(task.seen)
        self._seen.hashes.update(task.hashes)
        self._told: Counter[str] = Counter()

    def send(self, page: int) -> bool:
        """Send those of sheet `page`; True when they were lost."""
        if not self._task.images or str(page) in self._task.lost:
            return False
        if images_of(page) in self._task.lost:
            return True
        self._announce(images_of(page))
        for image, content in page_images(self._document, page, self._seen):
            mark = next(reversed(self._seen)) if content else ""
            self._send({"image": msgspec.to_builtins(image), "content": content, "fingerprint": mark})
        return False

    def dropped(self) -> dict[str, int]:
        """How many were dropped since the last call, by reason."""
        fresh = self._seen.dropped - self._told
        self._told = Counter(self._seen.dropped)
        return dict(fresh)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
