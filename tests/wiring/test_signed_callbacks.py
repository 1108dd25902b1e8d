"""Signed callbacks, and the audit log of the refused ones."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from services.gateway.audit import AuditLog
from services.gateway.secrets import hash_of
from services.gateway.signatures import sign
from shared.job import Job
from tests.support.foreign import started
from tests.support.gateway import World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_attempts=3) as made:
        yield made


def frozen(job: Job) -> bytes:
    return msgspec.json.encode(job)


async def signed(
    gateway: World, job_id: str, token: str, body: dict[str, Any], message_id: str = "msg_1", **changes: Any
) -> httpx.Response:
    content = json.dumps(body).encode()
    at = int(gateway.jobs.clock().timestamp()) + changes.get("late", 0)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(hash_of(token), message_id, at, content),
        **changes.get("headers", {}),
    }
    path = f"/api/external/jobs/{job_id}"
    answer = await gateway.http.post(path, content=changes.get("content", content), headers=headers)
    await gateway.settle()
    return answer


async def test_a_signature_over_the_raw_body_stands_for_the_secret(gateway: World):
    job_id, ticket = await started(gateway)
    answer = await signed(gateway, job_id, ticket["token"], {"phase": "running", "progress": 30})
    assert (answer.status_code, answer.json()["applied"]) == (200, True)
    assert len((await gateway.job(job_id)).callback_ids) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"content": b'{"phase": "running", "progress": 31}'},
        {"content": b'{"phase": "running", "progress": 30} '},
        {"content": b"{"},
        {"headers": {"webhook-id": "msg_2"}},
        {"headers": {"webhook-signature": "v1,AAAA"}},
        {"headers": {"webhook-signature": ""}},
        {"late": -301},
        {"late": 301},
    ],
)
async def test_a_tampered_or_old_signature_is_a_401_even_beside_the_right_secret(gateway: World, changes: Any):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    changes["headers"] = {"authorization": f"Bearer {ticket['token']}", **changes.get("headers", {})}
    answer = await signed(gateway, job_id, ticket["token"], {"phase": "running", "progress": 30}, **changes)
    assert answer.status_code == 401
    assert frozen(await gateway.job(job_id)) == before


async def test_a_signed_callback_replayed_100_times_is_applied_once(gateway: World):
    job_id, ticket = await started(gateway)
    report = {"phase": "running", "progress": 30, "message": "once"}
    answers = await asyncio.gather(*[signed(gateway, job_id, ticket["token"], report) for _ in range(50)])
    answers += [await signed(gateway, job_id, ticket["token"], report) for _ in range(50)]
    assert sum(answer.json()["applied"] for answer in answers) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert sum(entry["message"] == "once" for entry in (await gateway.job(job_id)).logs) == 1


async def test_a_signature_of_a_former_attempt_is_a_401(gateway: World):
    job_id, ticket = await started(gateway)
    away = {"phase": "failed", "error": {"code": "unavailable", "message": "away", "retryable": True}}
    assert (await signed(gateway, job_id, ticket["token"], away)).json()["applied"] is True
    assert (await signed(gateway, job_id, ticket["token"], {"phase": "running"}, "msg_2")).status_code == 401
    renewed = await gateway.claim(job_id)
    assert (await gateway.job(job_id)).callback_ids == []
    assert (await signed(gateway, job_id, ticket["token"], {"phase": "running"}, "msg_3")).status_code == 401
    assert (await signed(gateway, job_id, renewed["token"], {"phase": "running"}, "msg_3")).json()["applied"] is True


async def test_a_signed_final_report_of_a_foreign_worker_is_applied_once(gateway: World):
    job_id, ticket = await started(gateway)
    report = {"phase": "completed", "data": {"extracted_text": "text"}}
    applied = [(await signed(gateway, job_id, ticket["token"], report)).json()["applied"] for _ in range(5)]
    assert applied == [True, False, False, False, False]
    assert gateway.bus.subjects() == ["pdf.requested", "pdf.extracted"]


async def test_a_refusal_goes_to_the_audit_log_once_for_each_job_and_address(
    gateway: World, caplog: pytest.LogCaptureFixture
):
    job_id, ticket = await started(gateway)
    with caplog.at_level(logging.WARNING, "audit"):
        for _ in range(20):
            await gateway.callback(job_id, "wrong-" + ticket["token"], {"phase": "running"})
    [entry] = gateway.gateway.audit.entries
    assert (entry.action, entry.job, entry.credential) == ("unauthorized_callback", job_id, "token")
    assert [vars(record)["action"] for record in caplog.records if record.name == "audit"] == ["unauthorized_callback"]
    said = caplog.text + repr(gateway.gateway.audit.entries) + repr([vars(record) for record in caplog.records])
    hashed = hash_of(ticket["token"])
    assert not any(part in said for part in (ticket["token"][:8], hashed[:8], hash_of("wrong-" + ticket["token"])[:8]))


async def test_what_is_refused_after_the_secret_is_no_matter_for_the_audit_log(gateway: World):
    job_id, ticket = await started(gateway)
    await gateway.callback(job_id, ticket["token"], {"phase": "running", "process": {"id": "stale"}})
    await gateway.callback("nobody", "wrong", {"phase": "running"})
    assert gateway.gateway.audit.entries == ()


def test_the_audit_log_counts_what_it_keeps_quiet_about():
    now = [0.0]
    audit = AuditLog(lambda: now[0])
    for source in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.1"):
        audit.refused("a", source, "token")
    audit.refused("b", "192.0.2.1", "none")
    now[0] = 11.0
    audit.refused("a", "192.0.2.1", "token")
    assert [(e.job, e.source, e.suppressed) for e in audit.entries] == [
        ("a", "192.0.2.1", 0),
        ("a", "192.0.2.2", 0),
        ("a", "2001:db8::1", 0),
        ("b", "192.0.2.1", 0),
        ("a", "192.0.2.1", 2),
    ]
