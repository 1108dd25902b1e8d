"""What runs in the child process: one PDF, read page by page, everything sent to the parent as it is found.

The child has no credentials and is not trusted: its parent checks and stores what it sends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from services.extractor.extract import describe_document, open_pdf, read_pages
from services.extractor.images import Seen, page_images
from services.extractor.task import Task
from shared.errors import DocumentError, ShadowtwinError


def extract(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """Send {"info"}, then for each page its {"image", "content"}s and {"page"}; return what was dropped.

    Raises DocumentError (pdf_*) for the document, ShadowtwinError artefact_changed for a changed source.
    """
    task = msgspec.convert(args, Task)
    if task.sha256 and _digest(task.path) != task.sha256:
        raise ShadowtwinError("artefact_changed", "The stored PDF is not the one that was uploaded.")
    with open_pdf(task.path, task.password or None) as document:
        if document.page_count > task.max_pages:
            raise DocumentError(
                "pdf_too_many_pages", f"The PDF has {document.page_count} pages; {task.max_pages} are accepted."
            )
        send({"info": msgspec.to_builtins(describe_document(document))})
        seen = Seen()
        seen.update(task.seen)
        seen.hashes.update(task.hashes)
        for page in read_pages(document, first=task.first):
            if task.images:
                for image, content in page_images(document, page.number, seen):
                    mark = next(reversed(seen)) if content else ""
                    send({"image": msgspec.to_builtins(image), "content": content, "fingerprint": mark})
            send({"page": msgspec.to_builtins(page)})
        return {"imagesDropped": dict(seen.dropped)}


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
