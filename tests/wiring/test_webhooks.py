"""Webhooks: what happens is told to whoever wants it, signed, in order, until it is taken or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.gateway.alerts import Cause
from services.gateway.webhooks.schedule import Schedule
from shared.alert import AlertKind
from shared.job import StepName
from tests.support.gateway import PDF, World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route
from tests.support.webhook_receiver import Receiver, receiver

TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."
QUICK = Schedule(waits=(0.0, 0.0, 0.0), jitter=0.0, attempt=2.0, outage=0.0, most_quiet=3600.0, proof=0.0)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def gateway(hook: Receiver) -> AsyncIterator[World]:
    async with world(webhook_allow=["127.0.0.1"], schedule=QUICK) as made:
        yield made


async def subscribe(gateway: World, hook: Receiver, *types: str, **more: Any) -> str:
    body = {"url": hook.url, "eventTypes": list(types) or ["*"], **more}
    answer = await gateway.http.post("/api/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    hook.secret = answer.json()["secret"]
    name: str = answer.json()["endpointId"]
    return name


async def deliver(gateway: World) -> None:
    """Until nothing more is tried."""
    dispatcher, stored = gateway.gateway.dispatcher, gateway.webhooks.stored
    before = None
    while before != stored:
        before = dict(stored)
        await dispatcher.turn()
        await dispatcher.idle()


async def fail(gateway: World, number: int, library: str = "lib") -> str:
    accepted = await gateway.upload(PDF + bytes([65 + number]), libraryId=library)
    job_id: str = accepted["jobId"]
    await fail_job(gateway, job_id)
    return job_id


async def fail_job(gateway: World, job_id: str) -> None:
    ticket, job = await gateway.claim(job_id, StepName.EXTRACT), await gateway.job(job_id)
    fault = {"code": "pdf_corrupt", "category": "document", "message": "broken", "retryable": False}
    body = {"phase": "failed", "process": {"id": job.process_id}, "attempt": job.attempt, "error": fault}
    assert (await gateway.callback(job_id, ticket["token"], body)).json()["applied"]


async def log(gateway: World, endpoint: str, **query: str) -> list[dict[str, Any]]:
    answer = await gateway.http.get(f"/api/webhooks/{endpoint}/deliveries", params=query)
    rows: list[dict[str, Any]] = answer.json()["deliveries"]
    return rows


async def test_a_documents_life_is_told_in_order_and_once(gateway: World, hook: Receiver):
    await subscribe(gateway, hook)
    accepted = await gateway.upload(text_pdf(TEXT), libraryId="lib", itemId="item-1", batchId="b-1")
    await Route(gateway).run()
    assert (await gateway.http.delete(f"/api/documents/{accepted['documentId']}")).status_code == 200
    await deliver(gateway)
    assert [message.type for message in hook.taken] == [
        "document.uploaded", "job.completed", "document.processed", "document.deleted",
    ]  # fmt: skip
    assert len({message.webhook_id for message in hook.taken}) == 4
    uploaded, job, processed, deleted = (message.data for message in hook.taken)
    assert {each["documentId"] for each in (uploaded, job, processed, deleted)} == {accepted["documentId"]}
    assert (job["jobId"], job["batchId"], job["error"], job["status"]) == (accepted["jobId"], "b-1", None, "completed")
    assert (processed["jobId"], processed["itemId"], processed["status"]) == (accepted["jobId"], "item-1", "processed")
    assert job["links"] == {
        "job": f"/api/jobs/{accepted['jobId']}", "document": f"/api/documents/{accepted['documentId']}"
    }  # fmt: skip


async def test_a_failure_is_told_with_its_code_and_what_to_do(gateway: World, hook: Receiver):
    await subscribe(gateway, hook, "job.failed", "document.failed", libraryId="lib")
    job_id = await fail(gateway, 0)
    await fail(gateway, 1, "other")
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["job.failed", "document.failed"]
    error = hook.taken[0].data["error"]
    assert (hook.taken[0].data["jobId"], error["code"], error["retryable"]) == (job_id, "pdf_corrupt", False)


async def test_a_new_version_is_an_upload_and_the_same_bytes_are_none(gateway: World, hook: Receiver):
    await subscribe(gateway, hook, "document.uploaded")
    for content in (PDF, PDF, PDF + b"2", PDF):
        accepted = await gateway.upload(content, itemId="item-1", libraryId="lib")
        if not accepted["existing"]:
            await fail_job(gateway, accepted["jobId"])
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["document.uploaded"] * 3


async def test_an_upload_whose_record_was_never_put_is_not_told_and_one_that_was_is(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "document.*")
    accepted = await gateway.upload()
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    recorder = gateway.gateway.recorder
    later = document.created_at + timedelta(seconds=1)
    # Two gateways that die between recording and putting, and right after putting.
    for made_at in (later, document.created_at):
        await recorder.upload(type(document)(**{**as_fields(document), "created_at": made_at, "revision": 7}))
    assert len(await log(gateway, endpoint)) == 3
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["document.uploaded"] * 2
    assert len(await log(gateway, endpoint)) == 2


async def test_an_upload_that_was_looked_for_before_its_record_was_put_is_told_all_the_same(
    gateway: World, hook: Receiver
):
    endpoint = await subscribe(gateway, hook, "document.uploaded")
    put = gateway.documents.put

    async def late(document: Any) -> bool:
        await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": True})  # everything is due now
        await deliver(gateway)
        return await put(document)

    gateway.documents.put = late  # type: ignore[method-assign]
    await gateway.upload()
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["document.uploaded"]


def as_fields(document: Any) -> dict[str, Any]:
    return {name: getattr(document, name) for name in document.__struct_fields__}


async def test_what_was_not_taken_is_tried_again_under_the_same_id_and_in_order(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.*", "document.failed")
    hook.answers = lambda number, message: 500 if number < 2 else 204
    await fail(gateway, 0)
    await deliver(gateway)
    assert [message.type for message in hook.asked] == ["job.failed"] * 3 + ["document.failed"]
    assert len({message.webhook_id for message in hook.asked[:3]}) == 1
    (first,) = [row for row in await log(gateway, endpoint) if row["eventType"] == "job.failed"]
    assert first["state"] == "delivered"
    assert [row["status"] for row in first["attempts"]] == [500, 500, 204]


async def test_what_is_never_taken_is_given_up_and_the_next_one_follows_then(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed", "document.failed")
    hook.answers = lambda number, message: 400 if message.type == "job.failed" else 204
    await fail(gateway, 0)
    await deliver(gateway)
    assert [message.type for message in hook.asked] == ["job.failed"] * 4 + ["document.failed"]
    (failed,) = await log(gateway, endpoint, state="failed")
    assert failed["nextAttemptAt"] is None
    hook.answers = lambda number, message: 204
    again = await gateway.http.post(f"/api/webhooks/{endpoint}/deliveries/{failed['deliveryId']}/replay")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    await deliver(gateway)
    assert hook.taken[-1].webhook_id == failed["deliveryId"]


async def test_metrics_tell_what_waits_for_endpoints_that_are_told(gateway: World, hook: Receiver):
    async def waiting() -> tuple[float, ...]:
        gateway.gateway.gauges._at = float("-inf")
        text = (await gateway.http.get("/metrics")).text
        samples = {
            (each.name, *each.labels.values()): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }
        names = [("pending",), ("oldest_pending_seconds",), ("endpoints", "enabled"), ("endpoints", "disabled")]
        return tuple(samples[f"shadowtwin_webhook_{name}", *labels] for name, *labels in names)

    endpoint = await subscribe(gateway, hook, "job.failed")
    assert await waiting() == (0, 0, 1, 0)
    await fail(gateway, 0)
    gateway.jobs.clock = lambda: datetime.now(UTC) + timedelta(hours=2)
    pending, oldest, *endpoints = await waiting()
    assert (pending, endpoints) == (1, [1, 0])
    assert 7000 < oldest < 7300
    assert (await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": False})).status_code == 200
    assert await waiting() == (0, 0, 0, 1)


async def test_everything_that_was_given_up_since_a_moment_is_replayed(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    hook.answers = lambda number, message: 500
    for number in range(3):
        await fail(gateway, number)
    await deliver(gateway)
    hook.answers = lambda number, message: 200
    first = min(row["createdAt"] for row in await log(gateway, endpoint))
    none = await gateway.http.post(f"/api/webhooks/{endpoint}/replay", json={"since": "2999-01-01T00:00:00Z"})
    assert none.json() == {"replayed": 0}
    answer = await gateway.http.post(f"/api/webhooks/{endpoint}/replay", json={"since": first})
    assert (answer.status_code, answer.json()) == (202, {"replayed": 3})
    await deliver(gateway)
    assert len(hook.taken) == 3
    naive = await gateway.http.post(f"/api/webhooks/{endpoint}/replay", json={"since": "2030-01-01T00:00:00"})
    assert naive.status_code == 400


async def test_a_receiver_that_says_gone_is_disabled_and_told_what_waits_when_enabled(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed", "document.failed")
    hook.answers = lambda number, message: 410
    await fail(gateway, 0)
    await deliver(gateway)
    shown = (await gateway.http.get(f"/api/webhooks/{endpoint}")).json()
    assert (shown["enabled"], shown["disabledReason"], len(hook.asked)) == (False, "gone", 1)
    assert (await gateway.http.post(f"/api/webhooks/{endpoint}/test")).json()["code"] == "conflict"
    await gateway.gateway.watch.look()
    (alert,) = (await gateway.http.get("/api/alerts")).json()["alerts"]
    assert (alert["kind"], alert["subject"], alert["details"]["reason"]) == ("webhook_disabled", endpoint, "gone")
    hook.answers = lambda number, message: 200
    enabled = await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": True})
    assert (enabled.json()["enabled"], enabled.json()["disabledReason"]) == (True, "")
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["document.failed"]
    await gateway.gateway.watch.look()
    assert [row["state"] for row in (await gateway.http.get("/api/alerts")).json()["alerts"]] == ["resolved"]


async def test_an_endpoint_that_fails_for_days_is_disabled_and_misses_nothing(hook: Receiver):
    async with world(webhook_allow=["127.0.0.1"], schedule=QUICK._replace(failing=0.0)) as gateway:
        endpoint = await subscribe(gateway, hook, "job.failed")
        hook.answers = lambda number, message: 500
        await fail(gateway, 0)
        await deliver(gateway)
        shown = (await gateway.http.get(f"/api/webhooks/{endpoint}")).json()
        assert (shown["enabled"], shown["disabledReason"]) == (False, "failing")
        await fail(gateway, 1)
        asked = len(hook.asked)
        await deliver(gateway)
        assert len(hook.asked) == asked
        hook.answers = lambda number, message: 200
        await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": True})
        await deliver(gateway)
        assert len(hook.taken) == 2


async def test_one_that_was_disabled_by_hand_is_told_nothing_of_what_happens_meanwhile(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": False})
    await fail(gateway, 0)
    await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"enabled": True})
    await deliver(gateway)
    assert hook.asked == []


async def test_a_receiver_that_asks_for_quiet_gets_it(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    hook.answers, hook.headers = (lambda number, message: 429), {"Retry-After": "600"}
    await fail(gateway, 0)
    await deliver(gateway)
    await fail(gateway, 1)
    await deliver(gateway)
    assert len(hook.asked) == 1
    shown = (await gateway.http.get(f"/api/webhooks/{endpoint}")).json()
    assert shown["quietUntil"] > shown["failingSince"]


async def test_a_slow_or_dead_receiver_holds_up_nobody_else(gateway: World, hook: Receiver):
    async with receiver() as slow:
        slow.answers = lambda number, message: None
        await subscribe(gateway, slow, "job.failed")
        await subscribe(gateway, hook, "job.failed")
        for number in range(3):
            await fail(gateway, number)
        await gateway.gateway.dispatcher.turn()
        while len(hook.taken) < 3:
            await asyncio.sleep(0.001)
        assert slow.taken == []
        await gateway.gateway.dispatcher.stop()


async def test_redirects_are_not_followed(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    hook.answers, hook.headers = (lambda number, message: 302), {"Location": hook.url}
    await gateway.http.post(f"/api/webhooks/{endpoint}/test")
    await deliver(gateway)
    (row,) = await log(gateway, endpoint)
    assert (row["state"], row["eventType"], len(hook.asked)) == ("failed", "ping", 4)
    assert {(attempt["status"], attempt["error"]) for attempt in row["attempts"]} == {(302, "redirect")}


async def test_a_secret_is_shown_once_and_both_sign_while_it_is_rotated(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    former = hook.secret
    for answer in (
        await gateway.http.get("/api/webhooks"),
        await gateway.http.get(f"/api/webhooks/{endpoint}"),
        await gateway.http.patch(f"/api/webhooks/{endpoint}", json={"description": "x"}),
    ):
        assert "whsec" not in answer.text
    rotated = (await gateway.http.post(f"/api/webhooks/{endpoint}/rotate", json={})).json()
    assert rotated["secret"] != former
    for secret in (former, rotated["secret"]):
        hook.secret = secret
        await gateway.http.post(f"/api/webhooks/{endpoint}/test")
        await deliver(gateway)
    assert [len(each.split(" ")) for each in hook.signatures] == [2, 2]
    own = "whsec_" + "A" * 43 + "="
    body = {"secret": own, "overlapSeconds": 0}
    again = (await gateway.http.post(f"/api/webhooks/{endpoint}/rotate", json=body)).json()
    assert again["secret"] == own
    hook.secret = own
    await gateway.http.post(f"/api/webhooks/{endpoint}/test")
    await deliver(gateway)
    assert len(hook.signatures[-1].split(" ")) == 1


@pytest.mark.parametrize(
    "url",
    """http://10.0.0.1/ http://169.254.169.254/latest http://[::1]/ ftp://127.0.0.1/ http://u:p@127.0.0.1/ nonsense
    http://localhost.invalid/""".split(),
)
async def test_addresses_that_are_not_public_are_refused(gateway: World, url: str):
    answer = await gateway.http.post("/api/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_url_refused")
    assert answer.json()["hint"]
    assert (await gateway.http.get("/api/webhooks")).json() == {"webhooks": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"eventTypes": []}, {"eventTypes": ["job.begun"]}, {"eventTypes": ["jo*"]}, {"eventTypes": ["ping"]},
        {"secret": "whsec_short"}, {"secret": "nothing"}, {"description": "x" * 501}, {"libraryId": "a/b"},
        {"unknown": 1},
    ],
)  # fmt: skip
async def test_what_is_no_endpoint_is_refused(gateway: World, hook: Receiver, wrong: dict[str, Any]):
    answer = await gateway.http.post("/api/webhooks", json={"url": hook.url, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_alerts_are_told_when_they_open_and_when_they_are_over(gateway: World, hook: Receiver):
    await subscribe(gateway, hook, "alert.*")
    cause = Cause(
        kind=AlertKind.BATCH_SILENT, library_id="lib", subject="b-1", message="m", advice="a", count=2, details={}
    )
    book, jobs = gateway.gateway.alerts, gateway.jobs
    for causes in ([cause], [cause], []):
        await book.settle(AlertKind.BATCH_SILENT, causes, await jobs.now())
        await book.tell()
    await book.settle(AlertKind.BATCH_SILENT, [cause], await jobs.now() + timedelta(seconds=1))
    await book.settle(AlertKind.BATCH_SILENT, [], await jobs.now() + timedelta(seconds=2))
    await book.tell()
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["alert.opened", "alert.resolved"] * 2
    assert hook.taken[0].data["libraryId"] == "lib"


async def test_an_end_that_was_not_told_yet_survives_a_requeue_and_a_deletion(gateway: World, hook: Receiver):
    await subscribe(gateway, hook, "job.*")
    gateway.bus.down = True
    accepted = await gateway.upload(libraryId="lib")
    job_id = accepted["jobId"]
    recorder = gateway.gateway.recorder
    told = recorder._webhooks.add
    lost: list[Any] = []

    async def dies(rows: Any) -> None:
        lost.extend(rows)

    recorder._webhooks.add = dies  # type: ignore[method-assign,assignment]
    await fail_job(gateway, job_id)
    assert lost
    recorder._webhooks.add = told  # type: ignore[method-assign]
    assert (await gateway.http.post(f"/api/jobs/{job_id}/requeue", json={})).status_code == 202
    await deliver(gateway)
    assert [message.type for message in hook.taken] == ["job.failed"]


async def test_a_receiver_with_another_secret_verifies_nothing(gateway: World, hook: Receiver):
    endpoint = await subscribe(gateway, hook, "job.failed")
    hook.secret = "whsec_" + "B" * 43 + "="
    await gateway.http.post(f"/api/webhooks/{endpoint}/test")
    await deliver(gateway)
    assert hook.taken == []
    (row,) = await log(gateway, endpoint)
    assert {attempt["status"] for attempt in row["attempts"]} == {500}
