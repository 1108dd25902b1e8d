"""Making a job: the document the source calls `ExternalJob`, with its first log entries and its first event."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec
from msgspec.structs import replace

from shared import route
from shared.document import Document
from shared.edits import logged, new_steps, with_event
from shared.gates import fingerprint
from shared.job import Correlation, Job, Options, Parameters, Source, StepName


class JobRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a client may say about a job besides the file; the source's names."""

    library_id: str = "default"
    item_id: str = ""
    parent_id: str = ""
    document_id: str = ""
    user_email: str = ""
    batch_id: str | None = None
    batch_name: str | None = None
    priority: int = 0
    idempotency_key: str | None = None
    parameters: Parameters = Parameters()


def request_fingerprint(parameters: Parameters) -> str:
    """What decides, beside the bytes, whether an equal upload has been processed already."""
    reading = (parameters.extraction_method, parameters.ocr_languages, parameters.escalation_seconds)
    pictures = (parameters.include_images, parameters.figures, parameters.previews)
    records = (parameters.records.schema, parameters.records.refine, parameters.records.force)
    named = (*reading, *pictures, parameters.target_language, parameters.template)
    looked = (parameters.analyze_images, parameters.discovery_model)
    products = (parameters.products, parameters.focused_extraction)
    return fingerprint(
        *named,
        *(records if parameters.records.schema else ()),
        *(looked if looked != ("auto", "") else ()),
        *(("products", *products) if products != ("auto", False) else ()),
    )


def new_job(
    document: Document, request: JobRequest, now: datetime, *, extract_planned: bool = True, admitted: bool = True
) -> Job:
    """A queued job with all steps pending (checklist A3.33); when admitted, its first event is in the outbox."""
    job_id = str(uuid.uuid4())
    p = request.parameters
    options = Options(
        target_language=p.target_language,
        extraction_method=p.extraction_method,
        include_images=p.include_images,
        use_cache=p.use_cache,
    )
    source = Source(name=document.name, item_id=document.item_id, parent_id=request.parent_id)
    job = Job(
        job_id=job_id,
        library_id=document.library_id,
        user_email=request.user_email,
        correlation=Correlation(
            job_id=job_id,
            library_id=document.library_id,
            source=source,
            options=options,
            batch_id=request.batch_id,
            batch_name=request.batch_name,
        ),
        created_at=now,
        updated_at=now,
        parameters=p,
        steps=new_steps(),
        process_id=str(uuid.uuid4()),
        document_id=document.document_id,
        priority=request.priority,
        idempotency_key=request.idempotency_key,
        idempotency_digest=digest_of(document, request),
    )
    gate = "extract_gate_plan" if extract_planned else "extract_gate_skip"
    job = logged(
        job,
        now,
        {"phase": "request_sent", "message": f"{document.name} for the extractor"},
        {"phase": gate, "message": "extraction will run" if extract_planned else "a current transcript exists"},
        {"phase": "request_ack", "message": "accepted", "status": 202},
    )
    if not admitted:
        return job
    return with_event(replace(job, admitted_at=now), route.PDF_REQUESTED, StepName.EXTRACT, now)


def digest_of(document: Document, request: JobRequest) -> str:
    """What a repeated Idempotency-Key is compared with: the bytes and everything that was asked but the password, which
    must not be told from what is stored and is sealed differently every time."""
    parameters = replace(request.parameters, sealed_password="")
    asked = msgspec.json.encode(replace(request, idempotency_key=None, parameters=parameters)).decode()
    return fingerprint(document.sha256, document.name, asked)
