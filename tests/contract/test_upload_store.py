"""The contract of records of uploads: memory, SQLite and the MongoDB protocol."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from services.gateway.stores.mongo_jobs import MongoJobs
from services.gateway.stores.mongo_uploads import MongoUploads
from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from services.gateway.stores.sqlite_place import SCHEMA
from services.gateway.stores.sqlite_uploads import SqliteUploads
from shared.ports import UploadStore
from shared.testing.memory_uploads import MemoryUploads
from shared.upload import Upload
from tests.contract.conftest import Stores
from tests.support.records import seconds


@pytest.fixture
def uploads(stores: Stores) -> UploadStore:
    if isinstance(stores.jobs, SqliteJobs):
        return SqliteUploads(stores.jobs.file)
    return MongoUploads(stores.jobs.database) if isinstance(stores.jobs, MongoJobs) else MemoryUploads()


def failed(name: str, at: float, library: str = "lib") -> Upload:
    return Upload(
        upload_id=f"up-{name}", library_id=library, name=f"{name}.pdf", size=7, code="pdf_empty", created_at=seconds(at)
    )


async def test_a_record_comes_back_as_it_was_and_is_added_once(uploads: UploadStore) -> None:
    await uploads.add(failed("a", 1))
    await uploads.add(failed("a", 1))
    assert await uploads.find(None, None, 10) == ([failed("a", 1)], None)


async def test_the_newest_come_first_page_by_page_and_of_one_library(uploads: UploadStore) -> None:
    for number in range(5):
        await uploads.add(failed(str(number), number // 2))
    await uploads.add(failed("other", 9, "other"))
    first, cursor = await uploads.find("lib", None, 3)
    second, end = await uploads.find("lib", cursor, 3)
    assert [row.upload_id for row in first + second] == ["up-4", "up-3", "up-2", "up-1", "up-0"]
    assert end is None
    assert (await uploads.find(None, None, 1))[0][0].library_id == "other"


async def test_one_is_got_and_removed_by_its_id(uploads: UploadStore) -> None:
    await uploads.add(failed("a", 1))
    await uploads.add(failed("b", 2))
    assert await uploads.get("up-a") == failed("a", 1)
    await uploads.remove("up-a")
    await uploads.remove("up-a")
    assert await uploads.get("up-a") is None
    assert (await uploads.find(None, None, 10))[0] == [failed("b", 2)]


async def test_old_ones_are_forgotten(uploads: UploadStore) -> None:
    for number in range(4):
        await uploads.add(failed(str(number), number))
    assert await uploads.forget(seconds(2)) == 2
    assert [row.upload_id for row in (await uploads.find(None, None, 10))[0]] == ["up-3", "up-2"]


async def test_a_file_of_the_former_schema_gets_its_table(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.db") as former:
        former.executescript(SCHEMA)
        former.execute("PRAGMA user_version = 2")
    jobs, _ = sqlite_stores(tmp_path / "jobs.db")
    await jobs.open()
    await SqliteUploads(jobs.file).add(failed("a", 1))
    assert len((await SqliteUploads(jobs.file).find(None, None, 5))[0]) == 1
    await jobs.close()
