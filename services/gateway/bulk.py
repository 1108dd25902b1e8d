"""Many jobs at once: batches over stored documents, and requeues by filter."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.accepted import Accepted
from services.gateway.creation import JobRequest
from services.gateway.intake import Intake
from services.gateway.orchestrator import Orchestrator
from services.gateway.progress import Progress, new_handle, refuse
from services.gateway.requeue import RequeueRequest, requeue
from shared.errors import RequestError, ShadowtwinError, describe
from shared.job import Parameters, Policies, Policy, RecordOptions
from shared.ports import JobQuery, JobStore, OpenJobExists
from shared.skipping import chosen, is_forced
from shared.transitions import Refused

Choice = bool | list[str] | None
"""The source's null, true, or a list of document ids."""

MOST_DOCUMENTS = 10_000


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/batches`; the last five are the source's own names (checklist A2.12-A2.15)."""

    documentIds: list[str]
    libraryId: str = "default"
    name: str | None = None
    priority: int = 0
    parameters: Parameters = Parameters()
    force_reprocess_ocr: Choice = None
    force_reprocess_metadata: Choice = None
    force_reprocess_extraction: Choice = None
    run_extraction: bool = True
    run_refinement: Choice = None


class BulkRequeue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/jobs/requeue`: a filter, what to do with what it finds, and whether only to say so."""

    status: str = "failed"
    library: str | None = None
    batch: str | None = None
    errorCode: str | None = None
    dryRun: bool = False
    requeue: RequeueRequest = RequeueRequest()


class Handle(msgspec.Struct, kw_only=True, rename="camel"):
    """How far an asynchronous bulk action is; the jobs themselves are the truth. `refused` says why for the first
    thousand of the `refusals`."""

    handle: str
    found: int = 0
    done: int = 0
    refused: dict[str, str] = {}
    refusals: int = 0
    finished: bool = False
    error: str = ""


class Bulk:
    """Batches and bulk requeues."""

    def __init__(self, jobs: JobStore, intake: Intake, orchestrator: Orchestrator, progress: Progress[Handle]) -> None:
        self._jobs, self._intake, self._orchestrator, self._progress = jobs, intake, orchestrator, progress

    async def batch(self, request: BatchRequest) -> dict[str, Any]:
        """A job for each document (or why not); documents whose gates all skip get none."""
        if not 0 < len(request.documentIds) <= MOST_DOCUMENTS:
            raise RequestError("bad_request", f"A batch has 1 to {MOST_DOCUMENTS} documents.")
        if (request.force_reprocess_extraction or request.run_refinement) and not request.parameters.records.schema:
            raise RequestError("bad_request", "Records need parameters.records.schema: the name of a schema.")
        batch_id = str(uuid.uuid4())
        wanted = dict.fromkeys(request.documentIds)
        rows = [await self._one(document_id, batch_id, request) for document_id in wanted]
        return {"batchId": batch_id, "name": request.name, "documents": rows}

    async def _one(self, document_id: str, batch_id: str, request: BatchRequest) -> dict[str, Any]:
        wanted = JobRequest(
            library_id=request.libraryId,
            document_id=document_id,
            batch_id=batch_id,
            batch_name=request.name,
            priority=request.priority,
            parameters=replace(
                request.parameters,
                policies=policies_for(document_id, request),
                records=records_for(document_id, request),
            ),
        )
        try:
            accepted: Accepted = await self._intake.again(wanted)
        except ShadowtwinError as error:
            return {"documentId": document_id, "status": "refused", "code": error.code, "message": error.message}
        return {"documentId": document_id, "status": accepted.status, "jobId": accepted.job_id}

    async def counts(self, batch_id: str) -> dict[str, Any]:
        """Jobs of a batch by status."""
        counts = await self._jobs.counts(JobQuery(batch_id=batch_id))
        if not counts:
            raise RequestError("not_found", "There is no such batch, or none of its documents needed a job.")
        total = sum(counts.values())
        ended = counts.get("completed", 0) + counts.get("failed", 0)
        return {"batchId": batch_id, "counts": counts, "total": total, "finished": ended == total}

    async def requeue(self, request: BulkRequeue) -> Handle:
        """Start it; the handle counts. With `dryRun` it only counts what would be requeued."""
        handle = Handle(handle=new_handle())
        if request.dryRun:
            await self._requeue_all(request, handle)
            handle.finished = True
            return handle
        return await self._progress.start(handle, self._requeue_all(request, handle))

    async def requeue_state(self, handle: str) -> Handle:
        """How far it is; raises RequestError not_found."""
        return await self._progress.state(handle)

    async def _requeue_all(self, request: BulkRequeue, handle: Handle) -> None:
        cursor = None
        while True:
            page = await self._jobs.find(
                JobQuery(
                    status=request.status, library_id=request.library, batch_id=request.batch, cursor=cursor, limit=200
                )
            )
            for job in page.jobs:
                if request.errorCode is None or (job.error is not None and job.error.code == request.errorCode):
                    handle.found += 1
                    if not request.dryRun:
                        await self._requeue_one(job.job_id, request, handle)
            cursor = page.cursor
            if cursor is None:
                return

    async def _requeue_one(self, job_id: str, request: BulkRequeue, handle: Handle) -> None:
        try:
            await requeue(self._orchestrator, job_id, request.requeue)
            handle.done += 1
            return
        except OpenJobExists:
            reason = "job_open"
        except Refused as refused:
            reason = refused.reason
        except ShadowtwinError as error:
            reason = describe(error).code
        refuse(handle, job_id, reason)


def policies_for(document_id: str, request: BatchRequest) -> Policies:
    """The source's force parameters as policies: a forced step makes everything after it stale by its own gate."""
    given = request.parameters.policies

    def policy(force: Choice, otherwise: Policy) -> Policy:
        return Policy.FORCE if is_forced(force, document_id) else otherwise

    return Policies(
        extract=policy(request.force_reprocess_ocr, given.extract),
        metadata=policy(request.force_reprocess_metadata, given.metadata),
        ingest=given.ingest,
    )


def records_for(document_id: str, request: BatchRequest) -> RecordOptions:
    """The source's `force_reprocess_extraction`, `run_extraction` and `run_refinement` for one document."""
    given = request.parameters.records
    return replace(
        given,
        extract=given.extract and request.run_extraction,
        force=given.force or is_forced(request.force_reprocess_extraction, document_id),
        refine=given.refine or chosen(request.run_refinement, document_id, "invalid_refinement"),
    )
