"""Conformance table `callbacks`: a worker of any make reports to the real route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from shared import route
from shared.edits import BANDS
from shared.job import Job, JobStatus
from tests.conformance.jobs import Happenings, WatchedBus, WatchedStorage, WatchedVectors, steps_of, store_job
from tests.conformance.table import agree, agree_on_answers, known, one_of, rows
from tests.contract.conftest import Stores
from tests.support.gateway import SERVICE_TOKENS, World, world

INTERNAL = "INTERNAL"
"""The gateway's internal token, unless a row says that it has none."""

OTHER = "secret-of-other-job"
CREDENTIALS = {"SERVICE_API_KEY": SERVICE_TOKENS["extractor"]}
"""What a row calls a credential that is another thing with us."""

RULES = frozenset(
    """right_secret wrong_secret missing_secret wrong_secret_never_fails_the_job wrong_secret_and_stale_process
    secret_of_another_job service_wide_key_is_no_job_secret stale_process stale_process_failed
    stale_process_final_payload no_process_id_given unknown_job failed_is_terminal failed_then_completed
    completed_is_terminal completed_then_failed same_final_event_twice progress_is_clamped late_lower_progress
    postprocessing_is_no_success running_90_is_no_end extracted_text_moves_on completed_without_text internal_token
    internal_token_wrong_or_unset secret_places logs_only_grow""".split()
)
EVENT = ("secret", "secret_in", "internal_token", "processId", "phase", "progress", "message", "status")


class Row:
    """One row's events sent to the world, and everything that rows ask about."""

    def __init__(self, gateway: World, happenings: Happenings) -> None:
        self.world, self.happenings = gateway, happenings
        self.job_id = "nobody"
        self.before: Job | None = None
        self.http: list[int] = []
        self.applied: list[bool] = []

    async def prepare(self, given: dict[str, Any]) -> None:
        """The row's job, and another one that has a secret of its own."""
        await store_job(self.world, "other", secret=OTHER, status=JobStatus.RUNNING, steps=steps_of({}))
        if given is None:
            return
        known(given, "status", "secret", "processId", "steps", "worker")
        self.before = await store_job(
            self.world,
            "1",
            secret=given["secret"],
            status=JobStatus(given["status"]),
            process_id=given["processId"],
            steps=steps_of(given["steps"]),
            worker=given.get("worker", "secretary"),
        )
        self.job_id = self.before.job_id

    async def send(self, event: dict[str, Any]) -> None:
        """One report, in the words of FORMATS D4. It was applied if the job document is another one than before."""
        known(event, *EVENT, "extracted_text")
        before = await self.world.jobs.get(self.job_id)
        answer = await self._post(event)
        await self.world.settle()
        after = await self.world.jobs.get(self.job_id)
        self.http.append(answer.status_code)
        self.applied.append(msgspec.json.encode(before) != msgspec.json.encode(after))
        assert answer.json().get("applied", False) == self.applied[-1], "the answer says something else than happened"

    async def _post(self, event: dict[str, Any]) -> httpx.Response:
        body: dict[str, Any] = {
            name: event[name] for name in ("phase", "progress", "message", "status") if name in event
        }
        if "processId" in event:
            body["process"] = {"id": event["processId"]}
        if "extracted_text" in event:
            body["data"] = {"extracted_text": event["extracted_text"]}
        headers: dict[str, str] = {}
        if "secret" in event:
            secret = CREDENTIALS.get(event["secret"], event["secret"])
            place = one_of(PLACES, event.get("secret_in", "Authorization"))
            PLACES[place](headers, body, secret)
        if "internal_token" in event:
            headers["X-Internal-Token"] = event["internal_token"]
        path = f"/api/external/jobs/{self.job_id}"
        return await self.world.http.post(path, json=body, headers=headers)

    async def seen(self) -> dict[str, Any]:
        """What rows ask about."""
        seen: dict[str, Any] = {"http": self.http, "applied": self.applied}
        if self.before is None:
            return seen
        job, before = await self.world.job(self.job_id), self.before
        added = job.logs[len(before.logs) :]
        told = [row for row in self.world.bus.told if row[1].job_id == self.job_id and row[0] == route.PDF_EXTRACTED]
        docs = [r for r in self.world.vectors.rows.values() if r.kind == "doc" and r.document_id == job.document_id]
        times = [entry["timestamp"] for entry in job.logs]
        payload = msgspec.to_builtins(job.payload) if job.payload else {}
        audit = [entry.action for entry in self.world.gateway.audit.entries]
        return seen | {
            "status": str(job.status),
            "steps_unchanged": job.steps == before.steps,
            "only_log_added": audit[0] if len(audit) == 1 and not added else [audit, added],
            "log_phases_added": [entry["phase"] for entry in added],
            "logs_added": len(added),
            "logs_appended": len(added),
            "earlier_logs_unchanged": job.logs[: len(before.logs)] == before.logs,
            "timestamps_not_decreasing": times == sorted(times),
            "logged_progress": added[-1].get("progress") if added else None,
            "shown_progress": shown_of_step(job),
            "payload_unchanged": job.payload == before.payload,
            "payload_has": [name for name, value in payload.items() if value],
            "next_phase_started": bool(told),
            "next_phase_started_times": len({message_id for _, _, message_id in told}),
            "doc_meta_documents": len(docs),
            "then_in_order": list(self.happenings),
            **{str(step.name): str(step.status) for step in job.steps},
        }


PLACES: dict[str, Callable[[dict[str, str], dict[str, Any], str], None]] = {
    "Authorization": lambda headers, body, secret: headers.update(Authorization=f"Bearer {secret}"),
    "X-Callback-Token": lambda headers, body, secret: headers.update({"X-Callback-Token": secret}),
    "body.callback_token": lambda headers, body, secret: body.update(callback_token=secret),
}


def shown_of_step(job: Job) -> int | None:
    """Rows count progress within the step; the job shows it within the whole run."""
    if job.progress is None:
        return None
    low, high = BANDS[job.progress.step]
    return round((job.progress.percent - low) / (high - low) * 100)


async def check(row: dict[str, Any], stores: Stores) -> None:
    """One row against a fresh world on these stores."""
    one_of(RULES, row["rule"])
    known(row["in"], "job", "events", "server_internal_token")
    happenings = Happenings()
    async with world(
        jobs=stores.jobs,
        documents=stores.documents,
        storage=WatchedStorage(happenings),
        vectors=WatchedVectors(happenings),
        bus=WatchedBus(happenings),
        internal_token=row["in"].get("server_internal_token", INTERNAL) or "",
    ) as gateway:
        run = Row(gateway, happenings)
        await run.prepare(row["in"]["job"])
        for event in row["in"]["events"]:
            await run.send(event)
        seen, wanted = await run.seen(), dict(row["want"])
    if "http" in wanted:
        agree_on_answers(seen["http"], wanted.pop("http"))
    if wanted or "http" not in row["want"]:
        agree(seen, wanted)


@pytest.mark.parametrize("row", rows("callbacks"))
async def test_callbacks(row: dict[str, Any], stores: Stores):
    await check(row, stores)
