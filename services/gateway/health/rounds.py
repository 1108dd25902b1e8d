"""Rounds: every document is looked at from time to time, a page at a time, and what is not well is counted by library.

Reads only. Memory is bounded by the number of libraries, not of documents (checklist A0.32).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta

from services.gateway.alerts import Cause
from services.gateway.health.facts import Examined, Examiner
from services.gateway.health.rules import State
from services.gateway.walking import pages_of_documents
from shared.alert import AlertKind
from shared.document import DocumentStatus
from shared.ports import DocumentStore

PAGE = 50
PAUSE = 0.05
"""Seconds between two pages: a round must not be felt by those who wait for answers."""
YOUNG = timedelta(seconds=60)
"""A document that has just changed may be between two writes."""
NAMED = 20
WELL = frozenset({State.HEALTHY, State.DELETED, State.IN_WORK, State.STUCK})
"""Stuck jobs are another alert's matter."""


class _Library:
    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.documents: list[str] = []

    def take(self, examined: Examined) -> None:
        self.states[str(examined.judgement.state)] += 1
        if len(self.documents) < NAMED:
            self.documents.append(examined.document.document_id)


class Rounds:
    """Goes round all documents of all libraries."""

    def __init__(self, documents: DocumentStore, examiner: Examiner) -> None:
        self._documents, self._examiner = documents, examiner

    async def damaged(self, now: datetime, go_on: Callable[[], Awaitable[bool]]) -> list[Cause] | None:
        """Libraries with documents that are not what their records say. `go_on` is asked before each page; None when
        it has said no: then nothing is known."""
        found: dict[str, _Library] = {}
        finder = self._examiner.finder()
        async with aclosing(pages_of_documents(self._documents, None, PAGE)) as pages:
            async for page in pages:
                if not await go_on():
                    return None
                old = [document for document in page if now - document.updated_at > YOUNG]
                for examined in await self._examiner.page(old, finder):
                    if not _well(examined):
                        found.setdefault(examined.document.library_id, _Library()).take(examined)
                await asyncio.sleep(PAUSE)
        return [_cause(library, seen) for library, seen in found.items()]


def _well(examined: Examined) -> bool:
    """A document that has failed is no damage: its failure is told elsewhere, while its file is there."""
    state = examined.judgement.state
    failed = examined.document.status in (DocumentStatus.ERROR, DocumentStatus.DELETING)
    return state in WELL or (state == State.NOT_PROCESSED and failed)


def _cause(library: str, seen: _Library) -> Cause:
    said = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items()))
    return Cause(
        kind=AlertKind.LIBRARY_DAMAGED,
        library_id=library,
        message=f"Documents of {library} are not what their records say: {said}.",
        advice="GET /api/diagnosis?status=any says what each needs; POST /api/repairs with dryRun plans it.",
        count=seen.states.total(),
        details={"states": dict(seen.states), "documents": seen.documents},
    )
