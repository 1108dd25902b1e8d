"""Jobs in the states that rows describe, put into the real store, and what can be seen of the world afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from services.gateway.secrets import hash_of
from shared.document import document_id_for
from shared.edits import logged, new_steps
from shared.errors import ShadowtwinError
from shared.events import Event
from shared.job import Artefact, Job, JobError, JobStatus, Lease, Step, StepName, StepStatus
from shared.ports import VectorRow
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import MemoryVectors
from tests.support.gateway import PDF, RecordingBus, World
from tests.support.records import make_document, make_job


class Happenings(list[str]):
    """What was done outside the job document, in order and in the rows' words; a repetition is noted once."""

    def note(self, what: str) -> None:
        if not self or self[-1] != what:
            self.append(what)


class WatchedStorage(MemoryStorage):
    """Notes when a twin appears under its stable name; `broken` refuses every file that ends like this."""

    def __init__(self, happenings: Happenings) -> None:
        super().__init__()
        self._happenings = happenings
        self.broken = ""

    async def write(self, key: str, content: Any) -> Artefact:
        self._look(key)
        return await super().write(key, content)

    async def copy(self, source: str, target: str) -> None:
        self._look(target)
        await super().copy(source, target)

    def _look(self, key: str) -> None:
        if "/runs/" in key or not key.endswith(".md"):
            return
        if self.broken and key.endswith(self.broken):
            raise ShadowtwinError("storage_write_failed")
        self._happenings.note("store_shadow_twin")


class WatchedVectors(MemoryVectors):
    """Notes every write of a doc meta with its counters."""

    def __init__(self, happenings: Happenings) -> None:
        super().__init__()
        self._happenings = happenings

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        await super().put_doc(row, insert_only=insert_only)
        shown = await self.get_doc(row.document_id)
        assert shown is not None
        counters = [f"{name}={shown.extra[name]}" for name in ("chunkCount", "chaptersCount")]
        self._happenings.note(f"doc_meta({','.join(counters)})")


class WatchedBus(RecordingBus):
    """Notes when the transform phase is asked for."""

    def __init__(self, happenings: Happenings) -> None:
        super().__init__()
        self._happenings = happenings

    async def publish(self, subject: str, event: Event, message_id: str) -> bool:
        known = await super().publish(subject, event, message_id)
        if subject == "pdf.extracted":
            self._happenings.note("transform_template")
        return known


def steps_of(states: Mapping[str, str]) -> list[Step]:
    """All four steps; those that the row does not name are pending."""
    assert set(states) <= set(StepName), f"the adapter does not understand {sorted(states)}"
    given = {StepName(name): StepStatus(state) for name, state in states.items()}
    return [replace(step, status=given.get(step.name, step.status)) for step in new_steps()]


async def store_job(world: World, name: str, *, secret: str = "", silent: float = 0, **fields: Any) -> Job:
    """A stored job `job-{name}` with its stored document; a running one is held by a worker last heard of `silent`
    seconds ago, on the store's clock."""
    now = await world.jobs.now()
    heard = now - timedelta(seconds=silent)
    job = make_job(name, created_at=heard, updated_at=heard, **fields)
    running = [step.name for step in job.steps if step.status == StepStatus.RUNNING]
    if job.status == JobStatus.RUNNING:
        lease = Lease(
            owner="w1",
            step=(running or [StepName.EXTRACT])[0],
            claimed_at=heard,
            heartbeat_at=heard,
            deadline_at=now + timedelta(hours=10),
        )
        job = replace(job, lease=lease)
    if secret:
        job = replace(job, job_secret_hash=hash_of(secret))
    await store_document(world, name)
    await world.jobs.create(replace(job, document_id=document_id_for("lib", f"item-{name}")))
    return await world.job(job.job_id)


async def store_document(world: World, name: str) -> None:
    source = await world.storage.write(f"lib/doc-{name}/source.pdf", PDF)
    document = make_document(name, sha256=source.sha256, artefacts={"source": source})
    assert await world.documents.put(replace(document, document_id=document_id_for("lib", f"item-{name}")))


def log_entries(job: Job, count: int) -> dict[str, Any]:
    """Fields of the job with so many log entries more."""
    more = logged(job, job.created_at, *[{"phase": "running", "message": f"line {n}"} for n in range(count)])
    return {"logs": more.logs, "log_count": more.log_count}


def failed_in(step: str) -> dict[str, Any]:
    """Fields of a job that has failed in that step, with everything before it done."""
    names = [str(name) for name in StepName]
    at = names.index(step)
    states = {name: "completed" if i < at else "failed" if i == at else "pending" for i, name in enumerate(names)}
    return failed_with(states)


def failed_with(states: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a failed job whose steps are in those states."""
    step = next(name for name, state in states.items() if state == "failed")
    error = JobError(code="worker_failed", category="document", step=step, message="refused")
    return {"status": JobStatus.FAILED, "steps": steps_of(states), "error": error}
