"""Every document of a store or of one library, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.document import Document
from shared.ports import DocumentStore


async def every_document(
    documents: DocumentStore, library: str | None, page_size: int, after: str | None = None
) -> AsyncIterator[Document]:
    """Those behind the cursor `after`; a page is read when the one before has been taken."""
    cursor = after
    while True:
        page, cursor = await documents.find(library, cursor, page_size)
        for document in page:
            yield document
        if cursor is None:
            return
