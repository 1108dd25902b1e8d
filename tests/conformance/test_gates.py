"""Conformance table `gates`: the workers' own gates, asked by a real run through the gateway.

Rows carry no hashes: wherever a row says that something exists, it is recorded as made from the current inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.extractor.extraction import Extraction
from services.ingestor.ingestion import Ingestion
from services.transformer.transformation import Transformation
from shared import frontmatter, log_phases, templates
from shared.document import Document
from shared.errors import RequestError
from shared.gates import Verdict, template_decision
from shared.job import Parameters, Phases, Policies, Policy, StepName
from shared.policies import parse_directive
from shared.ports import VectorRow
from shared.ticket import Ticket
from tests.conformance.table import agree, concept, known, rows, rule_of
from tests.contract.conftest import Stores
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf
from tests.support.phases import Counted, Route, real_phases

PHASES: dict[str, tuple[StepName, str, str]] = {
    "extract": (StepName.EXTRACT, "extract", "extract"),
    "metadata": (StepName.TRANSFORM, "template", "metadata"),
    "template": (StepName.TRANSFORM, "template", "metadata"),
    "ingest": (StepName.INGEST, "ingest", "ingest"),
}
"""A row's phase -> our step, the name of its switch, the name of its policy."""

TEMPLATE = "---\npages: {{pages|How many}}\nchapters: {{chapters|Which}}\n---\n"
"""Asks for what the rows know of a frontmatter; chapters are optional in every template."""


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default template asks for no more than the rows can answer."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "document.md").write_text(TEMPLATE)
    monkeypatch.setattr(templates, "LIBRARY", folder)


@pytest.fixture(scope="session")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return long_pdf(tmp_path_factory.mktemp("pdf") / "a.pdf", 1).read_bytes()


class Bench:
    """One document with a past, and a run that looks at one phase."""

    def __init__(self, gateway: World, pdf: bytes) -> None:
        self.world, self.phases, self._pdf = gateway, real_phases(gateway), pdf

    async def document(self) -> Document:
        """The document after a first run of the phases before; the job of that run has ended."""
        accepted = await self.world.upload(self._pdf)
        await self.world.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
        await self.world.settle()
        return await self.stored(accepted["documentId"])

    async def stored(self, document_id: str) -> Document:
        found = await self.world.documents.get(document_id)
        assert found is not None
        return found

    async def keep(self, document: Document) -> Document:
        assert await self.world.documents.put(document)
        return await self.stored(document.document_id)

    async def file(self, document: Document, role: str, name: str, content: bytes) -> Document:
        """The document with a stored file of that role."""
        artefact = await self.world.storage.write(f"{document.library_id}/{document.document_id}/{name}", content)
        return replace(document, artefacts={**document.artefacts, role: artefact})

    async def made(self, document: Document, step: StepName) -> Document:
        """The document with the step recorded as made from what is current."""
        ticket = Ticket(
            token="",
            job_id="",
            process_id="",
            attempt=1,
            step=step,
            heartbeat_seconds=1,
            deadline_seconds=1,
            document=document,
            parameters=Parameters(),
            output_prefix="",
        )
        ingestion = self.phases[StepName.INGEST]._phase
        extraction = self.phases[StepName.EXTRACT]._phase
        assert isinstance(extraction, Extraction)
        transformation = self.phases[StepName.TRANSFORM]._phase
        assert isinstance(ingestion, Ingestion)
        assert isinstance(transformation, Transformation)
        if step == StepName.TRANSFORM:
            current = await transformation.stages[0].made_from(ticket)
        else:
            current = extraction.made_from(ticket) if step == StepName.EXTRACT else ingestion._made_from(ticket)
        name = {StepName.EXTRACT: "extract", StepName.TRANSFORM: "transform", StepName.INGEST: "ingest"}[step]
        return replace(document, made_from={**document.made_from, name: current})

    async def run(
        self, document: Document, phase: str, policy: Policy, enabled: bool
    ) -> tuple[dict[str, Any], Counted]:
        """A job that comes to the phase with that policy and skips all others; its steps and logs, and the phase."""
        step, switch, name = PHASES[phase]
        policies = replace(
            Policies(extract=Policy.IGNORE, metadata=Policy.IGNORE, ingest=Policy.IGNORE), **{name: policy}
        )
        parameters = {"policies": policies, "phases": replace(Phases(), **{switch: enabled})}
        form = {"documentId": document.document_id, "parameters": msgspec.json.encode(parameters).decode()}
        job_id = (await self.world.http.post("/api/jobs", data=form)).json()["jobId"]
        await self.world.settle()
        await Route(self.world, self.phases).run()
        job: dict[str, Any] = (await self.world.http.get(f"/api/jobs/{job_id}")).json()
        return job, self.phases[step]


async def with_gate(bench: Bench, document: Document, phase: str) -> Document:
    """The document with everything that makes the phase's gate exist."""
    if phase == "extract":
        return await with_state(bench, document, phase, {"shadow_twin": True, "twin_bytes": 812})
    if phase == "ingest":
        return await with_state(bench, document, phase, {"doc_meta": {"chunkCount": 57, "chaptersCount": 9}})
    state = {"meta_history": ["template_pick", "template_transform"], "twin_frontmatter": {"chapters": [], "pages": 3}}
    return await with_state(bench, document, phase, state)


