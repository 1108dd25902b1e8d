"""Requeue and cancel: a new run with a new identity, everything finished kept, nothing of the old run counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.job import StepName
from shared.manifest import Outputs
from tests.support.gateway import World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def extracted(gateway: World) -> str:
    """A job whose extract phase is done and delivered."""
    job_id: str = (await gateway.upload())["jobId"]
    ticket = await gateway.claim(job_id)
    outputs = Outputs(gateway.storage, ticket["outputPrefix"])
    await outputs.write("a.en.md", b"--- Seite 1 ---\n\ntext\n", "transcript")
    sealed = await outputs.seal()
    data: dict[str, Any] = {
        "outputs": {role: {"key": a.key, "sha256": a.sha256, "size": a.size} for role, a in sealed.items()},
        "facts": {"madeFrom": "x", "pages": 1},
    }
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "completed", "data": data})
    assert answer.json()["applied"]
    return job_id


async def failed_in_transform(gateway: World) -> tuple[str, dict[str, Any]]:
    job_id = await extracted(gateway)
    ticket = await gateway.claim(job_id, StepName.TRANSFORM)
    await gateway.callback(job_id, ticket["token"], {"phase": "failed", "error": {"code": "worker_failed"}})
    return job_id, ticket


async def requeue(gateway: World, job_id: str, **body: Any) -> Any:
    answer = await gateway.http.post(f"/api/jobs/{job_id}/requeue", json=body)
    await gateway.settle()
    return answer


async def test_a_requeue_gives_a_new_run_and_keeps_logs_and_finished_phases(gateway: World):
    job_id, _ = await failed_in_transform(gateway)
    before = await gateway.job(job_id)
    assert (await requeue(gateway, job_id)).status_code == 202
    after = await gateway.job(job_id)
    assert after.job_id == before.job_id
    assert after.process_id != before.process_id
    assert after.job_secret_hash != before.job_secret_hash
    assert (after.status, after.error, after.attempt) == ("queued", None, 1)
    assert after.created_at == before.created_at
    assert after.logs[: len(before.logs)] == before.logs
    assert [(step.status, step.skipped) for step in after.steps] == [
        ("completed", True), ("completed", True), ("pending", False), ("pending", False),
    ]  # fmt: skip
    assert gateway.bus.told[-1][0] == "pdf.extracted"
    assert gateway.bus.told[-1][1].process_id == after.process_id
    assert [run.process_id for run in after.runs] == [before.process_id]


async def test_the_old_runs_worker_is_refused_after_a_requeue(gateway: World):
    job_id, old = await failed_in_transform(gateway)
    await requeue(gateway, job_id)
    before = await gateway.job(job_id)
    answer = await gateway.callback(job_id, old["token"], {"phase": "completed", "process": {"id": old["processId"]}})
    assert answer.status_code == 401
    new = await gateway.claim(job_id, StepName.TRANSFORM)
    answer = await gateway.callback(job_id, new["token"], {"phase": "running", "process": {"id": old["processId"]}})
    assert answer.json()["applied"] is False
    assert (await gateway.job(job_id)).logs == before.logs


async def test_a_requeue_from_a_phase_starts_there(gateway: World):
    job_id, _ = await failed_in_transform(gateway)
    await requeue(gateway, job_id, **{"from": "extract", "policies": {"extract": "force"}})
    job = await gateway.job(job_id)
    assert {step.status for step in job.steps} == {"pending"}
    assert job.parameters.policies.extract == "force"
    assert gateway.bus.told[-1][0] == "pdf.requested"


async def test_a_requeue_cannot_start_behind_an_unfinished_phase(gateway: World):
    job_id, _ = await failed_in_transform(gateway)
    answer = await requeue(gateway, job_id, **{"from": "ingest"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "earlier_step_unfinished")


async def test_a_living_run_is_not_requeued_unless_forced(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    ticket = await gateway.claim(job_id)
    assert (await requeue(gateway, job_id)).json()["reason"] == "already_started"
    assert (await requeue(gateway, job_id, force=True)).status_code == 202
    answer = await gateway.callback(job_id, ticket["token"], {"phase": "running"})
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [{"from": "nowhere"}, {"colour": 1}, {"policies": {"extract": "x"}}])
async def test_a_wrong_requeue_is_a_400(gateway: World, body: dict[str, Any]):
    job_id, _ = await failed_in_transform(gateway)
    assert (await requeue(gateway, job_id, **body)).status_code == 400


async def test_an_unknown_job_cannot_be_requeued(gateway: World):
    assert (await requeue(gateway, "nobody")).status_code == 404


async def test_a_cancelled_job_stays_cancelled(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    ticket = await gateway.claim(job_id)
    assert (await gateway.http.post(f"/api/jobs/{job_id}/cancel")).status_code == 200
    assert (await gateway.http.get(f"/api/status/{job_id}")).json()["status"] == "cancelled"
    late = await gateway.callback(job_id, ticket["token"], {"phase": "completed", "data": {}})
    assert late.status_code == 401
    job = await gateway.job(job_id)
    assert job.error is not None
    assert (job.status, job.error.code) == ("failed", "cancelled")
    assert (await gateway.http.post(f"/api/jobs/{job_id}/cancel")).status_code == 409
    assert (await requeue(gateway, job_id)).status_code == 202
