"""The system at a glance: what is queued, what runs, since when (checklist A4.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.gateway import fleet
from shared.errors import TransientError
from shared.version import VERSION
from tests.support.gateway import PDF, World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_admitted_per_library=1) as made:
        yield made


async def test_every_open_job_is_listed_with_its_state_and_the_oldest_wait_is_told(gateway: World):
    first = await gateway.upload(PDF + b"1", libraryId="a")
    ticket = await gateway.claim(first["jobId"])
    second = await gateway.upload(PDF + b"2", libraryId="a")
    later = gateway.jobs.clock() + timedelta(seconds=30)
    gateway.jobs.clock = lambda: later
    await gateway.upload(PDF + b"3", libraryId="b")
    status = (await gateway.http.get("/api/system/status")).json()
    assert (status["version"], status["ready"], status["complete"]) == (VERSION, True, True)
    assert status["queues"]["jobs"] == {"running": 1, "queued": 2}
    assert status["queues"]["waiting"] == {"a": 1}
    assert status["queues"]["admitted"] == {"a": 1, "b": 1}
    assert 29 <= status["oldestPendingSeconds"] <= 31
    rows = {row["jobId"]: row for row in status["jobs"]}
    assert len(rows) == 3
    running = rows[first["jobId"]]
    assert (running["status"], running["step"], running["owner"]) == ("running", ticket["step"], "w1")
    assert rows[second["jobId"]]["status"] == "queued"
    assert status["services"][0] == {"name": "gateway", "version": VERSION, "ready": True}


async def test_an_idle_system_waits_for_nothing(gateway: World):
    status = (await gateway.http.get("/api/system/status")).json()
    assert (status["oldestPendingSeconds"], status["jobs"]) == (None, [])


async def test_a_long_queue_is_told_in_part_and_says_so(gateway: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fleet, "MOST_JOBS", 2)
    monkeypatch.setattr(fleet, "PAGE", 1)
    for number in range(4):
        await gateway.upload(PDF + bytes([65 + number]))
    status = (await gateway.http.get("/api/system/status")).json()
    assert (len(status["jobs"]), status["complete"], status["queues"]["jobs"]) == (2, False, {"queued": 4})


async def test_warming_up_loads_the_embedder(gateway: World):
    assert (await gateway.http.post("/warmup")).json() == {"status": "ok", "services": {}}
    assert gateway.gateway._embedder.calls == [["warm up"]]  # type: ignore[attr-defined]


async def test_a_gateway_is_ready_while_its_store_answers_and_alive_in_any_case(gateway: World):
    assert (await gateway.http.get("/ready")).json() == {"ready": True, "waitingFor": []}

    async def away() -> None:
        raise TransientError("unavailable")

    gateway.jobs.now = away  # type: ignore[method-assign, assignment]
    answer = await gateway.http.get("/ready")
    assert (answer.status_code, answer.json()["waitingFor"]) == (503, ["store"])
    assert (await gateway.http.get("/live")).status_code == 200
