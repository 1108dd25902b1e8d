"""One Pinecone index over its SDK: every call with a deadline, pages followed, vendor errors turned into ours.

Passing failures are repeated by the SDK: 3 times, honouring `Retry-After` up to 60 s. That is fixed in 10.2, whose
index client ignores the `RetryConfig` of its parent; so a call is bounded here, by time, and not repeated once more.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from shared.errors import ConfigurationError, ShadowtwinError, TransientError

IDS_PER_DELETE = 1_000
IDS_PER_FETCH = 100
"""The ids stand in the request's address."""
UPSERTS = 5
"""Times an upsert is sent that is answered with fewer vectors than sent."""


class PineconeIndex:
    """Calls on one index, at most `concurrency` at a time; all may raise TransientError or ConfigurationError.

    `timeout` is for one request, `deadline` for a call with the SDK's repetitions, both in seconds.
    """

    def __init__(self, api_key: str, host: str, *, timeout: float, deadline: float, concurrency: int) -> None:
        self._api_key, self._host, self._timeout, self._deadline = api_key, host, timeout, deadline
        self._limit = asyncio.Semaphore(concurrency)
        self._sdk: Any = None
        self._client: Any = None
        self._index: Any = None

    async def open(self) -> int | None:
        """Connect; returns the index's dimension as far as it is told."""
        self._sdk = await asyncio.to_thread(importlib.import_module, "pinecone")
        try:
            self._client = self._sdk.AsyncPinecone(api_key=self._api_key, host=self._host, timeout=self._timeout)
            self._index = await self._client.index(host=self._host)
        except (self._sdk.PineconeError, ValueError) as error:
            message = f"Pinecone's key or host cannot be used ({type(error).__name__})."
            raise ConfigurationError("misconfigured", message) from None
        stats = await self._call(lambda: self._index.describe_index_stats())
        dimension: int | None = stats.dimension
        return dimension

    async def close(self) -> None:
        """Close the connections."""
        for closing in (self._index, self._client):
            if closing is not None:
                await closing.close()

    async def upsert(self, namespace: str, batch: list[dict[str, Any]]) -> None:
        """One request; repeated while it is answered with fewer vectors than sent (which ones is not told)."""
        taken = 0
        for _ in range(UPSERTS):
            answer = await self._call(lambda: self._index.upsert(vectors=batch, namespace=namespace))
            taken = 0 if answer.has_errors else answer.upserted_count
            if taken >= len(batch):
                return
        raise TransientError("unavailable", f"Pinecone took {taken} of {len(batch)} vectors.")

    async def fetch(self, namespace: str, name: str) -> Any:
        """The vector of that id, or None."""
        found = await self._call(lambda: self._index.fetch(ids=[name], namespace=namespace))
        return found.vectors.get(name)

    async def fetch_many(self, namespace: str, names: Sequence[str]) -> AsyncIterator[Any]:
        """The vectors of those ids that exist."""
        for first in range(0, len(names), IDS_PER_FETCH):
            some = list(names[first : first + IDS_PER_FETCH])
            found = await self._call(partial(self._index.fetch, ids=some, namespace=namespace))
            for vector in found.vectors.values():
                yield vector

    async def query(self, namespace: str, vector: Sequence[float], where: Mapping[str, Any], top: int) -> list[Any]:
        """Nearest matches with their metadata."""
        wanted: dict[str, Any] = {"filter": where} if where else {}
        values = list(vector)
        answer = await self._call(
            lambda: self._index.query(
                namespace=namespace, vector=values, top_k=min(top, 10_000), include_metadata=True, **wanted
            )
        )
        return list(answer.matches)

    async def ids(self, namespace: str, start: str) -> AsyncIterator[str]:
        """Every id listed under a prefix."""
        async for page in self._pages(lambda t: self._index.list_paginated(prefix=start, namespace=namespace, **t)):
            for item in page.vectors:
                yield item.id

    async def namespaces(self) -> list[str]:
        """The names of all namespaces."""
        pages = self._pages(lambda token: self._index.list_namespaces_paginated(limit=100, **token))
        return [entry.name async for page in pages for entry in page.namespaces]

    async def delete(self, namespace: str, names: Sequence[str]) -> None:
        """Delete by id; ids that do not exist are no error."""
        for first in range(0, len(names), IDS_PER_DELETE):
            some = list(names[first : first + IDS_PER_DELETE])
            await self._call(partial(self._index.delete, ids=some, namespace=namespace), absent_ok=True)

    async def delete_where(self, namespace: str, where: Mapping[str, Any]) -> None:
        """Delete by filter."""
        await self._call(lambda: self._index.delete(filter=where, namespace=namespace), absent_ok=True)

    async def _pages(self, request: Callable[[dict[str, str]], Awaitable[Any]]) -> AsyncIterator[Any]:
        token: dict[str, str] = {}
        while True:
            page = await self._call(partial(request, token))
            yield page
            if page.pagination is None or not page.pagination.next:
                return
            token = {"pagination_token": page.pagination.next}

    async def _call(self, request: Callable[[], Awaitable[Any]], *, absent_ok: bool = False) -> Any:
        try:
            async with self._limit, asyncio.timeout(self._deadline):
                return await request()
        except self._sdk.NotFoundError as error:
            if absent_ok:
                return None
            raise self._translated(error) from None
        except self._sdk.PineconeError as error:
            raise self._translated(error) from None
        except TimeoutError:
            raise TransientError("unavailable", f"Pinecone did not answer within {self._deadline:g} s.") from None

    @staticmethod
    def _translated(error: Any) -> ShadowtwinError:
        """Our error for the SDK's; its text stays out, because it may quote the request."""
        status = getattr(error, "status_code", None)
        if status == 429:
            return TransientError("rate_limited", retry_after=getattr(error, "retry_after", None))
        seen = f"HTTP {status}" if status else type(error).__name__
        if status == 408 or (status is not None and status >= 500):
            return TransientError("unavailable", f"Pinecone cannot answer ({seen}).")
        if status is None and not isinstance(error, ValueError):
            return TransientError("unavailable", f"Pinecone cannot be reached ({seen}).")
        return ConfigurationError("misconfigured", f"Pinecone refuses the request ({seen}): check key, host and index.")
