"""Conformance table `skip_pipeline` once more, with real steps: a document with the row's past, a batch with the row's
parameters, and the workers' own gates. What is compared is which steps ran, and whether a lost result was noticed.

Statuses are facts here: a step is `completed` while its result is recorded as made from the current inputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from shared import records
from shared.document import Document
from shared.errors import DocumentError
from shared.gates import DESYNC
from shared.job import StepName
from shared.phase import Report
from shared.ticket import Outcome, Ticket
from tests.conformance.table import known, rows
from tests.conformance.test_skip_pipeline import COLUMNS
from tests.support.gateway import world
from tests.support.phases import Counted, Route
from tests.wiring.test_records import METADATA, SCHEMA, Bench

PURPOSES = {"metadata": "metadata", "extraction": "records", "refinement": "refinement"}
"""The question that a step asks the model when it runs."""

STEP_KEYS = {"ocr": "extract", "metadata": "transform", "extraction": "extract_records"}
"""Under which name the document record keeps what a step was made from."""


def found(count: int) -> dict[str, Any]:
    return {"records": [{"values": {"species": f"species {n} {'x' * n}", "location": "here"}} for n in range(count)]}


class Failing:
    """A phase whose work fails."""

    def __init__(self, phase: Counted) -> None:
        self._phase, self.step = phase, phase.step
        self.gate = phase.gate

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        self._phase.works += 1
        raise DocumentError("pdf_corrupt")


@contextlib.asynccontextmanager
async def staged(row: dict[str, Any]) -> AsyncIterator[Bench]:
    """A bench whose document has the row's past."""
    async with world() as made:
        assert (await made.http.put("/api/schemas/bats", json=SCHEMA)).status_code == 201
        past = row["document"]
        known(past, "new_records", *COLUMNS)
        answers = {"metadata": METADATA, "records": found(int(past.get("records") or 0)), "refinement": {"records": []}}
        bench = Bench(made, answers)
        await bench.run()
        await put_back(bench, past)
        bench.answers["records"] = found(int(past.get("records") or 0) + int(past.get("new_records") or 0))
        if "new_records" not in past and not past.get("records"):
            bench.answers["records"] = found(1)
        bench.models.asked.clear()
        yield bench


async def put_back(bench: Bench, past: dict[str, Any]) -> None:
    """Take away what the row says is not there."""
    document = await stored(bench)
    made_from = dict(document.made_from)
    for step, key in STEP_KEYS.items():
        if past.get(f"{step}_status") != "completed":
            made_from.pop(key, None)
    made_from.pop("request", None)
    artefacts = dict(document.artefacts)
    lost = {"transcript": past.get("document_content"), "transformation": past.get("title")}
    for role, kept in lost.items():
        if not kept:
            await bench.world.storage.delete(artefacts[role].key)
    if not past.get("ocr_status"):
        artefacts = {"source": artefacts["source"]}
    elif not past.get("records"):
        artefacts.pop(records.ROLE, None)
    assert await bench.world.documents.put(replace(document, made_from=made_from, artefacts=artefacts))


async def stored(bench: Bench) -> Document:
    document = await bench.world.documents.get(bench.document)
    assert document is not None
    return document


def ours(choice: Any, row_id: Any, document_id: str) -> Any:
    """A row's number is our document, any other number some other one."""
    if isinstance(choice, list):
        return [document_id if each == row_id else f"doc-other-{each}" for each in choice]
    return choice


async def ran(bench: Bench, row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The steps that ran for the row's parameters, and the lost results that were noticed."""
    given, failures = row["params"], row["step_failures"]
    lists = ("force_reprocess_ocr", "force_reprocess_metadata", "force_reprocess_extraction", "run_refinement")
    known(given, "run_extraction", *lists)
    body: dict[str, Any] = {"documentIds": [bench.document], "parameters": {"records": {"schema": "bats"}}}
    for name, value in given.items():
        body[name] = ours(value, row["document"]["document_id"], bench.document)
    phases: dict[StepName, Any] = dict(bench.phases)
    before = bench.phases[StepName.EXTRACT].works
    for failure in failures:
        if failure == "ocr":
            phases[StepName.EXTRACT] = Failing(bench.phases[StepName.EXTRACT])
        else:
            bench.answers[PURPOSES[failure]] = DocumentError("worker_failed")
    answer = await bench.world.http.post("/api/batches", json=body)
    assert answer.status_code == 202, answer.text
    await bench.world.settle()
    job_id = answer.json()["documents"][0]["jobId"]
    await Route(bench.world, phases).run()
    steps = ["ocr"] if bench.phases[StepName.EXTRACT].works > before else []
    steps += [step for step, purpose in PURPOSES.items() if bench.asked(purpose)]
    job = (await bench.world.http.get(f"/api/jobs/{job_id}")).json() if job_id else {"logs": []}
    reasons = {entry["phase"] for entry in job["logs"] if DESYNC in str(entry.get("message"))}
    named = {"extract_gate_plan": "ocr", "transform_gate_plan": "metadata"}
    return steps, sorted(named[phase] for phase in reasons if phase in named)


def cases() -> list[Any]:
    return [case for case in rows("skip_pipeline") if case.values[0]["rule"] == "one_document"]


@pytest.mark.parametrize("row", cases())
async def test_skip_pipeline_with_real_steps(row: dict[str, Any]):
    async with staged(row["in"]) as bench:
        steps, noticed = await ran(bench, row["in"])
        assert steps == row["want"]["ran"]
        assert noticed == sorted(row["want"]["desync"])
        if not row["in"]["step_failures"]:
            document = await stored(bench)
            for step, status in row["want"]["status_after"].items():
                assert bool(document.made_from.get(STEP_KEYS[step])) is (status == "completed"), step
