"""One Milvus collection over pymilvus: every call with a deadline, vendor errors turned into ours.

Reads are asked for with consistency `Strong`: they see every write acknowledged before, whoever made it. pymilvus
logs every failure with its traceback and the server's text; that is told once here, without text, and its logger is
silent. The import costs seconds (it brings pandas) and is done in a thread, as is making the collection.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.adapters.milvus_records import CHAPTERS_BYTES, MOST_BYTES, WORD_BYTES
from shared.errors import ConfigurationError, ShadowtwinError, TransientError

CONSISTENCY = "Strong"
PAUSES = (0.2, 1.0)
"""Seconds before a request is sent again."""
CHANNEL = {"grpc.keepalive_time_ms": 300_000}
"""pymilvus pings every 10 s, which a server with gRPC's defaults answers by closing the connection."""
WORDS = ("document", "generation", "kind", "library", "scale")
PAGES = ("first_page", "last_page")
_REFUSED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_REFUSED_CODES = frozenset({3, 1400, 1401})
"""Of the server: permission denied, and the two of privileges and credentials."""
_WAIT_CODES = frozenset({8, 9, 49})
"""Of the server: rate limit, force deny, and the older one of rate limits."""


class MilvusCollection:
    """Calls on one collection; all may raise TransientError or ConfigurationError. `deadline` in seconds."""

    def __init__(self, uri: str, token: str, name: str, dimension: int, *, deadline: float) -> None:
        self._uri, self._token, self._name, self._dimension = uri, token, name, dimension
        self._deadline = deadline
        self._vendor: Any = None
        self._client: Any = None

    async def open(self) -> int:
        """Connect, make the collection if there is none; the dimension that it has."""
        try:
            self._vendor = await asyncio.to_thread(importlib.import_module, "pymilvus")
        except ModuleNotFoundError:
            raise ConfigurationError(
                "misconfigured", "Milvus needs the extra: pip install 'shadowtwin[milvus]'."
            ) from None
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
        await self._call(lambda: asyncio.to_thread(self._make))
        self._client = self._vendor.AsyncMilvusClient(
            uri=self._uri, token=self._token, timeout=self._deadline, grpc_options=CHANNEL
        )
        described = await self._call(lambda: self._client.describe_collection(self._name))
        return next(int(field["params"]["dim"]) for field in described["fields"] if field["name"] == "vector")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def upsert(self, batch: list[dict[str, Any]]) -> None:
        """Insert or replace by key; all or an error."""
        answer = await self._call(lambda: self._client.upsert(self._name, batch))
        if int(answer["upsert_count"]) != len(batch):
            raise TransientError("unavailable", f"Milvus took {answer['upsert_count']} of {len(batch)} rows.")

    async def count(self, where: str) -> int:
        """Rows that a scan finds (not the collection's statistics)."""
        found = await self._call(lambda: self._query(where, ["count(*)"]))
        return int(found[0]["count(*)"])

    async def first(self, where: str, fields: list[str]) -> dict[str, Any] | None:
        """One entity that matches."""
        found = await self._call(lambda: self._query(where, fields, limit=1))
        return dict(found[0]) if found else None

    async def all(self, where: str, fields: list[str]) -> list[dict[str, Any]]:
        """Every entity that matches."""
        return [dict(entity) for entity in await self._call(lambda: self._query(where, fields))]

    async def delete(self, where: str) -> None:
        """Remove the rows that match, in one request."""
        await self._call(lambda: self._client.delete(self._name, filter=where, consistency_level=CONSISTENCY))

    async def search(self, field: str, query: Sequence[float] | str, where: str, top: int) -> list[dict[str, Any]]:
        """The nearest entities by a vector, or by BM25 if the query is a text; the best first."""
        asked = [query if isinstance(query, str) else list(query)]
        answer = await self._call(
            lambda: self._client.search(
                self._name,
                data=asked,
                anns_field=field,
                filter=where,
                limit=top,
                output_fields=["meta", "text"],
                consistency_level=CONSISTENCY,
            )
        )
        return [dict(hit["entity"]) for hit in answer[0]]

    def _query(self, where: str, fields: list[str], **limit: int) -> Awaitable[Any]:
        found: Awaitable[Any] = self._client.query(
            self._name, filter=where, output_fields=fields, consistency_level=CONSISTENCY, **limit
        )
        return found

    def _make(self) -> None:
        """Make the collection with its indexes, and load it. Blocks; losing a race against another process is fine."""
        client = self._vendor.MilvusClient(
            uri=self._uri, token=self._token, timeout=self._deadline, grpc_options=CHANNEL
        )
        try:
            if not client.has_collection(self._name):
                try:
                    schema, indexes = self._shape(client)
                    client.create_collection(
                        self._name, schema=schema, index_params=indexes, consistency_level=CONSISTENCY
                    )
                except self._vendor.MilvusException:
                    if not client.has_collection(self._name):
                        raise
            client.load_collection(self._name)
        finally:
            client.close()

    def _shape(self, client: Any) -> tuple[Any, Any]:
        kinds = self._vendor.DataType
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", kinds.VARCHAR, max_length=64, is_primary=True)
        for name in WORDS:
            schema.add_field(name, kinds.VARCHAR, max_length=WORD_BYTES)
        for name in PAGES:
            schema.add_field(name, kinds.INT64)
        schema.add_field("chapters", kinds.VARCHAR, max_length=CHAPTERS_BYTES)
        schema.add_field("text", kinds.VARCHAR, max_length=MOST_BYTES, enable_analyzer=True)
        schema.add_field("meta", kinds.VARCHAR, max_length=MOST_BYTES)
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=self._dimension)
        schema.add_field("words", kinds.SPARSE_FLOAT_VECTOR)
        schema.add_function(
            self._vendor.Function(
                name="bm25",
                function_type=self._vendor.FunctionType.BM25,
                input_field_names=["text"],
                output_field_names=["words"],
            )
        )
        indexes = client.prepare_index_params()
        indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
        indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        return schema, indexes

    async def _call(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """A request, sent again after a passing failure: each of them may be repeated."""
        try:
            async with asyncio.timeout(self._deadline):
                for pause in PAUSES:
                    try:
                        return await self._once(request)
                    except TransientError:
                        await asyncio.sleep(pause)
                return await self._once(request)
        except TimeoutError:
            raise TransientError("unavailable", f"Milvus did not answer within {self._deadline:g} s.") from None

    async def _once(self, request: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await request()
        except TimeoutError:
            raise
        except Exception as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> Exception:
        """Our error for the vendor's; its text stays out, because it may quote the request."""
        if isinstance(error, ShadowtwinError):
            return error
        code: Any = getattr(error, "code", None)
        from_wire = callable(code)  # grpc's own errors have a method there, pymilvus' a number
        code = code() if callable(code) else code
        name = getattr(code, "name", str(code))
        seen = f"{type(error).__name__} {name}"
        if name in _REFUSED or code in _REFUSED_CODES:
            return ConfigurationError("misconfigured", f"Milvus refuses the request ({seen}): check uri and token.")
        if code in _WAIT_CODES:
            return TransientError("rate_limited", f"Milvus asks to wait ({seen}).")
        if isinstance(error, self._vendor.MilvusException) or from_wire or isinstance(error, OSError):
            return TransientError("unavailable", f"Milvus cannot answer ({seen}).")
        return error