async def with_state(bench: Bench, document: Document, phase: str, state: dict[str, Any]) -> Document:
    """The document in the state of a row."""
    known(state, *STATES[phase])
    if phase == "extract":
        return await with_twin(bench, document, state)
    if phase == "ingest":
        return await with_doc_meta(bench, document, state["doc_meta"])
    return await with_frontmatter(bench, document, state["meta_history"], state.get("twin_frontmatter"))


STATES = {
    "extract": ("shadow_twin", "twin_bytes", "previous_job"),
    "metadata": ("meta_history", "twin_frontmatter"),
    "template": ("meta_history", "twin_frontmatter"),
    "ingest": ("doc_meta",),
}


async def with_twin(bench: Bench, document: Document, state: dict[str, Any]) -> Document:
    if state["shadow_twin"]:
        document = await bench.file(document, "transcript", "a.en.md", b"x" * state["twin_bytes"])
        return await bench.made(document, StepName.EXTRACT)
    if previous := state.get("previous_job"):
        known(previous, "status", "savedItemId", "twin_readable")
        document = await bench.file(document, "transcript", f"{previous['savedItemId']}.md", b"text")
        if not previous["twin_readable"]:
            await bench.world.storage.delete(document.artefacts["transcript"].key)
        return await bench.made(document, StepName.EXTRACT)
    return document


async def with_frontmatter(
    bench: Bench, document: Document, history: list[str], meta: dict[str, Any] | None
) -> Document:
    if meta is not None:
        core = {
            "type": "transformation",
            "source_file": document.name,
            "template": "document",
            "language": "en",
            "generated_by": "another run",
            "generated_at": "2026-01-01T00:00:00Z",
        }
        text = frontmatter.render({**core, **meta}, "--- Seite 1 ---\ntext\n")
        document = await bench.file(document, "transformation", "a.document.en.md", text.encode())
    return await bench.made(document, StepName.TRANSFORM) if "template_transform" in history else document


async def with_doc_meta(bench: Bench, document: Document, counters: dict[str, int] | None) -> Document:
    if counters is None:
        return await bench.made(document, StepName.INGEST)
    known(counters, "chunkCount", "chaptersCount")
    row = VectorRow(
        row_id=f"doc-meta-{document.document_id}",
        kind="doc",
        library_id=document.library_id,
        document_id=document.document_id,
        file_id=document.item_id,
        generation="g1",
        vector=[1.0] + [0.0] * 15,
        extra=dict(counters),
    )
    await bench.world.vectors.put_doc(row, insert_only=False)
    document = replace(
        document,
        generation="g1",
        chunk_count=counters.get("chunkCount", 0),
        chapters_count=counters.get("chaptersCount", 0),
    )
    return await bench.made(document, StepName.INGEST)


async def asked(bench: Bench, given: dict[str, Any]) -> tuple[dict[str, Any], Counted]:
    """The row's phase in a run with the row's directive over a document with or without the gate."""
    known(given, "phase", "phase_enabled", "directive", "gate_exists")
    policy = parse_directive(given["directive"])
    document = await bench.document()
    if given["gate_exists"]:
        document = await bench.keep(await with_gate(bench, document, given["phase"]))
    return await bench.run(document, given["phase"], policy, given.get("phase_enabled", True))


async def directive_x_gate(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    job, phase = await asked(bench, given)
    step = next(row for row in job["steps"] if row["name"] == phase.step)
    verdict = phase.verdicts[-1]
    assert verdict.exists == given["gate_exists"], "the document was not brought into the row's state"
    assert phase.works == int(verdict.run)
    return {"run": verdict.run, "step": step if step["skipped"] else "runs"}


async def gate_log_phase(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    job, phase = await asked(bench, given)
    gates = [row["phase"] for row in job["logs"] if "_gate_" in row["phase"]]
    return {"log_phase": [name for name in gates if log_phases.belongs_to(name) == phase.step][-1]}


async def gate_exists(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "phase", "state")
    document = await with_state(bench, await bench.document(), given["phase"], given["state"])
    _, phase = await bench.run(await bench.keep(document), given["phase"], Policy.DO, True)
    verdict: Verdict = phase.verdicts[-1]
    return {"gate_exists": verdict.exists, "reason": verdict.reason}


async def unknown_directive(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "phase", "directive")
    try:
        return {"policy": parse_directive(given["directive"]), "error": None}
    except RequestError as error:
        return {"error": concept(error.message)}


async def decision(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "directive", "gate_exists", "callback", "fm_complete")
    verdict = template_decision(given["directive"], given["gate_exists"], given["callback"], given["fm_complete"])
    return {"run": verdict.run, "reason": verdict.reason}


RULES = {
    "directive_x_gate": directive_x_gate,
    "phase_switched_off_wins": directive_x_gate,
    "unknown_directive_is_refused": unknown_directive,
    "gate_extract_exists": gate_exists,
    "gate_template_exists": gate_exists,
    "gate_ingest_exists": gate_exists,
    "gate_log_phase": gate_log_phase,
    "template_decision": decision,
}


async def check(row: dict[str, Any], stores: Stores, pdf: bytes) -> None:
    """One row against a fresh world on these stores."""
    async with world(jobs=stores.jobs, documents=stores.documents) as gateway:
        agree(await rule_of(row, RULES)(Bench(gateway, pdf), row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("gates"))
async def test_gates(row: dict[str, Any], stores: Stores, pdf: bytes):
    await check(row, stores, pdf)
