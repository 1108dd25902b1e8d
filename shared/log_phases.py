"""The log reference of seed 003 as data: which part of a job each log phase belongs to (checklist A3.16-A3.19).

Log phases are the `phase` of a job's log entries. What a worker of another make calls its phases may be anything:
such an entry belongs to the step that reported it.
"""

from __future__ import annotations

from shared.job import StepName

GENERAL = "general"
"""The job as a whole."""

LOG_PHASES: dict[str, str] = {
    "request_sent": GENERAL,
    "request_ack": GENERAL,
    "completed": GENERAL,
    "failed": GENERAL,
    "requeued": GENERAL,
    "restarted": GENERAL,
    "model_paused": GENERAL,
    "model_price_unknown": GENERAL,
    "extract_gate_plan": StepName.EXTRACT,
    "extract_gate_skip": StepName.EXTRACT,
    "initializing": StepName.EXTRACT,
    "running": StepName.EXTRACT,
    "postprocessing": StepName.EXTRACT,
    "stored_path": GENERAL,
    "transform_gate_plan": StepName.TRANSFORM,
    "transform_gate_skip": StepName.TRANSFORM,
    "transform_meta": StepName.TRANSFORM,
    "stored_local": StepName.TRANSFORM,
    "doc_meta_upsert": StepName.TRANSFORM,
    "images_analysed": StepName.IMAGES,
    "quality_gate_plan": StepName.QUALITY,
    "quality_gate_skip": StepName.QUALITY,
    "quality_pass": StepName.QUALITY,
    "quality_requested": GENERAL,
    "ingest_gate_plan": StepName.INGEST,
    "ingest_gate_skip": StepName.INGEST,
    "ingest_rag": StepName.INGEST,
    "ingest_start": StepName.INGEST,
    "chapters_page_not_found": StepName.INGEST,
    "ingest_chunking_done": StepName.INGEST,
    "ingest_pinecone_upserted": StepName.INGEST,
    "indextidy": StepName.INGEST,
}
"""The reference's own phases and ours; `stored_path` is general there, and `doc_meta_upsert` the second phase's."""


def belongs_to(log_phase: str) -> str:
    """The step that a log phase tells of, or `general`; KeyError for a phase that is in no reference."""
    return str(LOG_PHASES[log_phase])
