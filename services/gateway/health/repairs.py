"""Repairs of many documents: a plan first, then each step with its preconditions looked at again, then what is left."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import msgspec

from services.gateway.health.actions import Actions, Outcome
from services.gateway.health.doctor import Doctor, Run
from services.gateway.health.facts import Examined
from services.gateway.health.steps import FLAGS, Repair, RepairRequest, Step, asked_steps, plan_of, steps_for
from services.gateway.progress import Progress, new_handle
from shared.adapters.storage_choice import place_of
from shared.errors import RequestError, ShadowtwinError

STEPS_KEPT = 10_000
"""Rows of a repair that are kept to be shown; all are counted."""
ROUNDS = 4
"""Steps one after another that one document may have: key, then chunks, then the record."""
DOCUMENTS_MOST = 200_000
"""Documents of one repair."""


class RepairState(msgspec.Struct, kw_only=True, rename="camel"):
    """How far a repair is; what it did stands in the documents' histories. `counts` has the steps by status, `planned`
    those of the plan by action, `left` the states of the planned documents afterwards."""

    handle: str
    batch_id: str
    dry_run: bool
    environment: dict[str, str]
    checked: int = 0
    summary: dict[str, int] = {}
    planned: dict[str, int] = {}
    counts: dict[str, int] = {}
    jobs: int = 0
    actions: list[Step] = []
    actions_left_out: int = 0
    left: dict[str, int] | None = None
    finished: bool = False
    error: str = ""


class Repairs:
    """Starts repairs and knows how far they are."""

    def __init__(
        self, doctor: Doctor, actions: Actions, environment: dict[str, str], progress: Progress[RepairState]
    ) -> None:
        self._doctor, self._actions, self.environment, self._progress = doctor, actions, environment, progress

    async def start(self, request: RepairRequest) -> RepairState:
        """Plan; unless that is all that is asked for, go on in the background. Raises RequestError."""
        if request.set_key and (request.document_id is None or request.mark_deleted or request.delete_orphans):
            raise RequestError("bad_request", "setKey needs documentId, and nothing may be deleted with it.")
        state = RepairState(
            handle=new_handle(),
            batch_id=str(uuid.uuid4()),
            dry_run=request.dry_run,
            environment=self.environment,
        )
        work = self._work(self._doctor.run(request), request, state)
        if request.dry_run:  # changes nothing, so it leaves no progress either: this answer is all of it
            await work
            state.finished = True
            return state
        begin = self._progress.start if request.document_id is None else self._progress.do
        return await begin(state, work)

    async def state(self, handle: str) -> RepairState:
        """How far it is; raises RequestError not_found."""
        return await self._progress.state(handle)

    async def left(self, handle: str) -> Run:
        """A new diagnosis of the documents that were planned; raises RequestError not_found."""
        return self._doctor.run_of(await self._progress.attached(handle, list[str]))

    async def _work(self, run: Run, request: RepairRequest, state: RepairState) -> None:
        found: list[str] = []
        planned = await self._plan(run, request, state, found)
        if request.dry_run:
            return
        await self._progress.attach(state.handle, found)
        for document_id in planned:
            await self._repair(document_id, request, state)
        state.left = await self._count_left(found)

    async def _plan(self, run: Run, request: RepairRequest, state: RepairState, found: list[str]) -> list[str]:
        """The ids of the documents for which a step is asked for; `found` gets all for which there is one."""
        asked = []
        planned: Counter[str] = Counter()
        async for examined in run.documents():
            steps = plan_of(examined, request)
            state.checked += 1
            if not steps:
                continue
            if len(found) < DOCUMENTS_MOST:
                found.append(examined.document.document_id)
            if steps[0].status == "planned":
                asked.append(examined.document.document_id)
            for step in steps:
                planned[step.action] += 1
                if request.dry_run or step.status == "not_asked":
                    self._keep(state, step)
        state.summary, state.planned = dict(run.summary), dict(planned)
        return asked

    async def _repair(self, document_id: str, request: RepairRequest, state: RepairState) -> None:
        """Look, do the first step that is asked for, look again."""
        done: set[Repair] = set()
        try:
            for _ in range(ROUNDS):
                seen = await self._doctor.one(document_id, other_buckets=request.check_other_buckets)
                wanted = [step for step in asked_steps(steps_for(seen), request) if step not in done]
                if not wanted:
                    if not done:
                        self._tell(state, seen, None, Outcome("skipped", "its state has changed since the plan"))
                    return
                outcome = await self._actions.do(wanted[0], seen, request, state.batch_id)
                self._tell(state, seen, wanted[0], outcome)
                done.add(wanted[0])
                if outcome.status != "done" or wanted[0] == Repair.REUPLOAD:
                    return
        except ShadowtwinError as error:
            row = Step(
                document_id=document_id,
                library_id="",
                name="",
                state="",
                action="",
                flag="",
                status="failed",
                detail=f"{error.code}: {error.message}",
            )
            self._keep(state, row)

    def _tell(self, state: RepairState, seen: Examined, step: Repair | None, outcome: Outcome) -> None:
        state.jobs += outcome.status == "done" and step in (Repair.REPROCESS, Repair.TRIGGER)
        row = Step(
            document_id=seen.document.document_id,
            library_id=seen.document.library_id,
            name=seen.document.name,
            state=str(seen.judgement.state),
            action=str(step or ""),
            flag=FLAGS[step] if step else "",
            status=outcome.status,
            detail=outcome.detail,
            job_id=outcome.job_id,
            upload_id=outcome.upload_id,
            upload_url=outcome.upload_url,
        )
        self._keep(state, row)

    @staticmethod
    def _keep(state: RepairState, step: Step) -> None:
        state.counts = {**state.counts, step.status: state.counts.get(step.status, 0) + 1}
        if len(state.actions) < STEPS_KEPT:
            state.actions.append(step)
        else:
            state.actions_left_out += 1

    async def _count_left(self, documents: list[str]) -> dict[str, int]:
        run = self._doctor.run_of(documents)
        async for _ in run.documents():
            pass
        return dict(run.summary)


def environment_of(settings: Any, index: str) -> dict[str, str]:
    """Where repairs write, without secrets: the database, the storage and the index (checklist A0.33)."""
    place = settings.data_dir.resolve()
    database = f"sqlite {place / 'shadowtwin.db'}"
    if settings.store == "mongo":
        database = "mongodb " + settings.database_address().rpartition("@")[2].removeprefix("mongodb://")
    return {"name": settings.environment, "database": database, "storage": place_of(place), "index": index}
