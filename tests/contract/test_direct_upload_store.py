"""The contract of records of direct uploads: memory, SQLite and the MongoDB protocol."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.gateway.stores.mongo_direct import MongoDirectUploads
from services.gateway.stores.mongo_jobs import MongoJobs
from services.gateway.stores.sqlite_direct import SqliteDirectUploads
from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from services.gateway.stores.sqlite_place import SCHEMA, UPLOADS
from shared.direct_ports import DirectUploadStore
from shared.direct_upload import DirectStatus, DirectUpload
from shared.testing.memory_direct import MemoryDirectUploads
from tests.contract.conftest import Stores
from tests.support.records import seconds


@pytest.fixture
def uploads(stores: Stores) -> DirectUploadStore:
    if isinstance(stores.jobs, SqliteJobs):
        return SqliteDirectUploads(stores.jobs.file)
    return MongoDirectUploads(stores.jobs.database) if isinstance(stores.jobs, MongoJobs) else MemoryDirectUploads()


def announced(name: str, at: float = 1) -> DirectUpload:
    return DirectUpload(
        upload_id=f"up-{name}",
        library_id="lib",
        name=f"{name}.pdf",
        size=7,
        request={"libraryId": "lib", "parameters": {"phases": {"ingest": False}}},
        created_at=seconds(at),
        expires_at=seconds(at + 60),
    )


async def test_a_record_comes_back_as_it_was_and_is_added_once(uploads: DirectUploadStore) -> None:
    await uploads.add(announced("a"))
    await uploads.add(replace(announced("a"), size=9))
    assert await uploads.get("up-a") == announced("a")
    assert await uploads.get("up-b") is None


async def test_of_many_who_end_it_one_wins(uploads: DirectUploadStore) -> None:
    upload = announced("a")
    await uploads.add(upload)
    ends = [replace(upload, status=status) for status in list(DirectStatus)[1:] for _ in range(4)]
    won = await asyncio.gather(*(uploads.swap(upload, end) for end in ends))
    assert won.count(True) == 1
    stored = await uploads.get("up-a")
    assert stored is not None
    assert (stored.status, stored.revision) == (ends[won.index(True)].status, 1)
    assert not await uploads.swap(announced("nobody"), announced("nobody"))


async def test_what_is_left_to_do_is_listed_behind_the_last_one(uploads: DirectUploadStore) -> None:
    for name in "dbca":
        await uploads.add(announced(name))
    await uploads.swap(announced("b"), replace(announced("b"), settled=True))
    assert [row.upload_id for row in await uploads.unsettled("", 2)] == ["up-a", "up-c"]
    assert [row.upload_id for row in await uploads.unsettled("up-c", 2)] == ["up-d"]


async def test_old_ones_are_forgotten_once_they_are_settled(uploads: DirectUploadStore) -> None:
    for number in range(4):
        upload = announced(str(number), number)
        await uploads.add(upload)
        if number != 1:
            await uploads.swap(upload, replace(upload, settled=True))
    assert await uploads.forget(seconds(3)) == 2
    assert [(await uploads.get(f"up-{number}")) is not None for number in range(4)] == [False, True, False, True]


async def test_a_file_of_the_former_schema_gets_its_table(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.db") as former:
        former.executescript(SCHEMA + UPLOADS)
        former.execute("PRAGMA user_version = 3")
    jobs, _ = sqlite_stores(tmp_path / "jobs.db")
    await jobs.open()
    await SqliteDirectUploads(jobs.file).add(announced("a"))
    assert await SqliteDirectUploads(jobs.file).get("up-a") == announced("a")
    await jobs.close()
