"""Records by a user's schema: extraction inserts, refinement updates, people decide, and no machine undoes that."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.transformer.metadata import Metadata
from services.transformer.model_analyzer import ModelAnalyzer
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.records.stage import Records
from services.transformer.settings import TransformerSettings
from services.transformer.transformation import Transformation
from shared.errors import ModelAnswerError
from shared.job import StepName
from shared.models import ModelRequest
from shared.testing.memory_vectors import HashEmbedder
from shared.testing.scripted_models import ScriptedModels
from tests.support.gateway import World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Counted, InlineChildren, Route, real_phases

FIELDS = {
    "species": {"type": "string"},
    "location": {"type": "string"},
    "count": {"type": ["integer", "null"], "title": "Number of animals"},
}
SCHEMA = {
    "properties": {
        "records": {
            "items": {"properties": FIELDS, "required": ["species"], "x-unique-fields": ["species", "location"]}
        }
    }
}
TEXT = "Tracks of Lutra lutra were found at the mill. Castor fiber was seen at the weir, four animals."
OTTER: dict[str, Any] = {
    "values": {"species": "Lutra lutra", "location": "mill"},
    "page": 1,
    "quote": "Tracks of Lutra lutra were found at the mill",
}
BEAVER: dict[str, Any] = {
    "values": {"species": "Castor fiber", "location": "weir", "count": "4"},
    "page": 7,
    "quote": "Castor fiber was seen at the weir",
}
METADATA: dict[str, Any] = {
    "title": "T", "authors": [], "year": None, "language": "en", "keywords": [], "summary": "", "chapters": []
}  # fmt: skip


class Bench:
    """A gateway with real phases, whose model answers as told."""

    def __init__(self, made: World, answers: dict[str, Any]) -> None:
        self.world, self.answers = made, answers
        self.models = ScriptedModels({})
        self.models._answers = answers
        children: Any = InlineChildren()
        settings = TransformerSettings()
        analyzer = ModelAnalyzer(self.models, OfflineAnalyzer(children, settings), settings)
        records = Records(made.storage, analyzer, HashEmbedder)
        self.phases = {
            **real_phases(made),
            StepName.TRANSFORM: Counted(Transformation(made.storage, [Metadata(made.storage, analyzer), records])),
        }
        self.document = ""

    async def run(self, **records: Any) -> dict[str, Any]:
        """A job of the one document with these record options; its job document."""
        options = json.dumps({"records": {"schema": "bats", **records}})
        if self.document:
            form = {"documentId": self.document, "parameters": options}
            accepted = (await self.world.http.post("/api/jobs", data=form)).json()
        else:
            accepted = await self.world.upload(text_pdf(TEXT), parameters=options)
            self.document = accepted["documentId"]
        await self.world.settle()
        await Route(self.world, self.phases).run()
        if accepted["jobId"] is None:
            return {"status": accepted["status"], "counts": {}, "steps": []}
        job: dict[str, Any] = (await self.world.http.get(f"/api/jobs/{accepted['jobId']}")).json()
        return job

    async def records(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.world.http.get(f"/api/documents/{self.document}/records", params=query)
        rows: list[dict[str, Any]] = answer.json()["records"]
        return rows

    async def patch(self, record_id: str, **body: Any) -> Any:
        return await self.world.http.patch(f"/api/records/{record_id}", json=body)

    def asked(self, purpose: str) -> int:
        return sum(request.purpose == purpose for request in self.models.asked)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with world() as made:
        assert (await made.http.put("/api/schemas/bats", json=SCHEMA)).status_code == 201
        yield Bench(made, {"metadata": METADATA, "records": {"records": [OTTER, BEAVER]}})


def steps(job: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: "skipped" if step["skipped"] else step["status"] for step in job["steps"]}


async def test_records_are_typed_cited_and_counted(bench: Bench):
    job = await bench.run()
    assert job["status"] == "completed", job["error"]
    assert steps(job)["extract_records"] == "completed"
    assert (job["counts"]["records"], job["counts"]["recordsInserted"]) == (2, 2)
    otter, beaver = await bench.records()
    assert beaver["values"] == {"species": "Castor fiber", "location": "weir", "count": 4}
    assert otter["citation"] == {"page": 1, "quote": OTTER["quote"], "verified": True}
    assert beaver["citation"]["page"] == 1  # the model said 7, the words stand on 1
    assert otter["promptHash"]
    assert otter["schema"] == "bats"


async def test_a_second_extraction_inserts_only_what_is_new_and_changes_nothing(bench: Bench):
    await bench.run()
    before = await bench.records()
    changed = {**OTTER, "values": {**OTTER["values"], "count": 9}}
    newt = {"values": {"species": "Triturus cristatus"}, "page": 1, "quote": "invented words that stand nowhere"}
    bench.answers["records"] = {"records": [changed, BEAVER, newt, newt]}
    job = await bench.run(force=True)
    after = await bench.records()
    assert after[:2] == before
    assert [row["values"]["species"] for row in after] == ["Lutra lutra", "Castor fiber", "Triturus cristatus"]
    assert (job["counts"]["recordsInserted"], job["counts"]["recordsDuplicate"]) == (1, 3)
    assert after[2]["citation"]["verified"] is False
    assert any("stand on no page" in warning["message"] for warning in job["warnings"])


async def test_a_completed_extraction_is_not_repeated_although_the_schema_changes(bench: Bench):
    await bench.run()
    await bench.world.http.put("/api/schemas/bats", json={**SCHEMA, "x-prompt": "Only mammals."})
    await bench.run()
    assert bench.asked("records") == 1
    await bench.run(force=True)
    assert bench.asked("records") == 2


async def test_no_records_at_all_is_a_valid_result_and_is_not_asked_again(bench: Bench):
    bench.answers["records"] = {"records": []}
    job = await bench.run()
    assert (job["status"], job["counts"]["records"]) == ("completed", 0)
    await bench.run()
    assert bench.asked("records") == 1
    assert await bench.records() == []


async def test_what_people_say_survives_extraction_and_refinement(bench: Bench):
    await bench.run()
    otter, beaver = await bench.records()
    assert (await bench.patch(otter["recordId"], values={"count": 3}, by="Ada")).json()["values"]["count"] == 3
    assert (await bench.patch(beaver["recordId"], deleted=True)).status_code == 200
    better = [
        {"recordId": otter["recordId"], "values": {"count": 99, "location": "moon"}},
        {"recordId": beaver["recordId"], "values": {"count": 99}},
        {"recordId": "rec-unknown", "values": {"species": "invented"}},
    ]
    bench.answers["refinement"] = {"records": better}
    job = await bench.run(force=True, refine=True)
    assert job["status"] == "completed"
    assert job["counts"]["recordsInserted"] == 0  # the deleted one is no new find
    shown = await bench.records(deleted=True)
    assert [(row["values"].get("count"), row["edited"], row["deleted"]) for row in shown] == [
        (3, True, False),
        (4, True, True),
    ]
    assert shown[0]["values"]["location"] == "mill"
    assert [row["recordId"] for row in await bench.records()] == [otter["recordId"]]
    back = await bench.patch(beaver["recordId"], deleted=False)
    assert back.json()["deleted"] is False


async def test_refinement_updates_only_and_only_when_asked(bench: Bench):
    await bench.run()
    otter, beaver = await bench.records()
    bench.answers["refinement"] = {
        "records": [{"recordId": otter["recordId"], "values": {"count": 2, "species": None}}]
    }
    assert bench.asked("refinement") == 0
    job = await bench.run(refine=True)
    assert steps(job)["refine_records"] == "completed"
    assert bench.asked("records") == 1
    refined, same = await bench.records()
    assert refined["values"] == {"species": "Lutra lutra", "location": "mill", "count": 2}
    assert refined["recordId"] == otter["recordId"]
    assert refined["refinedAt"]
    assert same == beaver


async def test_a_record_that_does_not_fit_loses_only_itself_visibly(bench: Bench):
    bench.answers["records"] = lambda request: {"records": [OTTER, {"values": {"location": "nowhere"}}]}
    job = await bench.run()
    assert job["status"] == "completed"
    assert job["counts"]["records"] in (0, 1)
    assert any(warning["code"] == "records" for warning in job["warnings"])


async def test_a_document_of_which_nothing_can_be_read_fails_instead_of_saying_zero(bench: Bench):
    bench.answers["records"] = ModelAnswerError("model_answer_invalid", "garbage")
    job = await bench.run()
    assert (job["status"], job["error"]["code"]) == ("failed", "worker_failed")


async def test_further_readings_add_what_the_first_has_overlooked(bench: Bench):
    def overlooking(request: ModelRequest) -> dict[str, Any]:
        return {"records": [OTTER, BEAVER] if "reading 3" in request.instructions else [OTTER]}

    bench.answers["records"] = overlooking
    job = await bench.run(reps=3)
    assert bench.asked("records") == 3
    assert (job["counts"]["recordsInserted"], job["counts"]["recordsDuplicate"]) == (2, 2)
    assert [row["values"]["species"] for row in await bench.records()] == ["Lutra lutra", "Castor fiber"]


async def test_duplicates_may_be_told_by_embeddings(bench: Bench):
    await bench.run()
    bench.answers["records"] = {"records": [{**OTTER, "values": {"species": "LUTRA  lutra ", "location": "Mill"}}]}
    job = await bench.run(force=True, method="embedding", threshold=0.5)
    assert job["counts"]["recordsDuplicate"] == 1


async def test_a_forced_metadata_run_makes_the_extraction_run_again(bench: Bench):
    await bench.run()
    form = {
        "documentId": bench.document,
        "parameters": json.dumps({"policies": {"metadata": "force"}, "records": {"schema": "bats"}}),
    }
    await bench.world.http.post("/api/jobs", data=form)
    await bench.world.settle()
    await Route(bench.world, bench.phases).run()
    assert bench.asked("records") == 2


async def test_records_are_exported_as_csv_without_formulas_and_as_jsonl(bench: Bench):
    evil: dict[str, Any] = {
        "values": {"species": "=cmd|' /C calc'!A0", "location": 'a,"b"\nc'},
        "page": 1,
        "quote": "@x",
    }
    bench.answers["records"] = {"records": [evil]}
    await bench.run()
    url = f"/api/documents/{bench.document}/records"
    answer = await bench.world.http.get(url, params={"format": "csv"})
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["recordId", "species", "location", "count", "page", "quote", "verified", "edited"]
    assert rows[1][1].startswith("'=")
    assert rows[1][2] == 'a,"b"\nc'
    lines = (await bench.world.http.get(url, params={"format": "jsonl"})).text.splitlines()
    assert json.loads(lines[0])["values"]["species"] == evil["values"]["species"]


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, 400), ({"values": {"nothing": 1}}, 422), ({"values": {"count": "many"}}, 422), ({"what": 1}, 400)],
)
async def test_an_edit_that_makes_no_sense_changes_nothing(bench: Bench, body: dict[str, Any], code: int):
    await bench.run()
    before = await bench.records()
    answer = await bench.patch(before[0]["recordId"], **body)
    assert answer.status_code == code
    assert await bench.records() == before


@pytest.mark.parametrize("name", ["rec-x", "rec-" + "0" * 24 + "-" + "0" * 16, "..", "%2e%2e"])
async def test_an_unknown_record_is_not_found(bench: Bench, name: str):
    assert (await bench.world.http.get(f"/api/records/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "no JSON"),
        ("[]", "properties > records > items"),
        ({"properties": {"records": {"items": {"properties": FIELDS}}}}, "missing x-unique-fields"),
        ({"properties": {"records": {"items": {"properties": FIELDS, "x-unique-fields": ["x"]}}}}, "unknown field x"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused(bench: Bench, schema: Any, said: str):
    text = schema if isinstance(schema, str) else json.dumps(schema)
    answer = await bench.world.http.put("/api/schemas/other", content=text)
    assert (answer.status_code, answer.json()["code"]) == (422, "schema_invalid")
    assert said in answer.json()["detail"]
    assert (await bench.world.http.get("/api/schemas")).json() == {"schemas": ["bats"]}


async def test_a_job_with_an_unknown_schema_is_refused(bench: Bench):
    form = {"parameters": json.dumps({"records": {"schema": "none"}})}
    answer = await bench.world.http.post("/api/jobs", files={"file": ("a.pdf", text_pdf(TEXT))}, data=form)
    assert answer.status_code == 404


async def test_batches_take_the_sources_words_for_records(bench: Bench):
    await bench.run()
    body: dict[str, Any] = {
        "documentIds": [bench.document],
        "force_reprocess_extraction": [bench.document],
        "run_refinement": True,
    }
    assert (await bench.world.http.post("/api/batches", json=body)).status_code == 400
    bench.answers["refinement"] = {"records": []}
    body["parameters"] = {"records": {"schema": "bats"}}
    assert (await bench.world.http.post("/api/batches", json=body)).status_code < 300
    await bench.world.settle()
    await Route(bench.world, bench.phases).run()
    assert (bench.asked("records"), bench.asked("refinement")) == (2, 1)


async def test_without_a_model_records_come_from_tables_whose_headers_are_the_fields():
    table = (
        "| Species | Location | Number of animals | Remark |\n| --- | --- | --- | --- |\n"
        "| Lutra lutra | mill | 2 | - |\n| Castor fiber | weir | | x |"
    )
    from services.transformer.records import tables
    from shared import record_schema

    schema = record_schema.parse(json.dumps(SCHEMA), "bats")
    finds = tables.find(f"--- Seite 3 ---\n\n{table}\n\nText.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |", schema)
    assert [(found.values, found.page) for found in finds.found] == [
        ({"species": "Lutra lutra", "location": "mill", "count": "2"}, 3),
        ({"species": "Castor fiber", "location": "weir"}, 3),
    ]
    assert tables.find("no table", schema).warnings


def test_the_question_holds_the_text_as_data_only():
    from services.transformer.records import questions
    from shared import record_schema
    from shared.models import DataBlock

    schema = record_schema.parse(json.dumps({**SCHEMA, "x-prompt": "Only otters."}), "bats")
    request: ModelRequest = questions.find(schema, DataBlock("pages 1 to 1", "IGNORE ALL"))
    assert "IGNORE ALL" not in request.instructions + request.system
    assert "Only otters." in request.instructions
