"""The metadata stage: the template's questions are answered, the frontmatter is merged, the twin is written anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from services.transformer.analyzer import Analyzer
from services.transformer.stage import Done, Work
from shared import frontmatter, reading, templates, twin
from shared.errors import ShadowtwinError
from shared.gates import Verdict, fingerprint, judge_verified, template_gate
from shared.job import StepName
from shared.ports import Storage
from shared.shelf import Shelf
from shared.ticket import Ticket


class Metadata:
    """Stage `transform_template` (checklist A3.4, A3.8); it is the step itself, so it has no row of its own."""

    step = StepName.TRANSFORM
    roles: tuple[str, ...] = ("transformation",)

    def __init__(self, storage: Storage, analyzer: Analyzer) -> None:
        self._storage, self._analyzer, self._shelf = storage, analyzer, Shelf(storage)

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        """`frontmatter_complete`: skip if the transformation is complete and made from the current transcript."""
        parameters = ticket.parameters
        template = await self._template(ticket)
        complete = False
        if "transformation" in ticket.document.artefacts:
            complete = is_complete(await self._former(ticket), template)
        recorded = template_gate(ticket.document, await self.made_from(ticket), frontmatter_complete=True)
        policies, phases = parameters.policies, parameters.phases
        return judge_verified(policies.metadata, phases.template, recorded, complete, "frontmatter_complete")

    async def made_from(self, ticket: Ticket) -> str:
        """Transcript, template, analyzer and language."""
        transcript = ticket.document.artefacts.get("transcript")
        template = await self._template(ticket)
        return fingerprint(
            transcript.sha256 if transcript else "",
            template.digest,
            self._analyzer.name,
            ticket.parameters.target_language,
        )

    async def run(self, work: Work) -> Done:
        """Analyse the transcript, merge the answer into the frontmatter, store the transformation."""
        ticket, report = work.ticket, work.report
        template = await self._template(ticket)
        material = await work.material()
        await report.progress(20, "analysing")
        answer = await self._analyzer.describe(material, template, work)
        values = {**answer.values, "chapters": answer.chapters}
        meta = templates.apply(template, await self._former(ticket), values)
        language, warnings = _language(meta.get("language"), ticket.parameters.target_language)
        core = self._core_of(ticket, len(material.pages), language, template.digest)
        meta = {**core, **{k: v for k, v in meta.items() if k not in _CORE}}
        report.mark("transform_meta", f"{len(values)} fields, {len(answer.chapters)} chapters", template=template.name)
        await report.progress(80, "storing")
        name = _name(ticket)
        await work.outputs.write(name, frontmatter.render(meta, material.body).encode(), "transformation")
        chapters = len(answer.chapters)
        return Done(
            made_from=await self.made_from(ticket),
            counts={"chapters": chapters},
            metadata=shown_metadata(meta),
            meta={key: value for key, value in meta.items() if key != "chapters"} | {"chaptersCount": chapters},
            warnings=[{"code": "analysis", "message": message} for message in [*answer.warnings, *warnings]],
        )

    async def _template(self, ticket: Ticket) -> templates.Template:
        return await self._shelf.load(ticket.document.library_id, ticket.parameters.template)

    async def _former(self, ticket: Ticket) -> dict[str, Any]:
        """Frontmatter of the stored transformation, if it is of this template and readable."""
        artefact = ticket.document.artefacts.get("transformation")
        if artefact is None or not artefact.key.endswith("/" + _name(ticket)):
            return {}
        try:
            content = await reading.read(self._storage, ticket.document, "transformation")
            return frontmatter.parse(content.decode(errors="replace"))[0]
        except ShadowtwinError:
            return {}

    def _core_of(self, ticket: Ticket, pages: int, language: str, digest: str) -> dict[str, Any]:
        return {
            "type": "transformation",
            "source_file": ticket.document.name,
            "template": ticket.parameters.template,
            "language": language,
            "generated_by": f"shadowtwin/transformer/{self._analyzer.name}",
            "generated_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "template_hash": digest,
            "pages": pages,
        }


_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")
_CORE = (*twin.CORE_FIELDS, "template_hash", "pages")


def _name(ticket: Ticket) -> str:
    parameters = ticket.parameters
    return twin.artefact_name(ticket.document.name, "transformation", parameters.target_language, parameters.template)


def _language(said: object, otherwise: str) -> tuple[str, list[str]]:
    """The language of the core fields, and warnings. Others go by it, so that what an answer says counts only if it is
    a code: a document may try to have anything said."""
    if not said or (isinstance(said, str) and _CODE.fullmatch(said)):
        return str(said or otherwise), []
    return otherwise, [f"language: {str(said)[:40]!r} is no language code; {otherwise} stands in its place"]


def is_complete(meta: dict[str, Any], template: templates.Template) -> bool:
    """Whether a transformation answers everything the template asks; chapters are optional."""
    if twin.missing_core_fields("transformation", meta):
        return False
    return all(template.keys.get(name, name) in meta for name in template.asked if name != "chapters")


def shown_metadata(meta: dict[str, Any]) -> dict[str, Any]:
    """What the document record shows of the frontmatter: everything short."""
    return {k: v for k, v in meta.items() if k != "chapters" and (k == "language" or k not in _CORE)}
