"""What runs in the child process: one PDF, read page by page, everything sent to the parent as it is found.

The child has no credentials and is not trusted: its parent checks and stores what it sends. It says what it is about
to touch, so that the parent knows where it died.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from services.extractor.album import Album
from services.extractor.extract import describe_document, open_pdf, read_pages
from services.extractor.places import OUTLINE, Announcer
from services.extractor.task import Task
from shared.errors import DocumentError, ShadowtwinError

Send = Callable[[Any], None]


def extract(args: dict[str, Any], send: Send) -> None:
    """Send {"at"} before a place is touched, {"info"}, then for each page its {"image", "content"}s, {"preview",
    "content"} and {"page"}.

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
        album = Album(task, document, announce, send)
        pages = read_pages(
            document, first=task.first, lost=task.lost, touch=announce, caps=task.caps, reading=task.reading
        )
        for page in pages:
            page, dropped = album.add(page)
            send({"page": msgspec.to_builtins(page), "dropped": dropped})


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
