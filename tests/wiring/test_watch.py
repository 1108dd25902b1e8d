"""The watch: libraries that fail or are damaged and batches that fall silent are alerts, until their cause is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from infra import api_keys
from services.gateway.api_keys import KeyRing
from services.gateway.health import rounds
from shared.alert import AlertEvent
from shared.document import DocumentStatus
from shared.job import StepName
from shared.testing.memory_alerts import MemoryAlerts
from tests.support.gateway import PDF, RecordingBus, World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route

TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "YOUNG", timedelta(seconds=-1))
    monkeypatch.setattr(rounds, "PAUSE", 0.0)


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(alert_failures=3) as made:
        yield made


async def failed(gateway: World, number: int, library: str = "lib") -> dict[str, Any]:
    accepted = await gateway.upload(PDF + bytes([65 + number]), libraryId=library)
    ticket = await gateway.claim(accepted["jobId"], StepName.EXTRACT)
    job = await gateway.job(accepted["jobId"])
    fault = {"code": "pdf_corrupt", "category": "document", "message": "broken", "retryable": False}
    body = {"phase": "failed", "process": {"id": job.process_id}, "attempt": job.attempt, "error": fault}
    answer = await gateway.callback(accepted["jobId"], ticket["token"], body)
    assert answer.json()["applied"], answer.text
    return accepted


async def alerts(gateway: World, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gateway.http.get("/api/alerts", params=query)).json()["alerts"]
    return rows


def told(gateway: World) -> list[tuple[str, AlertEvent]]:
    return [(subject, event) for subject, event, _ in gateway.bus.told if isinstance(event, AlertEvent)]


async def test_several_documents_of_one_library_that_fail_are_one_alert(gateway: World):
    for number in range(2):
        await failed(gateway, number)
    await failed(gateway, 2, "other")
    await gateway.gateway.watch.look()
    assert await alerts(gateway) == []
    last = await failed(gateway, 3)
    for _ in range(3):
        await gateway.gateway.watch.look()
    (alert,) = await alerts(gateway)
    assert (alert["kind"], alert["libraryId"], alert["count"], alert["state"]) == ("library_fails", "lib", 3, "open")
    assert alert["details"]["codes"] == ["pdf_corrupt"]
    assert last["documentId"] in alert["details"]["documents"]
    assert alert["message"]
    assert alert["advice"]
    assert told(gateway) == [("alert.opened", AlertEvent(alert["alertId"], "library_fails", "lib", "open"))]
    status = (await gateway.http.get("/api/system/status")).json()
    assert status["alerts"] == {"library_fails": 1, "batch_silent": 0, "library_damaged": 0, "webhook_disabled": 0}


async def test_an_alert_resolves_by_itself_when_its_cause_is_gone_and_opens_anew(gateway: World):
    made = [await failed(gateway, number) for number in range(3)]
    await gateway.gateway.watch.look()
    assert (await gateway.http.delete(f"/api/documents/{made[0]['documentId']}")).status_code == 200
    await gateway.gateway.watch.look()
    (alert,) = await alerts(gateway, state="resolved")
    assert alert["resolvedAt"]
    assert await alerts(gateway, state="open") == []
    await failed(gateway, 0)
    await gateway.gateway.watch.look()
    (again,) = await alerts(gateway)
    assert (again["alertId"], again["times"], again["state"]) == (alert["alertId"], 2, "open")
    assert [subject for subject, _ in told(gateway)] == ["alert.opened", "alert.resolved", "alert.opened"]


async def test_what_was_cancelled_or_failed_long_ago_or_is_well_again_is_no_failure(gateway: World):
    async with world(alert_failures=1, alert_window_seconds=0.0) as old:
        await failed(old, 1)
        await until_later(old)
        await old.gateway.watch.look()
        assert await alerts(old) == []
    for number in range(4):
        accepted = await gateway.upload(PDF + bytes([97 + number]), libraryId="lib")
        await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    mended = [await failed(gateway, number) for number in range(3)]
    document = await gateway.documents.get(mended[0]["documentId"])
    assert document is not None
    await gateway.documents.put(replace(document, status=DocumentStatus.PROCESSED))
    await gateway.gateway.watch.look()
    assert await alerts(gateway) == []


async def test_failed_uploads_count_as_well(gateway: World):
    for name in ("a.pdf", "b.pdf", "b.pdf", "c.pdf"):
        await gateway.http.post("/api/jobs", data={"libraryId": "lib"}, files={"file": (name, b"")})
    await gateway.gateway.watch.look()
    (alert,) = await alerts(gateway)
    assert (alert["count"], alert["details"]["codes"]) == (3, ["pdf_empty"])


async def test_a_batch_that_does_not_move_is_an_alert_until_it_moves() -> None:
    async with world(alert_silent_seconds=0.0) as gateway:
        accepted = await gateway.upload(libraryId="lib", batchId="b-1")
        await gateway.upload(PDF + b"2", libraryId="lib", batchId="b-1")
        await gateway.upload(PDF + b"3", libraryId="lib")
        await until_later(gateway)
        await gateway.gateway.watch.look()
        (alert,) = await alerts(gateway)
        assert (alert["kind"], alert["subject"], alert["count"]) == ("batch_silent", "b-1", 2)
        assert accepted["jobId"] in alert["details"]["jobs"]
        for job in (await gateway.http.get("/api/jobs")).json()["jobs"]:
            await gateway.http.post(f"/api/jobs/{job['jobId']}/cancel")
        await gateway.gateway.watch.look()
        assert [row["state"] for row in await alerts(gateway)] == ["resolved"]


async def until_later(gateway: World) -> None:
    """Until the store's clock, of milliseconds, has moved on."""
    before = await gateway.jobs.now()
    while await gateway.jobs.now() <= before:
        pass


