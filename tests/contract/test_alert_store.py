"""The contract of alerts and leases: memory, SQLite and the MongoDB protocol."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.gateway.stores.mongo_alerts import MongoAlerts
from services.gateway.stores.mongo_jobs import MongoJobs
from services.gateway.stores.sqlite_alerts import SqliteAlerts
from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from services.gateway.stores.sqlite_place import SCHEMA, UPLOADS
from shared.alert import Alert, AlertKind, AlertState, alert_id
from shared.ports import AlertStore
from shared.testing.memory_alerts import MemoryAlerts
from tests.contract.conftest import Stores
from tests.support.records import seconds


@pytest.fixture
def alerts(stores: Stores) -> AlertStore:
    if isinstance(stores.jobs, SqliteJobs):
        return SqliteAlerts(stores.jobs.file)
    return MongoAlerts(stores.jobs.database) if isinstance(stores.jobs, MongoJobs) else MemoryAlerts()


def alert(at: float, library: str = "lib", subject: str = "", state: AlertState = AlertState.OPEN) -> Alert:
    kind = AlertKind.BATCH_SILENT if subject else AlertKind.LIBRARY_FAILS
    return Alert(
        alert_id=alert_id(kind, library, subject),
        kind=kind,
        library_id=library,
        subject=subject,
        state=state,
        details={"documents": ["doc-1"]},
        opened_at=seconds(at),
        seen_at=seconds(at),
    )


async def test_an_alert_comes_back_as_it_was_one_revision_on(alerts: AlertStore) -> None:
    assert await alerts.get(alert(1).alert_id) is None
    assert await alerts.put(alert(1))
    assert await alerts.get(alert(1).alert_id) == replace(alert(1), revision=1)


async def test_of_two_writers_the_first_one_counts(alerts: AlertStore) -> None:
    assert await alerts.put(alert(1))
    assert not await alerts.put(alert(2))
    known = await alerts.get(alert(1).alert_id)
    assert known is not None
    assert await alerts.put(replace(known, count=3))
    assert not await alerts.put(replace(known, count=4))
    seen = await alerts.get(known.alert_id)
    assert seen is not None
    assert (seen.count, seen.revision) == (3, 2)


async def test_the_last_opened_come_first_page_by_page_by_library_and_state(alerts: AlertStore) -> None:
    for number in range(4):
        state = AlertState.RESOLVED if number == 1 else AlertState.OPEN
        await alerts.put(alert(number // 2, subject=str(number), state=state))
    await alerts.put(alert(9, "other"))
    first, cursor = await alerts.find("lib", None, None, 3)
    second, end = await alerts.find("lib", None, cursor, 3)
    assert len({row.alert_id for row in first + second}) == 4
    assert [row.opened_at for row in first + second] == [seconds(at) for at in (1, 1, 0, 0)]
    assert end is None
    assert {row.subject for row in (await alerts.find("lib", "open", None, 9))[0]} == {"0", "2", "3"}
    assert (await alerts.find(None, None, None, 1))[0][0].library_id == "other"


async def test_old_ones_that_are_over_are_forgotten(alerts: AlertStore) -> None:
    await alerts.put(alert(0, subject="a", state=AlertState.RESOLVED))
    await alerts.put(alert(5, subject="b", state=AlertState.RESOLVED))
    await alerts.put(alert(0, subject="c"))
    assert await alerts.forget(seconds(3)) == 1
    assert {row.subject for row in (await alerts.find(None, None, None, 9))[0]} == {"b", "c"}


async def test_a_lease_has_one_owner_until_it_ends(alerts: AlertStore) -> None:
    assert await alerts.hold("watch", "one", seconds(0), seconds(10))
    assert not await alerts.hold("watch", "two", seconds(9), seconds(19))
    assert await alerts.hold("watch", "one", seconds(9), seconds(20))
    assert not await alerts.hold("watch", "two", seconds(19), seconds(29))
    assert await alerts.hold("other", "two", seconds(19), seconds(29))
    assert await alerts.hold("watch", "two", seconds(20), seconds(30))
    assert not await alerts.hold("watch", "one", seconds(21), seconds(31))


async def test_a_file_of_the_former_schema_gets_its_tables(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.db") as former:
        former.executescript(SCHEMA)
        former.executescript(UPLOADS)
        former.execute("PRAGMA user_version = 3")
    jobs, _ = sqlite_stores(tmp_path / "jobs.db")
    await jobs.open()
    assert await SqliteAlerts(jobs.file).put(alert(1))
    await jobs.close()
