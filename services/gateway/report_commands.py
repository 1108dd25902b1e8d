"""What a worker's report asks for: a final, failed, released or going step, as the command that the job may admit.

Plain functions of the job as it was read and of the report; who may report is decided in `callbacks`.
"""

from __future__ import annotations

from typing import Any

from services.gateway.reports import MESSAGE_MOST, Finished, charges, finished, log_entries, progress_entry, text_of
from shared.commands import Command, Fail, Release, Report, Settle, is_mark
from shared.errors import CATALOGUE, RequestError
from shared.job import Job, JobError, StepName, StepStatus
from shared.ticket import Callback
from shared.transitions import Refused
from shared.twin import run_folder

FINAL = ("completed", "template_completed")
"""Phases that end a step; the second is what internal callbacks of the template step say."""

PAUSE_MOST = 3600.0
"""Seconds after which a step that was given back is tried again at the latest, whatever the worker says."""


def command_of(job: Job, body: Callback, process_id: str, max_attempts: int) -> Command:
    """What a report asks for; a failure is tried again up to `max_attempts`. Raises RequestError, Refused."""
    step = body.step or running_step(job)
    if step == StepName.STORE:
        raise RequestError("bad_request", "No worker reports on store_shadow_twin.")
    if all(row.name != step for row in job.steps):
        raise RequestError("bad_request", f"The job has no step {step}.")
    who: dict[str, Any] = {
        "process_id": process_id,
        "attempt": body.attempt,
        "step": step,
        "costs": charges(body.costs),
        "stages": body.stages[: len(StepName)],
    }
    entries = log_entries(body.logs)
    if body.phase in ("failed", "error") or body.status in ("failed", "error"):
        return _failure(job, body, who, entries, max_attempts)
    if body.phase == "released":
        reason = text_of(body.message) or "The worker gave the step back."
        delay = min(max(body.retry_after, 0.0), PAUSE_MOST)
        return Release(**who, reason=reason, entries=entries, lost=False, delay=delay)
    if body.phase in FINAL:
        return Settle(**who, entries=entries) if without_manifest(body) else _settlement(job, body, who, entries)
    entry = progress_entry(body)
    own = bool(entries)
    if body.phase != "running" or not own:
        entries.append(entry)
    return Report(
        **who,
        entries=entries,
        coalesced=not own and not is_mark(entry),
        percent=body.progress or 0.0,
        pages_done=body.pages_done,
        pages_total=body.pages_total,
        message=text_of(body.message),
        checkpoint=body.checkpoint,
    )


def _failure(
    job: Job, body: Callback, who: dict[str, Any], entries: list[dict[str, Any]], max_attempts: int
) -> Command:
    """A failure counts for a step that is being worked on: a late one cannot undo what was settled."""
    status = job.step(who["step"]).status
    if who["process_id"] == job.process_id and job.open and status != StepStatus.RUNNING:
        raise Refused("settled" if status == StepStatus.COMPLETED else "not_running")
    error = body.error or {}
    given = error.get("code")
    code = (text_of(given, 100) if isinstance(given, str) else "") or "worker_failed"
    message = text_of(error.get("message") or body.message) or CATALOGUE["worker_failed"].message
    if error.get("details"):
        entries += log_entries([{"phase": "error", "message": message, "details": error["details"]}])
    if error.get("retryable") and job.losses + 1 < max_attempts:
        return Release(**who, reason=f"{code}: {message}", entries=entries, delay=2.0 ** (job.losses + 1))
    fault = JobError(
        code=code,
        category=text_of(error.get("category"), 50) or "document",
        step=who["step"],
        message=message,
        hint=text_of(error.get("hint"), MESSAGE_MOST),
        retryable=bool(error.get("retryable")),
    )
    return Fail(**who, error=fault, entries=entries)


def running_step(job: Job) -> StepName:
    """The step a report without a name means: the running one, else the first."""
    for step in job.steps:
        if step.status == StepStatus.RUNNING and step.name != StepName.STORE:
            return step.name
    return job.steps[0].name


def without_manifest(body: Callback) -> bool:
    """Whether this is a final report in the source's words, for which the gateway has to write the files."""
    return body.phase in FINAL and not body.data.get("skipped") and "outputs" not in body.data


def _settlement(job: Job, body: Callback, who: dict[str, Any], entries: list[dict[str, Any]]) -> Settle:
    """Our own worker's final report: its manifest must lie in its own attempt's folder."""
    done: Finished = finished(body.data)
    if not done.skipped:
        folder = run_folder(job.library_id, job.document_id, job.process_id, who["step"], job.attempt)
        if "manifest" not in done.outputs or not done.outputs["manifest"].key.startswith(f"{folder}/"):
            raise RequestError("bad_request", "data.outputs must name the manifest in the attempt's folder.")
    return Settle(
        **who,
        entries=entries,
        skipped=done.skipped,
        reason=done.reason,
        outputs=done.outputs,
        facts=done.facts,
        counts=done.counts,
        warnings=done.warnings,
        meta=done.meta,
    )
