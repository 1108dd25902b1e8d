"""The transform phase: transcript in storage -> transformation (merged frontmatter, same body) in storage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from services.transformer import templates
from services.transformer.offline_analyzer import ANALYZER
from services.transformer.settings import TransformerSettings
from services.transformer.task import Task
from shared import frontmatter, reading, twin
from shared.child import ChildFailed, Children, Limits
from shared.errors import DocumentError, ShadowtwinError, TransientError
from shared.gates import Verdict, fingerprint, judge_verified, template_gate
from shared.job import StepName
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.ticket import Outcome, Ticket


class Transformation:
    """The phase's gate and work (shared.phase.Phase)."""

    step = StepName.TRANSFORM

    def __init__(self, storage: Storage, children: Children, settings: TransformerSettings) -> None:
        self._storage, self._children, self._settings = storage, children, settings

    async def gate(self, ticket: Ticket) -> Verdict:
        """`frontmatter_complete`: skip if the transformation is complete and made from the current transcript."""
        parameters = ticket.parameters
        template = templates.load(parameters.template)
        complete = False
        if "transformation" in ticket.document.artefacts:
            complete = is_complete(await self._former(ticket), template)
        recorded = template_gate(ticket.document, made_from(ticket, template), frontmatter_complete=True)
        policies, phases = parameters.policies, parameters.phases
        return judge_verified(policies.metadata, phases.template, recorded, complete, "frontmatter_complete")

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Analyse the transcript, merge the answer into the frontmatter, store the transformation."""
        document, template = ticket.document, templates.load(ticket.parameters.template)
        transcript = (await reading.read(self._storage, document, "transcript")).decode()
        info = msgspec.json.decode(await reading.read(self._storage, document, "info"), type=dict[str, Any])
        pages = await reading.rows(self._storage, document, "pages")
        _, body = frontmatter.parse(transcript)
        await report.progress(20, "analysing")
        answer = await self._analyse(Task(transcript=body, info=info, pages=pages, template=template))
        values = {**answer["values"], "chapters": answer["chapters"]}
        meta = templates.apply(template, await self._former(ticket), values)
        language = str(meta.get("language") or ticket.parameters.target_language)
        meta = {**_core(ticket, len(pages), language), **{k: v for k, v in meta.items() if k not in _CORE}}
        report.mark(
            "transform_meta", f"{len(values)} fields, {len(answer['chapters'])} chapters", template=template.name
        )
        await report.progress(80, "storing")
        outputs = Outputs(self._storage, ticket.output_prefix)
        name = twin.artefact_name(
            document.name, "transformation", ticket.parameters.target_language, ticket.parameters.template
        )
        await outputs.write(name, frontmatter.render(meta, body).encode(), "transformation")
        warnings = [{"code": "analysis", "message": message} for message in answer["warnings"]]
        return Outcome(
            outputs=await outputs.seal(),
            facts={
                "madeFrom": made_from(ticket, template),
                "metadata": shown_metadata(meta),
                "counts": {"chapters": len(answer["chapters"])},
            },
            counts={"chapters": len(answer["chapters"])},
            warnings=warnings,
            meta={key: value for key, value in meta.items() if key not in ("chapters",)}
            | {"chaptersCount": len(answer["chapters"])},
        )

    async def _analyse(self, task: Task) -> dict[str, Any]:
        limits = Limits(
            memory_bytes=self._settings.child_memory_bytes,
            wall_seconds=self._settings.child_seconds,
            idle_seconds=self._settings.child_seconds,
        )
        try:
            answer: dict[str, Any] = await self._children.run(
                "services.transformer.child_transform:transform", msgspec.to_builtins(task), limits, _ignore
            )
            return answer
        except ChildFailed as failed:
            if failed.kind == "lost":
                raise TransientError("unavailable", "The analyzer's process was lost.") from failed
            raise DocumentError("worker_failed", f"The analysis ended badly ({failed.kind}).") from failed

    async def _former(self, ticket: Ticket) -> dict[str, Any]:
        """Frontmatter of the stored transformation, if it is of this template and readable."""
        artefact = ticket.document.artefacts.get("transformation")
        name = twin.artefact_name(
            ticket.document.name, "transformation", ticket.parameters.target_language, ticket.parameters.template
        )
        if artefact is None or not artefact.key.endswith("/" + name):
            return {}
        try:
            return frontmatter.parse((await self._storage.read(artefact.key)).decode(errors="replace"))[0]
        except ShadowtwinError:
            return {}


_CORE = (*twin.CORE_FIELDS, "pages")


def _core(ticket: Ticket, pages: int, language: str) -> dict[str, Any]:
    return {
        "type": "transformation",
        "source_file": ticket.document.name,
        "template": ticket.parameters.template,
        "language": language,
        "generated_by": f"shadowtwin/transformer/{ANALYZER}",
        "generated_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "pages": pages,
    }


def is_complete(meta: dict[str, Any], template: templates.Template) -> bool:
    """Whether a transformation answers everything the template asks; chapters are optional."""
    if twin.missing_core_fields("transformation", meta):
        return False
    return all(template.keys.get(name, name) in meta for name in template.asked if name != "chapters")


def made_from(ticket: Ticket, template: templates.Template) -> str:
    """Fingerprint of everything the transformation depends on."""
    transcript = ticket.document.artefacts.get("transcript")
    digest = transcript.sha256 if transcript else ""
    return fingerprint(digest, template.digest, ANALYZER, ticket.parameters.target_language)


def shown_metadata(meta: dict[str, Any]) -> dict[str, Any]:
    """What the document record shows of the frontmatter: everything short."""
    return {k: v for k, v in meta.items() if k != "chapters" and (k == "language" or k not in _CORE)}


async def _ignore(message: Any) -> None:
    return None
