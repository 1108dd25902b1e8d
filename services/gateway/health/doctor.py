"""Diagnosis of many documents, streamed: a page at a time, nothing kept but counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from services.gateway.health.advice import advice_for
from services.gateway.health.facts import Examined, Examiner
from services.gateway.health.patterns import Patterns
from services.gateway.health.rules import STATUSES, Selection
from services.gateway.walking import every_document
from shared.document import Document
from shared.errors import RequestError
from shared.ports import DocumentStore

PAGE = 50
READ = 200


class Doctor:
    """Diagnoses what a selection names."""

    def __init__(self, documents: DocumentStore, examiner: Examiner) -> None:
        self._documents, self.examiner = documents, examiner

    def run(self, selection: Selection) -> Run:
        """One run over a selection; raises RequestError bad_request for a status that there is not."""
        if selection.status not in STATUSES:
            raise RequestError("bad_request", f"status must be one of {', '.join(STATUSES)}.")
        return Run(self.examiner, selection, self._selected(selection))

    def run_of(self, document_ids: Sequence[str]) -> Run:
        """A run over documents by id; those that are gone are left out."""
        return Run(self.examiner, Selection(status="any"), self._named(document_ids))

    async def one(self, document_id: str, *, other_buckets: bool = False) -> Examined:
        """One document, its files read and compared; raises RequestError not_found."""
        document = await self._documents.get(document_id)
        if document is None:
            raise RequestError("not_found", "There is no such document.")
        finder = self.examiner.finder()
        return (await self.examiner.page([document], finder, other_buckets=other_buckets, verify=True))[0]

    async def _named(self, document_ids: Sequence[str]) -> AsyncIterator[list[Document]]:
        for start in range(0, len(document_ids), PAGE):
            ids = document_ids[start : start + PAGE]
            found = await self._documents.many(ids)
            yield [found[name] for name in ids if name in found]

    async def _selected(self, selection: Selection) -> AsyncIterator[list[Document]]:
        """Pages of documents, newest first."""
        left = selection.limit if selection.limit is not None else -1
        page: list[Document] = []
        async with aclosing(self._all(selection)) as documents:
            async for document in documents:
                if left == 0:
                    break
                if selection.takes(document):
                    page.append(document)
                    left -= 1
                if len(page) == PAGE:
                    yield page
                    page = []
        if page:
            yield page

    async def _all(self, selection: Selection) -> AsyncGenerator[Document]:
        if selection.document_id is not None:
            document = await self._documents.get(selection.document_id)
            if document is None:
                raise RequestError("not_found", "There is no such document.")
            yield document
            return
        async for document in every_document(self._documents, selection.library_id, READ):
            yield document


class Run:
    """One diagnosis: iterate over `documents`, then ask for `summary` and `patterns`."""

    def __init__(self, examiner: Examiner, selection: Selection, pages: AsyncIterator[list[Document]]) -> None:
        self._examiner, self._selection, self._pages = examiner, selection, pages
        self.finder = examiner.finder()
        self._patterns = Patterns()
        self.summary: Counter[str] = Counter()
        self.objects: Counter[str] = Counter()
        """Files: `found` where they should be, `notFound`, `fixable` (found under another key)."""

    async def documents(self) -> AsyncIterator[Examined]:
        """Every document, examined."""
        selection = self._selection
        verify = selection.document_id is not None
        async for page in self._pages:
            for examined in await self._examiner.page(
                page, self.finder, other_buckets=selection.check_other_buckets, verify=verify
            ):
                self.summary[str(examined.judgement.state)] += 1
                self.objects["found" if examined.facts.object_in_store else "notFound"] += 1
                self.objects["fixable"] += examined.found is not None
                self._patterns.take(examined)
                yield examined

    async def end(self) -> dict[str, Any]:
        """What the whole run says: `{summary, checked, objects, patterns}`."""
        return {
            "summary": dict(self.summary),
            "checked": self._patterns.checked,
            "objects": {name: self.objects[name] for name in ("found", "notFound", "fixable")},
            "patterns": await self._patterns.found(self.finder),
        }


def row_of(examined: Examined) -> dict[str, Any]:
    """A document's row of the answer: `{documentId, state, advice, ...}`."""
    document, facts, judgement = examined.document, examined.facts, examined.judgement
    source = document.artefacts.get("source")
    row: dict[str, Any] = {
        "documentId": document.document_id,
        "libraryId": document.library_id,
        "name": document.name,
        "status": str(document.status),
        "error": document.error,
        "state": str(judgement.state),
        "action": str(judgement.action),
        "advice": advice_for(examined),
        "findings": judgement.findings,
        "objectKey": source.key if source else "",
        "objectInStore": facts.object_in_store,
        "chunkCount": facts.chunk_count,
        "imageCount": facts.ocr_image_chunks,
        "imagesWithoutKey": facts.image_chunks_without_key,
        "imageListLost": facts.listing_lost,
    }
    if examined.found is not None:
        row["foundAt"] = msgspec.to_builtins(examined.found)
    if examined.cause is not None:
        row["cause"] = str(examined.cause)
    if examined.why is not None:
        row["job"] = {"jobId": facts.job, **msgspec.to_builtins(examined.why)}
    return row
