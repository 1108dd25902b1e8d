"""While a model endpoint rests, a worker gives its step back: no attempt is spent, and the job goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_limits import MemoryLanes, ModelLimits
from shared.adapters.openai_models import OpenAIModels
from shared.gates import Verdict
from shared.job import Job, StepName
from shared.models import DataBlock, ModelRequest, Models
from shared.phase import Phase, Report
from shared.ticket import Outcome, Ticket
from tests.support.gateway import World, world
from tests.support.model_server import ModelServer
from tests.support.pdfs import long_pdf
from tests.support.phases import Route, real_phases

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


class Asking:
    """A phase that needs two answers of a model, at the same time, before its own work."""

    def __init__(self, phase: Phase, models: Models) -> None:
        self._phase, self._models, self.step = phase, models, phase.step

    async def gate(self, ticket: Ticket) -> Verdict:
        return await self._phase.gate(ticket)

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        async with asyncio.TaskGroup() as group:
            for page in ("page 1", "page 2"):
                request = ModelRequest(
                    purpose="metadata", instructions="Title?", data=[DataBlock(page, "x")], schema=SCHEMA
                )
                group.create_task(self._models.ask(request, report.account))
        return await self._phase.work(ticket, report)


class Scene:
    """A gateway, workers, and a model server that can go away."""

    def __init__(self, made: World, server: ModelServer, pdf: bytes) -> None:
        self.world, self.server, self.pdf = made, server, pdf
        endpoint = ModelEndpoint(
            base_url=server.url + "/v1",
            api_key="k",
            model="gpt-4o-mini",
            failures_to_open=2,
            open_seconds=0.3,
            open_seconds_most=0.3,
        )
        self.models = OpenAIModels(endpoint, ModelLimits(MemoryLanes(), patience=0.0), made.storage)
        phases: dict[StepName, Any] = dict(real_phases(made))
        phases[StepName.TRANSFORM] = Asking(phases[StepName.TRANSFORM], self.models)
        self.route = Route(made, phases)

    async def until(self, job_id: str, condition: Any) -> Job:
        async with asyncio.timeout(60):
            while True:
                await self.route.run()
                job = await self.world.job(job_id)
                if condition(job):
                    return job
                await asyncio.sleep(0.02)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with ModelServer(latency={"*": 0.01}) as server, world(max_attempts=3) as made:
        scene = Scene(made, server, long_pdf(tmp_path / "a.pdf", 2).read_bytes())
        yield scene
        await scene.models.close()


def pauses(job: Job) -> list[dict[str, Any]]:
    return [entry for entry in job.logs if entry["phase"] == "model_paused"]


async def test_a_job_outlives_any_number_of_pauses_and_says_so(scene: Scene) -> None:
    scene.server.fail(status=503, times=10_000)
    job_id = (await scene.world.upload(scene.pdf))["jobId"]
    job = await scene.until(job_id, lambda job: len(pauses(job)) >= 5)
    assert (job.status, job.losses) == ("running", 0)
    assert job.attempt >= 5
    entry = pauses(job)[-1]
    assert scene.server.url in entry["endpoint"]
    assert "HTTP 503" in entry["reason"]
    assert datetime.fromisoformat(entry["until"])
    diagnosis = (await scene.world.http.get(f"/api/jobs/{job_id}/diagnosis")).json()
    assert diagnosis["stuck"] is False
    scene.server.faults.clear()
    job = await scene.until(job_id, lambda job: not job.open)
    assert (job.status, job.losses) == ("completed", 0)
    assert [(row.step, row.purpose, row.calls) for row in job.costs] == [("transform_template", "metadata", 2)]
    assert scene.server.repeated == 0


async def test_the_event_is_not_told_before_the_endpoint_may_be_tried(scene: Scene) -> None:
    scene.server.fail(status=429, retry_after="3000")
    job_id = (await scene.world.upload(scene.pdf))["jobId"]
    job = await scene.until(job_id, pauses)
    (entry,) = job.outbox
    assert 2_900 < (entry.at - await scene.world.jobs.now()).total_seconds() < 4_000
    told = scene.world.bus.subjects()
    await scene.world.sweep()
    await scene.world.settle()
    assert scene.world.bus.subjects() == told
    diagnosis = (await scene.world.http.get(f"/api/jobs/{job_id}/diagnosis")).json()
    assert (diagnosis["code"], diagnosis["stuck"]) == ("waiting_for_model", False)


async def test_a_worker_cannot_put_its_job_to_sleep_for_ever(scene: Scene) -> None:
    job_id = (await scene.world.upload())["jobId"]
    token = (await scene.world.claim(job_id))["token"]
    body = {"phase": "released", "retry_after": 1e12}
    assert (await scene.world.callback(job_id, token, body)).json()["applied"]
    (entry,) = (await scene.world.job(job_id)).outbox
    assert (entry.at - await scene.world.jobs.now()).total_seconds() <= 3_600


async def test_a_job_stops_before_its_budget_is_exceeded_and_says_what_to_do(scene: Scene) -> None:
    form = {"parameters": '{"budgetUsd": 0.000001}'}
    job_id = (await scene.world.upload(scene.pdf, **form))["jobId"]
    job = await scene.until(job_id, lambda job: not job.open)
    assert job.error is not None
    assert (job.status, job.error.code, job.error.category) == ("failed", "budget_exceeded", "budget")
    assert "budgetUsd" in job.error.hint
    assert scene.server.asked == []
    assert job.costs == []


async def test_a_requeue_pays_nothing_for_what_was_answered(scene: Scene) -> None:
    job_id = (await scene.world.upload(scene.pdf))["jobId"]
    await scene.until(job_id, lambda job: not job.open)
    asked = len(scene.server.asked)
    body = {"from": "transform", "policies": {"metadata": "force"}, "force": True}
    answer = await scene.world.http.post(f"/api/jobs/{job_id}/requeue", json=body)
    assert answer.status_code == 202, answer.text
    await scene.world.settle()
    job = await scene.until(job_id, lambda job: not job.open)
    assert job.status == "completed"
    assert len(scene.server.asked) == asked
    assert job.costs[0].calls == 2
