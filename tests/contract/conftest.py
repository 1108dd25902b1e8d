"""The stores under contract: the same tests run on memory, SQLite and a MongoDB server."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from services.gateway.stores.mongo_jobs import mongo_stores
from services.gateway.stores.sqlite_jobs import sqlite_stores
from shared.adapters.folder_storage import FolderStorage
from shared.ports import DocumentStore, JobStore, Storage
from shared.testing.memory import MemoryDocuments, MemoryJobs, MemoryStorage
from tests.support import milvus_server as milvus
from tests.support.model_clients import GOOD, Client
from tests.support.model_server import ModelServer
from tests.support.mongo_server import MongoServer, choose
from tests.support.s3_bucket import bucket, served_s3
from tests.support.s3_server import S3Server

CHOICE = choose()
HEADER = f"contract suite, MongoDB server: {CHOICE.name}"
_shown: list[str] = []


def pytest_report_header() -> str:
    """Which MongoDB the contract was held against (only when this folder is named on the command line)."""
    _shown.append(HEADER)
    return HEADER


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The same at the end, where pytest found this folder too late for its header."""
    if not _shown:
        terminalreporter.write_line(HEADER)


class Stores(NamedTuple):
    """A job store and a document store on the same fresh place; `add_field` writes past them, as a newer program."""

    jobs: JobStore
    documents: DocumentStore
    add_field: Callable[[str, str, Any], Awaitable[None]]
    embedded_logs: Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    """One server for the session, ended with it."""
    if CHOICE.start is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have a MongoDB server; {CHOICE.name}")
        pytest.skip(f"MongoDB server {CHOICE.name}")
    server = CHOICE.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def milvus_server() -> Iterator[milvus.MilvusServer]:
    """One server for the session, ended with it."""
    if reason := milvus.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have a Milvus server: {reason}")
        pytest.skip(f"no Milvus server: {reason}")
    server = milvus.start()
    yield server
    server.stop()


def database_uri(uri: str, name: str) -> str:
    """The server's URI with another database; a user keeps the database that knows him."""
    parts = urlsplit(uri)
    query = parts.query
    if parts.username and "authSource" not in parse_qs(query):
        query = "&".join(filter(None, [query, f"authSource={parts.path.strip('/') or 'admin'}"]))
    return parts._replace(path=f"/{name}", query=query).geturl()


@pytest.fixture(params=["memory", "sqlite", "mongo"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """Every implementation in turn, opened and empty."""
    make = {"memory": _memory, "sqlite": _sqlite, "mongo": _mongo}[request.param]
    async for made in make(request, tmp_path):
        yield made


async def _memory(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stores]:
    jobs = MemoryJobs()

    async def add_field(job_id: str, name: str, value: Any) -> None:
        body = msgspec.msgpack.decode(jobs.stored[job_id]) | {name: value}
        jobs.stored[job_id] = msgspec.msgpack.encode(body)

    async def embedded(job_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = msgspec.msgpack.decode(jobs.stored[job_id])["logs"]
        return rows

    yield Stores(jobs, MemoryDocuments(), add_field, embedded)


async def _sqlite(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stores]:
    path = folder / "jobs.db"
    jobs, documents = sqlite_stores(path)
    await jobs.open()
    raw = sqlite3.connect(path, isolation_level=None)

    async def add_field(job_id: str, name: str, value: Any) -> None:
        body = msgspec.msgpack.decode(_body(job_id)) | {name: value}
        raw.execute("UPDATE jobs SET body = ? WHERE jobId = ?", (msgspec.msgpack.encode(body), job_id))

    async def embedded(job_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = msgspec.msgpack.decode(_body(job_id))["logs"]
        return rows

    def _body(job_id: str) -> bytes:
        body: bytes = raw.execute("SELECT body FROM jobs WHERE jobId = ?", (job_id,)).fetchone()[0]
        return body

    yield Stores(jobs, documents, add_field, embedded)
    raw.close()
    await jobs.close()


async def _mongo(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stores]:
    server: MongoServer = request.getfixturevalue("mongo_server")
    name = f"contract_{uuid.uuid4().hex[:12]}"
    jobs, documents = mongo_stores(database_uri(server.uri, name))
    await jobs.open()
    client, collection = jobs._database._client, jobs._database.jobs
    assert client is not None

    async def add_field(job_id: str, name: str, value: Any) -> None:
        await collection.update_one({"_id": job_id}, {"$set": {name: value}})

    async def embedded(job_id: str) -> list[dict[str, Any]]:
        found = await collection.find_one({"_id": job_id})
        assert found is not None
        rows: list[dict[str, Any]] = found["logs"]
        return rows

    yield Stores(jobs, documents, add_field, embedded)
    await client.drop_database(name)
    await jobs.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for the session, ended with it."""
    yield from served_s3()


@pytest.fixture(params=["memory", "folder", "s3"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """Every implementation in turn, empty."""
    if request.param == "s3":
        async with bucket(request.getfixturevalue("s3_server"), tmp_path) as made:
            yield made
    else:
        yield MemoryStorage() if request.param == "memory" else FolderStorage(tmp_path / "twins")


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A simulated model server that knows one good answer."""
    async with ModelServer({"metadata": GOOD}) as running:
        yield running


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[Client]:
    """A client of it, closed afterwards."""
    made = Client(server)
    yield made
    await made.models.close()
