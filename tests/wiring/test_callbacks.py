"""The callback door: secret, run, terminal state, in this order; a refused report changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.job import Job, StepName
from tests.support.foreign import started
from tests.support.gateway import SERVICE_TOKENS, World, bearer, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_attempts=3) as made:
        yield made


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


@pytest.mark.parametrize("place", ["bearer", "header", "service", "body"])
async def test_the_secret_may_come_in_four_places(gateway: World, place: str):
    job_id, ticket = await started(gateway)
    token = ticket["token"].encode()
    places = {
        "bearer": bearer(ticket["token"]),
        "header": {b"X-Callback-Token": token},
        "service": {b"X-Service-Token": token},
    }
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


async def test_a_right_secret_counts_beside_a_credential_for_something_else(gateway: World):
    job_id, ticket = await started(gateway)
    body = {"phase": "running", "progress": 10, "callback_token": ticket["token"]}
    answer = await gateway.http.post(f"/api/external/jobs/{job_id}", json=body, headers=bearer("a proxy's own"))
    assert answer.json()["applied"] is True


@pytest.mark.parametrize("manifest", [None, "runs/else/manifest.json", "../manifest.json"])
async def test_a_settlement_must_name_a_manifest_of_its_own_attempt(gateway: World, manifest: str | None):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    outputs = {"manifest": {"key": manifest, "sha256": "0" * 64, "size": 1}} if manifest else {}
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "completed", "data": {"outputs": outputs}})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert frozen(await gateway.job(job_id)) == before


@pytest.mark.parametrize("data", [{"outputs": 3}, {"outputs": {}, "facts": []}, {"outputs": {}, "counts": {"a": "b"}}])
async def test_a_final_report_with_other_types_is_a_400_and_changes_nothing(gateway: World, data: dict[str, Any]):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "completed", "data": data})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert frozen(await gateway.job(job_id)) == before


async def test_a_malformed_body_without_the_secret_is_a_401_like_any_other(gateway: World):
    job_id, _ = await started(gateway)
    answers = [
        await gateway.http.post(f"/api/external/jobs/{job_id}", content=body, headers=bearer("wrong"))
        for body in ("{", "[]", '{"phase": 3}', '{"phase": "running"}')
    ]
    assert {(a.status_code, a.content) for a in answers} == {(401, answers[0].content)}


async def test_no_worker_settles_the_gateways_own_step(gateway: World):
    job_id, ticket = await started(gateway)
    body = {"phase": "completed", "step": "store_shadow_twin", "data": {"skipped": True}}
    assert (await gateway.callback(job_id, ticket["token"], body)).status_code == 400


async def test_a_failure_that_names_a_step_nobody_works_on_changes_nothing(gateway: World):
    job_id, ticket = await started(gateway)
    before = frozen(await gateway.job(job_id))
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "error", "step": "ingest_rag"})
    assert answer.json() == {"applied": False, "reason": "not_running"}
    assert frozen(await gateway.job(job_id)) == before


async def test_a_log_entry_cannot_say_its_own_number_time_or_run(gateway: World):
    job_id, ticket = await started(gateway)
    forged = {"phase": "x\x00y", "message": "m" * 9000, "seq": -1, "timestamp": "never", "run": "r", "big": "b" * 9000}
    await gateway.callback(job_id, ticket["token"], {"phase": "running", "logs": [forged, {"n": "x"}]})
    job = await gateway.job(job_id)
    first, second = job.logs[-2:]
    assert (first["seq"], first["run"], first["phase"], len(first["message"])) == (4, job.process_id, "x y", 2000)
    assert "big" not in first
    assert first["timestamp"] == second["timestamp"] == job.updated_at
    assert second["phase"] == "running"


@pytest.mark.parametrize(("sent", "logged"), [(140, 100), (-5, 0), (1e300, 100), (33.3, 33.3)])
async def test_progress_is_clamped(gateway: World, sent: float, logged: float):
    job_id, ticket = await started(gateway)
    await gateway.callback(job_id, ticket["token"], {"phase": "running", "progress": sent})
    assert (await gateway.job(job_id)).logs[-1]["progress"] == logged


async def test_shown_progress_never_goes_back_but_every_mark_is_logged(gateway: World):
    job_id, ticket = await started(gateway)
    logged = len((await gateway.job(job_id)).logs)
    shown = []
    for progress in (10, 30, 60, 75, 60, 85, 90):
        await gateway.callback(job_id, ticket["token"], {"phase": "running", "progress": progress})
        now = (await gateway.job(job_id)).progress
        assert now is not None
        shown.append(now.percent)
    await gateway.callback(job_id, ticket["token"], {"phase": "postprocessing", "progress": 95})
    assert shown == sorted(shown)
    assert [entry["progress"] for entry in (await gateway.job(job_id)).logs[logged:]] == [
        10,
        30,
        60,
        75,
        60,
        85,
        90,
        95,
    ]


async def test_page_progress_is_logged_once_a_second_and_always_shown(gateway: World):
    job_id, ticket = await started(gateway)
    start = gateway.jobs.clock() + timedelta(hours=1)
    for n in range(40):
        gateway.jobs.clock = lambda n=n: start + timedelta(milliseconds=100 * n)  # type: ignore[misc]
        report = {
            "phase": "running",
            "progress": 31 + n / 10,
            "message": f"page {n}",
            "pages_done": n,
            "pages_total": 40,
        }
        await gateway.callback(job_id, ticket["token"], report)
        if n == 15:
            await gateway.callback(job_id, ticket["token"], {"phase": "running", "progress": 60, "message": "a mark"})
    job = await gateway.job(job_id)
    said = [entry["message"] for entry in job.logs if entry["message"].startswith(("page", "a mark"))]
    assert said == ["page 0", "page 10", "a mark", "page 20", "page 30"]
    assert job.progress is not None
    assert job.progress.pages_done == 15
