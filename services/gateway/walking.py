"""Every document of a store or of one library, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from shared.document import Document
from shared.ports import DocumentStore


async def every_document(
    documents: DocumentStore, library: str | None, page_size: int, after: str | None = None
) -> AsyncIterator[Document]:
    """Those behind the cursor `after`; a page is read when the one before has been taken."""
    async for page in pages_of_documents(documents, library, page_size, after):
        for document in page:
            yield document


async def pages_of_documents(
    documents: DocumentStore, library: str | None, page_size: int, after: str | None = None
) -> AsyncGenerator[Sequence[Document]]:
    """The same, page by page."""
    cursor = after
    while True:
        page, cursor = await documents.find(library, cursor, page_size)
        if page:
            yield page
        if cursor is None:
            return
