"""Conformance table `requeue`: the real routes, sweeper and transitions; limits are passed in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shared import twin
from shared.job import Job, JobStatus, StepName, StepStatus, utc_now
from shared.ports import JobStore
from tests.conformance.jobs import failed_in, failed_with, log_entries, steps_of, store_job
from tests.conformance.table import agree, known, one_of, rows, rule_of
from tests.contract.conftest import Stores
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf
from tests.support.phases import Route
from tests.support.records import make_job

ATTEMPTS = 3
STATUS_WAITS_OTHERWISE = 10
OTHERWISE = {"requeue-d020": STATUS_WAITS_OTHERWISE, "requeue-d021": STATUS_WAITS_OTHERWISE}

GIVEN_UP = {"reaper_30min": "stale_running_reaped", "dispatch_attempts_max_3": "worker_start_giveup"}
"""The origin has two mechanisms with a code each for what is one thing with us, `attempts_exhausted`."""

Start = Callable[..., contextlib.AbstractAsyncContextManager[World]]


def starting(stores: Stores) -> Start:
    """Makes the world on these stores, with the row's limits."""

    @contextlib.asynccontextmanager
    async def started(
        wrapped: Callable[[JobStore], JobStore] = lambda jobs: jobs, **settings: Any
    ) -> AsyncIterator[World]:
        async with world(jobs=wrapped(stores.jobs), documents=stores.documents, **settings) as made:
            yield made

    return started


async def requeue(gateway: World, job_id: str, **body: Any) -> Any:
    answer = await gateway.http.post(f"/api/jobs/{job_id}/requeue", json=body)
    await gateway.settle()
    return answer


async def new_identity(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "job")
    known(given["job"], "status", "failed_step", "logs")
    one_of(["failed"], given["job"]["status"])
    async with start() as gateway:
        before = await store_job(
            gateway, "1", secret="old", silent=60, **failed_in(given["job"]["failed_step"]), **some_logs(given)
        )
        assert (await requeue(gateway, before.job_id)).status_code == 202
        after = await gateway.job(before.job_id)
    assert before.error is not None
    return {
        "jobId_same": after.job_id == before.job_id,
        "jobSecretHash_changed": after.job_secret_hash != before.job_secret_hash,
        "processId_changed": after.process_id != before.process_id,
        "status_in": str(after.status),
        "error_cleared": after.error is None,
        "logs_kept": after.logs[: len(before.logs)] == before.logs and len(before.logs) == given["job"]["logs"],
        "createdAt_same": after.created_at == before.created_at,
        "updatedAt_newer": after.updated_at > before.updated_at,
    }


def some_logs(given: dict[str, Any]) -> dict[str, Any]:
    return log_entries(make_job("1", created_at=utc_now()), given["job"]["logs"])


async def steps_reset(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "job", "policies")
    known(given["job"], "status", "steps")
    one_of(["failed"], given["job"]["status"])
    async with start() as gateway:
        before = await store_job(gateway, "1", silent=60, **failed_with(given["job"]["steps"]))
        assert (await requeue(gateway, before.job_id, policies=given["policies"])).status_code == 202
        after = await gateway.job(before.job_id)
    again = [str(step.name) for step in after.steps if step.status == StepStatus.PENDING]
    return {"rerun": again, **{str(step.name): msgspec.to_builtins(step) for step in after.steps}}


async def event_after_requeue(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "event")
    known(given["event"], "secret", "processId", "phase")
    async with start() as gateway:
        old = await store_job(gateway, "1", secret="the old one", silent=60, **failed_in("extract_pdf"))
        await requeue(gateway, old.job_id)
        ticket = await gateway.claim(old.job_id)
        secrets = {"old": "the old one", "new": ticket["token"]}
        runs = {"old": old.process_id, "new": ticket["processId"]}
        before = await gateway.job(old.job_id)
        body = {"phase": given["event"]["phase"], "process": {"id": runs[given["event"]["processId"]]}}
        answer = await gateway.callback(old.job_id, secrets[given["event"]["secret"]], body)
        applied = await gateway.job(old.job_id) != before
    return {"http": answer.status_code, "applied": applied}


