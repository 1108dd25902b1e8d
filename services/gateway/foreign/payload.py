"""The job document's `payload`: a foreign worker's short hand-over, and its long text on request (checklist A3.31)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.foreign.pages import clean
from shared import frontmatter, twin
from shared.errors import ShadowtwinError
from shared.job import Job, Payload
from shared.ports import Storage

HANDED_OVER = 8 << 10
"""Bytes of text, and of metadata, that the job document keeps itself."""

STORED = "storage:"
"""Begins a `payload.extracted_text` that names the stored transcript instead of holding the text."""

SHOWN_MOST = 2000


def short_payload(text: str, data: dict[str, Any], metadata: dict[str, Any], key: str) -> Payload:
    """The short hand-over: text and metadata up to 8 KB each; a longer text is named by its stored transcript."""
    short = len(text.encode("utf-8", "surrogatepass")) <= HANDED_OVER and not text.startswith(STORED)
    url = data.get("images_archive_url")
    kept = metadata
    if len(msgspec.json.encode(kept)) > HANDED_OVER:
        kept = {name: value for name, value in metadata.items() if name != "text_contents"}
    return Payload(
        extracted_text=clean(text) if short else STORED + key,
        images_archive_url=clean(url)[:SHOWN_MOST] if isinstance(url, str) else None,
        metadata=kept if kept and len(msgspec.json.encode(kept)) <= HANDED_OVER else None,
    )


async def expanded(storage: Storage, job: Job) -> Job:
    """The job with the body of its stored transcript where the payload only names it; unchanged when it is gone.

    Only a file of the job's own twin is ever read: the payload's text came from outside.
    """
    payload = job.payload
    if payload is None or not (payload.extracted_text or "").startswith(STORED):
        return job
    key = str(payload.extracted_text).removeprefix(STORED)
    saved = job.result.saved_items if job.result else []
    if key not in saved or not key.startswith(f"{twin.folder(job.library_id, job.document_id)}/"):
        return job
    try:
        text = frontmatter.body_only((await storage.read(key)).decode(errors="replace"))
    except ShadowtwinError:
        return job
    return replace(job, payload=replace(payload, extracted_text=text))
