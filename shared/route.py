"""The route of a PDF, as data: every subject, who tells it, who takes it, and what it means.

Subscriptions, stream configuration, documentation and tests read this table; nothing else names a subject.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.job import StepName

STREAM = "SHADOWTWIN"
"""The one JetStream stream that holds all subjects."""

ADVISORY_STREAM = "SHADOWTWIN_ADVISORIES"
"""Keeps the broker's notices about messages whose deliveries are used up."""


class Leg(NamedTuple):
    """One subject of the route. `consumer` is the durable that takes it, "" when only outsiders listen;
    `step` is the step that the message asks to run."""

    subject: str
    told_by: str
    consumer: str
    meaning: str
    step: StepName | None = None


PDF_REQUESTED = "pdf.requested"
PDF_EXTRACTED = "pdf.extracted"
TEMPLATE_DONE = "template.done"
INGEST_REQUESTED = "ingest.requested"
INGEST_DONE = "ingest.done"
JOB_COMPLETED = "job.completed"
JOB_FAILED = "job.failed"
JOB_DEAD = "job.dead"
ALERT_OPENED = "alert.opened"
ALERT_RESOLVED = "alert.resolved"
QUALITY_REQUESTED = "quality.requested"

ROUTE: tuple[Leg, ...] = (
    Leg(PDF_REQUESTED, "gateway", "extractor", "a job's extract phase should run", StepName.EXTRACT),
    Leg(PDF_EXTRACTED, "gateway", "transformer", "the twin is stored and readable", StepName.TRANSFORM),
    Leg(TEMPLATE_DONE, "gateway", "gateway", "the frontmatter is merged, the twin overwritten"),
    Leg(INGEST_REQUESTED, "gateway", "ingestor", "chunks and vectors should be made", StepName.INGEST),
    Leg(INGEST_DONE, "gateway", "", "the document is searchable"),
    Leg(JOB_COMPLETED, "gateway", "", "a job has ended well"),
    Leg(
        QUALITY_REQUESTED,
        "gateway",
        "transformer",
        "pictures with a low score should be looked at again, in a job of its own",
        StepName.QUALITY,
    ),
    Leg(JOB_FAILED, "gateway", "", "a job has failed or was cancelled"),
    Leg(JOB_DEAD, "gateway", "", "a message was given up by the broker"),
    Leg(ALERT_OPENED, "gateway", "", "a library or a batch needs a person's eyes"),
    Leg(ALERT_RESOLVED, "gateway", "", "an alert's cause is gone"),
)

SUBJECTS = tuple(leg.subject for leg in ROUTE)


def leg_of(subject: str) -> Leg:
    """The row of that subject; KeyError for an unknown one."""
    for leg in ROUTE:
        if leg.subject == subject:
            return leg
    raise KeyError(subject)


def subject_starting(step: StepName) -> str:
    """The subject that asks for a step; KeyError for a step that no message asks for."""
    for leg in ROUTE:
        if leg.step == step:
            return leg.subject
    raise KeyError(step)