async def save_again(start: Start, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    known(given, "requeue_then_save", "name")
    async with start() as gateway:
        pdf = long_pdf(folder / "a.pdf", 1).read_bytes()
        job_id = (await gateway.upload(pdf, given["name"]))["jobId"]
        route = Route(gateway)
        await route.run()
        first = await gateway.job(job_id)
        if given["requeue_then_save"]:
            forced = {"extract": "force", "metadata": "force", "ingest": "force"}
            await requeue(gateway, job_id, **{"from": "extract"}, policies=forced)
            await route.run()
        again = await gateway.job(job_id)
        home = twin.folder(again.library_id, again.document_id)
        names = [key.removeprefix(f"{home}/") async for key in gateway.storage.keys(home)]
    assert (first.status, again.status) == (JobStatus.COMPLETED, JobStatus.COMPLETED)
    assert first.result is not None
    assert again.result is not None
    kinds = [made.kind for name in names if (made := twin.parse_artefact_name(name, given["name"]))]
    return {
        "result.savedItemId_same": first.result.saved_item_id == again.result.saved_item_id,
        "twin_files": max(kinds.count(kind) for kind in kinds),
    }


async def requeue_running(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "job")
    known(given["job"], "status", "last_ack_age_s")
    answer = await ask_to_start(start, given["job"]["status"], given["job"]["last_ack_age_s"])
    return {"refused": answer.status_code == 409, "reason": answer.json().get("reason")}


async def may_start(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "status", "newest_worker_ack_age_s")
    answer = await ask_to_start(start, given["status"], given["newest_worker_ack_age_s"])
    return {"can_start": answer.status_code == 202}


async def ask_to_start(start: Start, status: str, heard: float | None) -> Any:
    states = {"running": {"extract_pdf": "running"}, "failed": {"extract_pdf": "failed"}, "queued": {}}
    async with start() as gateway:
        fields: dict[str, Any] = {"status": JobStatus(status), "steps": steps_of(states[status])}
        job = await store_job(gateway, "1", silent=heard or 0, **fields)
        assert (job.lease is None) == (heard is None or status != "running"), "no worker was heard of"
        return await requeue(gateway, job.job_id)


async def requeue_unknown(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "job")
    assert given["job"] is None
    async with start() as gateway:
        return {"http": (await requeue(gateway, "nobody")).status_code}


async def reaper(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "status", "updated_age_s", "max_age_s")
    async with start(lease_seconds=given["max_age_s"], max_attempts=ATTEMPTS) as gateway:
        before = await store_job(gateway, "1", silent=given["updated_age_s"], **held(given["status"], ATTEMPTS))
        await gateway.sweep()
        after = await gateway.job(before.job_id)
    return told(after, "reaper_30min") | {"reaped": after.status != before.status, "status_after": str(after.status)}


async def dispatches(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "attempt")
    async with start(lease_seconds=10, max_attempts=ATTEMPTS) as gateway:
        before = await store_job(gateway, "1", silent=60, **held("running", given["attempt"]))
        await gateway.sweep()
        after = await gateway.job(before.job_id)
    return told(after, "dispatch_attempts_max_3") | {"status": str(after.status)}


def held(status: str, attempt: int) -> dict[str, Any]:
    """Fields of a job in that state; a running one is in its extract phase, all attempts before this one were lost."""
    done = {"completed": "completed", "running": "running", "queued": "pending"}[status]
    names = [str(name) for name in StepName]
    states = dict.fromkeys(names if status == "completed" else names[:1], done)
    return {"status": JobStatus(status), "attempt": attempt, "losses": attempt - 1, "steps": steps_of(states)}


def told(job: Job, rule: str) -> dict[str, Any]:
    code = job.error.code if job.error else None
    return {"error_code": {"attempts_exhausted": GIVEN_UP[rule]}.get(code or "", code)}


class FinishingBetween:
    """The store of a sweeper that is slow: jobs end between its look at them and its decision."""

    def __init__(self, jobs: JobStore, finishing: list[str]) -> None:
        self._jobs, self._finishing = jobs, finishing
        self.selected: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def due(self, **limits: Any) -> list[Job]:
        found = await self._jobs.due(**limits)
        self.selected = sorted(job.job_id for job in found)
        for job_id in self._finishing:
            job = await self._jobs.get(job_id)
            assert job is not None
            assert await self._jobs.swap(job, replace(job, status=JobStatus.COMPLETED, lease=None))
        return found


async def reaper_race(start: Start, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "selected", "finished_between")
    finishing = [f"job-{name}" for name in given["finished_between"]]
    stores: list[FinishingBetween] = []

    def slow(jobs: JobStore) -> Any:
        stores.append(FinishingBetween(jobs, finishing))
        return stores[0]

    async with start(slow, lease_seconds=10, max_attempts=ATTEMPTS) as gateway:
        for name in given["selected"]:
            await store_job(gateway, name, silent=60, **held("running", ATTEMPTS))
        await gateway.sweep()
        after = {name: await gateway.job(f"job-{name}") for name in given["selected"]}
    assert stores[0].selected == sorted(f"job-{name}" for name in given["selected"])
    return {"reaped_ids": [name for name, job in after.items() if job.status == JobStatus.FAILED]}


RULES: dict[str, Callable[[Start, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "new_identity": new_identity,
    "steps_reset": steps_reset,
    "old_secret_after_requeue": event_after_requeue,
    "old_process_new_secret": event_after_requeue,
    "requeue_running_job": requeue_running,
    "requeue_unknown": requeue_unknown,
    "may_start": may_start,
    "reaper_30min": reaper,
    "reaper_race": reaper_race,
    "dispatch_attempts_max_3": dispatches,
}


async def check(row: dict[str, Any], stores: Stores, folder: Path) -> None:
    """One row against a fresh world on these stores."""

    async def saved(start: Start, given: dict[str, Any]) -> dict[str, Any]:
        return await save_again(start, given, folder)

    rule = rule_of(row, RULES | {"same_twin_same_id": saved})
    agree(await rule(starting(stores), row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("requeue", OTHERWISE))
async def test_requeue(row: dict[str, Any], stores: Stores, tmp_path: Path):
    await check(row, stores, tmp_path)
