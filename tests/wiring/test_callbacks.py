"""The callback door: secret, run, terminal state, in this order; a refused report changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from shared.job import Job, StepName
from tests.support.gateway import SERVICE_TOKENS, World, bearer, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def started(gateway: World) -> tuple[str, dict[str, Any]]:
    accepted = await gateway.upload()
    return accepted["jobId"], await gateway.claim(accepted["jobId"])


def frozen(job: Job) -> bytes:
    return msgspec.json.encode(job)


async def test_progress_with_the_right_secret_is_logged(gateway: World):
    job_id, ticket = await started(gateway)
    report = {"phase": "running", "progress": 30, "message": "half way", "process": {"id": ticket["processId"]}}
    answer = await gateway.callback(job_id, ticket["token"], report)
    assert (answer.status_code, answer.json()["applied"]) == (200, True)
    last = (await gateway.job(job_id)).logs[-1]
    assert (last["phase"], last["progress"], last["message"]) == ("running", 30, "half way")


@pytest.mark.parametrize("token", ["wrong", "", None, SERVICE_TOKENS["extractor"], "\u00fc"])
@pytest.mark.parametrize("process", ["current", "stale"])
async def test_a_wrong_secret_is_401_and_leaves_the_document_byte_identical(gateway: World, token, process):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    run = ticket["processId"] if process == "current" else "another"
    answer = await gateway.callback(job_id, token, {"phase": "failed", "process": {"id": run}})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert frozen(await gateway.job(job_id)) == before


async def test_refusals_are_identical_whatever_was_wrong(gateway: World):
    job_id, ticket = await started(gateway)
    answers = [
        await gateway.callback(job_id, "wrong", {"phase": "running", "process": {"id": ticket["processId"]}}),
        await gateway.callback(job_id, "wrong", {"phase": "completed", "process": {"id": "stale"}}),
        await gateway.callback(job_id, None, {"phase": "running"}),
    ]
    assert len({(a.status_code, a.content) for a in answers}) == 1


async def test_a_secret_of_another_job_opens_nothing(gateway: World):
    _first, ticket = await started(gateway)
    second = (await gateway.upload(b"%PDF-1.4 other"))["jobId"]
    await gateway.claim(second)
    answer = await gateway.callback(second, ticket["token"], {"phase": "completed"})
    assert answer.status_code == 401


async def test_a_stale_run_is_ignored(gateway: World):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "failed", "process": {"id": "stale"}})
    assert (answer.status_code, answer.json()["applied"]) == (200, False)
    assert frozen(await gateway.job(job_id)) == before


async def test_nothing_is_applied_after_a_failure(gateway: World):
    job_id, ticket = await started(gateway)
    failed = {"phase": "failed", "message": "refused", "error": {"code": "pdf_corrupt", "message": "broken"}}
    assert (await gateway.callback(job_id, ticket["token"], failed)).json()["applied"]
    for body in ({"phase": "running", "progress": 75}, {"phase": "completed", "data": {}}):
        answer = await gateway.callback(job_id, ticket["token"], body)
        assert (answer.status_code, answer.json()["applied"]) == (200, False)
    job = await gateway.job(job_id)
    assert (job.status, job.step("extract_pdf").status) == ("failed", "failed")
    assert job.error is not None
    assert job.error.code == "pdf_corrupt"
    assert gateway.bus.subjects() == ["pdf.requested", "job.failed"]


async def test_an_unknown_job_is_404_even_without_a_secret(gateway: World):
    assert (await gateway.callback("nobody", None, {"phase": "running"})).status_code == 404


@pytest.mark.parametrize("place", ["bearer", "header", "body"])
async def test_the_secret_may_come_in_three_places(gateway: World, place: str):
    job_id, ticket = await started(gateway)
    places = {"bearer": bearer(ticket["token"]), "header": {b"X-Callback-Token": ticket["token"].encode()}}
    headers = places.get(place, {})
    body = {"phase": "running", "progress": 10} | ({"callback_token": ticket["token"]} if place == "body" else {})
    answer = await gateway.http.post(f"/api/external/jobs/{job_id}", json=body, headers=headers)
    assert answer.json()["applied"] is True


async def test_a_retryable_failure_starts_the_step_again_later_and_the_last_one_fails_the_job(gateway: World):
    job_id, ticket = await started(gateway)
    away = {"phase": "failed", "error": {"code": "unavailable", "message": "away", "retryable": True}}
    for attempt in (1, 2):
        await gateway.callback(job_id, ticket["token"], away)
        job = await gateway.job(job_id)
        assert (job.status, job.attempt) == ("running", attempt + 1)
        assert job.outbox[0].at > job.updated_at
        ticket = await gateway.claim(job_id)
    await gateway.callback(job_id, ticket["token"], away)
    assert (await gateway.job(job_id)).status == "failed"


async def test_a_heartbeat_needs_the_attempts_own_token(gateway: World):
    job_id, ticket = await started(gateway)
    body = {"processId": ticket["processId"], "attempt": 1}
    path = f"/api/internal/jobs/{job_id}/heartbeat"
    assert (await gateway.http.post(path, json=body, headers=bearer(ticket["token"]))).status_code == 200
    assert (await gateway.http.post(path, json=body, headers=bearer("wrong"))).status_code == 401
    stale = {**body, "attempt": 2}
    assert (await gateway.http.post(path, json=stale, headers=bearer(ticket["token"]))).status_code == 409


async def test_a_service_opens_only_its_own_phase(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    job = await gateway.job(job_id)
    body = {"processId": job.process_id, "attempt": 1, "step": StepName.EXTRACT, "owner": "w"}
    for token in (SERVICE_TOKENS["ingestor"], "wrong", ""):
        answer = await gateway.http.post(f"/api/internal/jobs/{job_id}/claim", json=body, headers=bearer(token))
        assert answer.status_code == 401


async def test_the_api_shows_no_secret_and_not_even_its_hash(gateway: World):
    job_id, ticket = await started(gateway)
    shown = (await gateway.http.get(f"/api/jobs/{job_id}")).text + (await gateway.http.get("/api/jobs")).text
    job = await gateway.job(job_id)
    assert ticket["token"] not in shown
    assert job.job_secret_hash not in shown
    assert ticket["token"] not in frozen(job).decode()


@pytest.mark.parametrize("body", ["[]", "{", "\x00", '{"progress": "x"}', '{"phase": 3}', '{"data": []}'])
async def test_a_malformed_report_is_a_400_and_changes_nothing(gateway: World, body: str):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    answer = await gateway.http.post(f"/api/external/jobs/{job_id}", content=body, headers=bearer(ticket["token"]))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert frozen(await gateway.job(job_id)) == before


async def test_a_settlement_that_names_no_manifest_fails_the_delivery_not_the_gateway(gateway: World):
    job_id, ticket = await started(gateway)
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "completed", "data": {"facts": {}}})
    assert answer.status_code in (200, 400)
    assert (await gateway.job(job_id)).status in ("failed", "running")
