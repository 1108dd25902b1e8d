"""Results of a foreign worker, which knows the source's payload only: the gateway writes the attempt's files itself.

The files are those that our own workers write, under a folder of their own within the attempt's, sealed before the job
document says that they count. Two equal reports at once therefore never write into each other's files.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.fetching import Fetcher
from services.gateway.foreign.archives import ArchiveLimits
from services.gateway.foreign.images import ForeignImages
from services.gateway.foreign.origin import origin_of, raw_answer, without_pictures
from services.gateway.foreign.pages import Paged, clean, paged
from services.gateway.foreign.payload import SHOWN_MOST, short_payload
from shared import frontmatter, reading, twin
from shared.commands import Fail, Settle
from shared.document import Document
from shared.edits import failure
from shared.errors import CATALOGUE, RequestError, ShadowtwinError
from shared.external import is_external
from shared.gates import fingerprint
from shared.job import Artefact, Job, StepName, utc_now
from shared.kept_answers import Answer, keep_answer
from shared.manifest import Outputs
from shared.ports import DocumentStore, Storage
from shared.ticket import Callback

logger = logging.getLogger("foreign")

GENERATED_BY = "foreign"
METADATA_MOST = 256 << 10


class ForeignResults:
    """Turns `data` of a final report into the attempt's files and the command that settles the step."""

    def __init__(self, documents: DocumentStore, storage: Storage, fetcher: Fetcher, limits: ArchiveLimits) -> None:
        self._documents, self._storage, self._fetcher, self._limits = documents, storage, fetcher, limits

    async def settlement(self, job: Job, report: Settle, body: Callback) -> Settle | Fail:
        """The command for an authenticated final report without a manifest. Raises RequestError bad_request."""
        document = await self._documents.get(job.document_id)
        if document is None:
            raise RequestError("not_found", "The job's document is gone.")
        prefix = twin.run_folder(job.library_id, job.document_id, job.process_id, report.step, job.attempt)
        outputs = Outputs(self._storage, f"{prefix}/{uuid.uuid4().hex}")
        report = replace(report, attempt=job.attempt)
        if report.step == StepName.EXTRACT:
            return await self._transcript(job, document, report, body.data, outputs)
        if report.step == StepName.TRANSFORM:
            return await self._transformation(job, document, report, body.data, outputs)
        raise RequestError("bad_request", "The report of this step must name the manifest of its files.")

    async def _transcript(
        self, job: Job, document: Document, report: Settle, data: dict[str, Any], outputs: Outputs
    ) -> Settle | Fail:
        text, metadata = data.get("extracted_text") or "", data.get("metadata") or {}
        if not isinstance(text, str) or not isinstance(metadata, dict):
            raise RequestError("bad_request", "data.extracted_text must be text, data.metadata an object.")
        if not job.parameters.include_images:
            text, metadata = await asyncio.to_thread(without_pictures, [text, metadata])
        pages = await asyncio.to_thread(paged, text, metadata)
        if not pages.pages:
            entry = CATALOGUE["empty_text"]
            fault = failure(report.step, "empty_text", "document", entry.message, entry.hint)
            return Fail(
                process_id=report.process_id,
                attempt=report.attempt,
                step=report.step,
                error=fault,
                entries=report.entries,
            )
        name = twin.artefact_name(document.name, "transcript", job.parameters.target_language)
        parameters = job.parameters
        origin = await asyncio.to_thread(origin_of, document, parameters, text, metadata)
        head = {
            "type": "transcript",
            "source_file": document.name,
            "generated_by": GENERATED_BY,
            "generated_at": utc_now().isoformat(timespec="milliseconds"),
            "pages": len(pages.pages),
            **origin.fields,
        }
        await outputs.write(name, await asyncio.to_thread(lambda: _encoded(head, pages)), "transcript")
        await outputs.write(
            "document.json", msgspec.json.encode({**_document_info(len(pages.pages)), **origin.fields}), "info"
        )
        await outputs.write("pages.jsonl", _lines(_page_row(n, page) for n, page in enumerate(pages.pages, 1)), "pages")
        images = ForeignImages(self._fetcher, self._limits, pages, outputs)
        if parameters.include_images:
            await images.take(data)
        await outputs.write("images.jsonl", _lines(images.rows), "images")
        counts = {
            "pages": len(pages.pages),
            "pagesFailed": 0,
            "images": sum(not row["duplicate_of"] for row in images.rows),
            "imagePlacements": len(images.rows),
            "characters": pages.characters,
        }
        answer = await asyncio.to_thread(raw_answer, data, images=parameters.include_images)
        if answer is not None:
            await outputs.write("answer.json", answer, "answer")
        facts = {"madeFrom": origin.made_from, "pages": len(pages.pages), "metadata": origin.fields, "counts": counts}
        warnings = [*pages.warnings, *images.warnings]
        if is_external(parameters.extraction_method):
            kept = Answer(files=outputs.files, facts=facts, counts=counts, warnings=warnings)
            await self._keep(document, origin.made_from, kept)
        said = f"{len(pages.pages)} pages of a foreign worker's text are stored"
        return replace(
            report,
            entries=[*report.entries, {"phase": "postprocessing", "message": said, "progress": 95}],
            outputs=await outputs.seal(),
            facts=facts,
            counts=counts,
            warnings=warnings,
            payload=short_payload(text, data, metadata, f"{twin.folder(job.library_id, job.document_id)}/{name}"),
        )

    async def _keep(self, document: Document, made_from: str, answer: Answer) -> None:
        """For the next time; that it could not be kept costs money then, but nothing now. An answer whose images
        could not be fetched is not kept: the next time they may be there."""
        if any(warning["code"] == "images_archive_failed" for warning in answer.warnings):
            return
        try:
            await keep_answer(self._storage, document, made_from, answer)
        except (ShadowtwinError, OSError):
            logger.warning("an answer could not be kept", exc_info=True, extra={"document": document.document_id})

    async def _transformation(
        self, job: Job, document: Document, report: Settle, data: dict[str, Any], outputs: Outputs
    ) -> Settle:
        """The transcript's body under the given metadata; without metadata the step ends with nothing changed."""
        metadata = data.get("metadata") or {}
        if not isinstance(metadata, dict) or len(msgspec.json.encode(metadata)) > METADATA_MOST:
            raise RequestError("bad_request", "data.metadata must be an object of at most 256 KB.")
        given = {
            str(key)[:200]: value for key, value in metadata.items() if str(key).strip() and key != "text_contents"
        }
        if not given:
            return replace(report, skipped=True, reason="no_metadata")
        parameters = job.parameters
        transcript = (await reading.read(self._storage, document, "transcript")).decode()
        name = twin.artefact_name(
            document.name, "transformation", parameters.target_language, template=parameters.template
        )
        core = {
            "type": "transformation",
            "source_file": document.name,
            "template": parameters.template,
            "language": str(given.get("language") or parameters.target_language),
            "generated_by": GENERATED_BY,
            "generated_at": utc_now().isoformat(timespec="milliseconds"),
            "pages": document.pages,
        }
        former = await self._former(document.artefacts.get("transformation"), name)
        meta = {**core, **frontmatter.merge(former, _cleaned(given), {}), **core}
        await outputs.write(name, frontmatter.render(meta, frontmatter.parse(transcript)[1]).encode(), "transformation")
        shown = {key: value for key, value in meta.items() if key not in core and _short(value)}
        made_from = fingerprint(document.made_from.get("extract", ""), GENERATED_BY, msgspec.json.encode(given))
        return replace(
            report,
            outputs=await outputs.seal(),
            facts={"madeFrom": made_from, "metadata": shown, "counts": {}},
            meta=shown,
        )

    async def _former(self, artefact: Artefact | None, name: str) -> dict[str, Any]:
        if artefact is None or not artefact.key.endswith("/" + name):
            return {}
        try:
            return frontmatter.parse((await self._storage.read(artefact.key)).decode(errors="replace"))[0]
        except ShadowtwinError:
            return {}


def _encoded(head: dict[str, Any], pages: Paged) -> bytes:
    return frontmatter.render(head, pages.body()).encode()


def _lines(rows: Any) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _document_info(pages: int) -> dict[str, Any]:
    """What the extractor's document.json says, as far as it is known without the PDF."""
    allowed = dict.fromkeys(("copy", "print", "modify", "annotate", "accessibility"), True)
    return {
        "pages": pages,
        "metadata": {},
        "outline": [],
        "encrypted": False,
        "permissions": allowed,
        "warnings": ["the text came from a foreign worker"],
    }


def _page_row(number: int, text: str) -> dict[str, Any]:
    """A row of pages.jsonl; 0 and "" stand for what only a look at the sheet could tell."""
    return {
        "number": number,
        "chars": len(text),
        "confidence": 0.5 if text else 0.0,
        "language": "",
        "width": 0.0,
        "height": 0.0,
        "rotation": 0,
        "blocks": [],
        "header": "",
        "footer": "",
        "label": "",
        "warnings": [],
        "error": "",
    }


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {str(key): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def _short(value: Any) -> bool:
    return len(msgspec.json.encode(value)) <= SHOWN_MOST
