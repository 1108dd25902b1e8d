"""The internal token: for the template step of internal jobs, under the same guards as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from services.gateway.secrets import internal_token
from shared.errors import ConfigurationError
from shared.job import Job, StepName, StepStatus
from tests.support.foreign import started
from tests.support.gateway import World, world


def frozen(job: Job) -> bytes:
    return msgspec.json.encode(job)


INTERNAL = "the internal token of this test"


async def internal_job(gateway: World, worker: str = "internal", step: StepName = StepName.TRANSFORM) -> str:
    """A job of which that step runs, its transcript stored."""
    job_id, ticket = await started(gateway)
    if step == StepName.TRANSFORM:
        text = {"phase": "completed", "data": {"extracted_text": "--- Seite 1 ---\ntext"}}
        assert (await gateway.callback(job_id, ticket["token"], text)).json()["applied"]
    job = await gateway.job(job_id)
    steps = [replace(row, status=StepStatus.RUNNING) if row.name == step else row for row in job.steps]
    assert await gateway.jobs.swap(job, replace(job, worker=worker, steps=steps, job_secret_hash=""))
    gateway.gateway.orchestrator.look_again(job_id)
    return job_id


async def internally(gateway: World, job_id: str, token: str = INTERNAL, **changes: Any) -> httpx.Response:
    run = (await gateway.job(job_id)).process_id
    body = {"phase": "template_completed", "process": {"id": run}, **changes}
    answer = await gateway.http.post(f"/api/external/jobs/{job_id}", json=body, headers={"X-Internal-Token": token})
    await gateway.settle()
    return answer


async def test_the_internal_token_ends_the_template_step_of_an_internal_job():
    async with world(internal_token=INTERNAL) as gateway:
        job_id = await internal_job(gateway)
        answer = await internally(gateway, job_id, data={"metadata": {"title": "Otters"}})
        assert (answer.status_code, answer.json()["applied"]) == (200, True)
        job = await gateway.job(job_id)
        assert str(job.step("transform_template").status) == "completed"
        assert gateway.bus.subjects()[-1] == "template.done"
        assert job.cumulative_meta["title"] == "Otters"


async def test_a_template_report_without_metadata_ends_the_step_with_nothing_changed():
    async with world(internal_token=INTERNAL) as gateway:
        job_id = await internal_job(gateway)
        assert (await internally(gateway, job_id)).json()["applied"] is True
        step = (await gateway.job(job_id)).step("transform_template")
        assert (str(step.status), step.skipped, step.reason) == ("completed", True, "no_metadata")
        assert gateway.bus.subjects()[-1] == "template.done"


async def test_the_internal_token_counts_for_no_other_worker_and_no_other_step():
    async with world(internal_token=INTERNAL) as gateway:
        job_id = await internal_job(gateway, worker="secretary")
        assert (await internally(gateway, job_id)).status_code == 401
    async with world(internal_token=INTERNAL) as gateway:
        job_id = await internal_job(gateway, step=StepName.EXTRACT)
        for phase in ("template_completed", "completed", "failed", "running"):
            answer = await internally(gateway, job_id, phase=phase, data={"extracted_text": "x"})
            assert answer.status_code == 401
        assert (await internally(gateway, job_id, step="transform_template")).status_code == 401


@pytest.mark.parametrize(("server", "sent"), [("", ""), ("", INTERNAL), (INTERNAL, ""), (INTERNAL, "wrong")])
async def test_a_wrong_or_unset_internal_token_matches_nothing(server: str, sent: str):
    async with world(internal_token=server) as gateway:
        job_id = await internal_job(gateway)
        before = frozen(await gateway.job(job_id))
        assert (await internally(gateway, job_id, sent)).status_code == 401
        assert frozen(await gateway.job(job_id)) == before


@pytest.mark.parametrize("process", [{}, {"id": ""}, {"id": "stale"}])
async def test_the_internal_token_needs_the_runs_id(process: dict[str, str]):
    async with world(internal_token=INTERNAL) as gateway:
        job_id = await internal_job(gateway)
        before = frozen(await gateway.job(job_id))
        answer = await internally(gateway, job_id, process=process)
        assert (answer.status_code, answer.json()) == (200, {"applied": False, "reason": "stale_process"})
        assert frozen(await gateway.job(job_id)) == before


def test_the_internal_token_is_read_from_a_file(tmp_path: Path):
    file = tmp_path / "token"
    assert internal_token(None) == ""
    for content, token in ((INTERNAL + "\n", INTERNAL), ("\n", "")):
        file.write_text(content)
        assert internal_token(file) == token
    file.write_text("short")
    for path in (file, tmp_path / "missing"):
        with pytest.raises(ConfigurationError, match="SHADOWTWIN_INTERNAL_TOKEN_FILE"):
            internal_token(path)