async def test_a_batch_that_moves_is_none(gateway: World):
    await gateway.upload(batchId="b-1")
    await gateway.gateway.watch.look()
    assert await alerts(gateway) == []


async def test_documents_that_are_not_what_their_records_say_are_found_in_a_round(gateway: World):
    accepted = await gateway.upload(text_pdf(TEXT), libraryId="lib")
    lost = await gateway.upload(text_pdf(TEXT + " Again."), libraryId="lib")
    await Route(gateway).run()
    await gateway.gateway.watch.go_round()
    assert await alerts(gateway) == []
    key = f"lib/{lost['documentId']}/source.pdf"
    content = gateway.storage.objects.pop(key)
    await gateway.vectors.delete_document(accepted["documentId"])
    await gateway.gateway.watch.go_round()
    (alert,) = await alerts(gateway)
    assert (alert["kind"], alert["count"]) == ("library_damaged", 2)
    assert alert["details"]["states"] == {"orphaned_chunks": 1, "not_processed": 1}
    gateway.storage.objects[key] = content
    await gateway.gateway.watch.go_round()
    assert [row["count"] for row in await alerts(gateway, state="open")] == [1]
    await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
    await gateway.gateway.watch.go_round()
    assert await alerts(gateway, state="open") == []


async def test_one_gateway_at_a_time_is_at_it_and_a_round_comes_when_it_is_due() -> None:
    shared = MemoryAlerts()
    async with world(alerts=shared) as one, world(alerts=shared) as two:
        two.gateway.watch._owner = "two"
        looked: list[str] = []

        async def round_of(name: str) -> None:
            looked.append(name)

        one.gateway.watch.go_round = lambda: round_of("one")  # type: ignore[method-assign]
        two.gateway.watch.go_round = lambda: round_of("two")  # type: ignore[method-assign]
        assert await one.gateway.watch.turn()
        assert not await two.gateway.watch.turn()
        assert await one.gateway.watch.turn()
        assert looked == ["one"]
        shared.leases.clear()
        assert await two.gateway.watch.turn()
        assert looked == ["one", "two"]


async def test_a_round_that_loses_its_lease_resolves_nothing(gateway: World):
    accepted = await gateway.upload(text_pdf(TEXT), libraryId="lib")
    await Route(gateway).run()
    await gateway.vectors.delete_document(accepted["documentId"])
    await gateway.gateway.watch.go_round()
    now = await gateway.jobs.now()
    alerts_of: Any = gateway.gateway.watch._alerts
    alerts_of.leases["watch"] = ("another", now + timedelta(hours=1))
    await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
    await gateway.upload(PDF, libraryId="lib2")
    await gateway.gateway.watch.go_round()
    assert len(await alerts(gateway, state="open")) == 1


async def test_what_could_not_be_told_is_told_later() -> None:
    bus = RecordingBus()
    async with world(alert_failures=1, bus=bus) as gateway:
        await failed(gateway, 1)
        bus.down = True
        await gateway.gateway.watch.look()
        assert len(await alerts(gateway)) == 1
        bus.down = False
        await gateway.gateway.watch.look()
        await gateway.gateway.watch.look()
        assert [subject for subject, _ in told(gateway)] == ["alert.opened"]


async def test_an_alert_is_acknowledged_by_name_until_it_opens_anew(gateway: World):
    for number in range(3):
        await failed(gateway, number)
    await gateway.gateway.watch.look()
    (alert,) = await alerts(gateway)
    path = f"/api/alerts/{alert['alertId']}"
    answer = await gateway.http.post(f"{path}/acknowledge", json={"by": "Kim"})
    assert answer.json()["acknowledgedBy"] == "Kim"
    await gateway.gateway.watch.look()
    shown = (await gateway.http.get(path)).json()
    assert (shown["acknowledgedBy"], shown["state"]) == ("Kim", "open")
    assert (await gateway.http.get("/api/alerts/nothing")).status_code == 404


async def test_a_key_sees_the_alerts_of_its_library_only(tmp_path: Path) -> None:
    api_keys.make_own(tmp_path)
    mine = api_keys.make(tmp_path, ["read", "write"], ["mine"], "")
    async with world(alert_failures=1) as gateway:
        await failed(gateway, 1, "mine")
        await failed(gateway, 2, "other")
        await gateway.gateway.watch.look()
        ids = {row["libraryId"]: row["alertId"] for row in await alerts(gateway)}
        async with world(alerts=gateway.gateway.watch._alerts, keys=KeyRing(tmp_path / api_keys.KEYS)) as guarded:
            headers = api_keys.headers(mine)
            rows = (await guarded.http.get("/api/alerts", headers=headers)).json()["alerts"]
            assert [row["libraryId"] for row in rows] == ["mine"]
            for library, status in (("mine", 200), ("other", 404)):
                path = f"/api/alerts/{ids[library]}"
                assert (await guarded.http.get(path, headers=headers)).status_code == status
                answer = await guarded.http.post(f"{path}/acknowledge", json={}, headers=headers)
                assert answer.status_code == status
