"""The connection to MongoDB that both stores share: indexes, the server's clock, and what its errors mean."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import errors
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from shared.errors import ConfigurationError, ShadowtwinError, TransientError
from shared.job import to_milliseconds

CLOCK_SECONDS = 30.0
WAIT_SECONDS = 5.0
DEFAULT_DATABASE = "shadowtwin"
LASTING = {13: "may not do this", 18: "refused the credential", 85: "has another index", 86: "has another index"}
_NO_COMMAND = 59
_JOB_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    # Present only while the job is open: a sparse unique index refuses a second one. (mongo-java-server knows no
    # partial indexes, and both servers do the same here.)
    ([("openDocumentId", 1)], {"unique": True, "sparse": True}),
    ([("outboxAt", 1)], {"sparse": True}),
    ([("waiting", 1), ("libraryId", 1), ("priority", -1), ("createdAt", 1)], {}),
    ([("uniqueKey", 1)], {"unique": True, "sparse": True}),
    ([("createdAt", -1), ("_id", -1)], {}),
    ([("status", 1), ("createdAt", -1), ("_id", -1)], {}),
    ([("libraryId", 1), ("createdAt", -1), ("_id", -1)], {}),
    ([("correlation.batchId", 1), ("createdAt", -1), ("_id", -1)], {}),
    ([("documentId", 1), ("createdAt", -1), ("_id", -1)], {}),
]
_LOG_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [([("jobId", 1), ("seq", 1)], {})]
_UPLOAD_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    ([("createdAt", -1), ("_id", -1)], {}),
    ([("libraryId", 1), ("createdAt", -1), ("_id", -1)], {}),
]
_DIRECT_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [([("settled", 1), ("_id", 1)], {})]
_ALERT_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [([("openedAt", -1), ("_id", -1)], {})]
_DELIVERY_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    ([("state", 1), ("endpointId", 1), ("dueAt", 1)], {}),
    ([("endpointId", 1), ("key", 1), ("place", 1)], {}),
    ([("endpointId", 1), ("createdAt", -1), ("_id", -1)], {}),
    ([("createdAt", -1), ("_id", -1)], {}),
]
_DOCUMENT_INDEXES: list[tuple[list[tuple[str, int]], dict[str, Any]]] = [
    ([("libraryId", 1), ("sha256", 1), ("createdAt", -1)], {}),
    ([("createdAt", -1), ("_id", -1)], {}),
    ([("libraryId", 1), ("createdAt", -1), ("_id", -1)], {}),
]


class LostReply(TransientError):
    """The connection broke under a write: it may have been done or not."""


class MongoDatabase:
    """Client and database; `jobs`, `job_logs`, `documents`, `uploads`, `direct_uploads`, `alerts`,
    `leases`, `webhooks` and `webhook_deliveries` are its collections."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._clock: tuple[datetime, float] | None = None
        self._client: AsyncIOMotorClient[dict[str, Any]] | None = None

    async def open(self) -> None:
        """Connect and see to the indexes; a second call does nothing."""
        if self._client is not None:
            return
        with told():
            name = _database_name(self._uri)
            client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
                self._uri, serverSelectionTimeoutMS=int(WAIT_SECONDS * 1000), connectTimeoutMS=int(WAIT_SECONDS * 1000)
            )
            database = client.get_database(
                name,
                codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
                write_concern=WriteConcern(w="majority", j=True, wtimeout=10_000),
                read_concern=ReadConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            )
            self._client, self._database = client, database
            self.jobs, self.job_logs, self.documents = database.jobs, database.job_logs, database.documents
            self.uploads, self.direct_uploads = database.uploads, database.direct_uploads
            self.alerts, self.leases = database.alerts, database.leases
            self.webhooks, self.webhook_deliveries = database.webhooks, database.webhook_deliveries
        try:
            await self.now()
            await self._ensure_indexes()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def now(self) -> datetime:
        """The server's clock, carried on by this machine's monotonic one for a while."""
        if self._clock is None or time.monotonic() - self._clock[1] > CLOCK_SECONDS:
            self._clock = await self._ask_clock()
        moment, read = self._clock
        return to_milliseconds(moment + timedelta(seconds=time.monotonic() - read))

    async def _ask_clock(self) -> tuple[datetime, float]:
        before = time.monotonic()
        with told():
            try:
                reply = await self._database.command("hello")
            except errors.OperationFailure as error:
                if error.code != _NO_COMMAND:
                    raise
                reply = await self._database.command("isMaster")
        after = time.monotonic()
        moment: datetime = reply["localTime"]
        return moment.replace(tzinfo=UTC), (before + after) / 2

    async def _ensure_indexes(self) -> None:
        wanted = (
            (self.jobs, _JOB_INDEXES),
            (self.job_logs, _LOG_INDEXES),
            (self.documents, _DOCUMENT_INDEXES),
            (self.uploads, _UPLOAD_INDEXES),
            (self.direct_uploads, _DIRECT_INDEXES),
            (self.alerts, _ALERT_INDEXES),
            (self.webhook_deliveries, _DELIVERY_INDEXES),
        )
        with told():
            for collection, indexes in wanted:
                for keys, options in indexes:
                    await collection.create_index(keys, **options)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the driver raised, as this system's own errors."""
    try:
        yield
    except (errors.ConfigurationError, errors.InvalidURI) as error:
        raise _misconfigured(str(error)) from error
    except errors.DuplicateKeyError:
        raise
    except errors.OperationFailure as error:
        if error.code in LASTING:
            raise _misconfigured(
                f"MongoDB {LASTING[error.code]} ({error.details and error.details.get('codeName')})."
            ) from error
        raise TransientError("unavailable", f"MongoDB cannot do this now (code {error.code}).") from error
    except errors.ServerSelectionTimeoutError as error:
        raise TransientError("unavailable", "MongoDB cannot be reached.") from error
    except errors.AutoReconnect as error:
        raise LostReply("unavailable", "The connection to MongoDB broke.") from error
    except errors.PyMongoError as error:
        raise TransientError("unavailable", f"MongoDB cannot do this now ({type(error).__name__}).") from error
    except (BSONError, OverflowError, UnicodeError) as error:
        raise ShadowtwinError("internal", f"MongoDB cannot hold this document ({type(error).__name__}).") from error


def _database_name(uri: str) -> str:
    try:
        return parse_uri(uri)["database"] or DEFAULT_DATABASE
    except ValueError as error:
        # The driver's own errors pass; this is what it raises for a port that is none.
        raise _misconfigured(str(error)) from error


def new_write_id() -> str:
    """Marks a write, so that it is recognised after a lost reply."""
    return secrets.token_hex(8)


def _misconfigured(message: str) -> ConfigurationError:
    return ConfigurationError("misconfigured", f"SHADOWTWIN_MONGODB_URI: {message}")
