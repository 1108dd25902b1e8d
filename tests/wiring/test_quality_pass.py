"""The quality pass: a job of its own after its parent, which improves what is still current and disturbs nothing."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pymupdf
import pytest

from services.transformer.images.analysis import read_rows
from services.transformer.images.eyes import ModelEyes
from services.transformer.images.quality import QualityPass
from services.transformer.images.stage import Images
from services.transformer.metadata import Metadata
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.settings import TransformerSettings
from services.transformer.transformation import Transformation
from shared import route
from shared.errors import ModelAnswerError
from shared.job import StepName
from shared.models import ModelRequest
from shared.phase import Report
from shared.testing.scripted_models import ScriptedModels
from shared.ticket import Ticket
from tests.support.gateway import World, world
from tests.support.phases import Counted, DirectGateway, InlineChildren, Route, real_phases
from tests.unit.transformer.pictures import noisy

FIRST = {"description": "A tile", "material": "", "colours": ["red"], "textures": [], "qualityScore": 0.4}
AGAIN = {"description": "A fired tile", "material": "clay", "colours": [], "textures": ["rough"], "qualityScore": 0.8}


def pdf(pictures: int = 2) -> bytes:
    document = pymupdf.open()
    for at in range(pictures):
        page = document.new_page()
        page.insert_text((72, 72), f"Sheet {at + 1} of a catalogue with pictures of tiles.")
        page.insert_image(pymupdf.Rect(72, 100, 400 + at, 400), stream=noisy((320 + 80 * at, 320)))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


class Bench:
    """A gateway with real phases whose model answers as told."""

    def __init__(self, made: World) -> None:
        self.world = made
        self.answers: dict[str, Any] = {"image_analysis": FIRST, "validation": AGAIN}
        self.models = ScriptedModels({})
        self.models._answers = self.answers
        children: Any = InlineChildren()
        settings = TransformerSettings()
        offline = OfflineAnalyzer(children, settings)
        eyes = ModelEyes(self.models, offline, settings)
        stages: list[Any] = [Metadata(made.storage, offline), Images(eyes, settings)]
        self.phases = {
            **real_phases(made),
            StepName.TRANSFORM: Counted(Transformation(made.storage, stages)),
            StepName.QUALITY: Counted(QualityPass(made.storage, eyes)),
        }
        self.route = Route(made, self.phases)
        self.document = ""

    async def start(self, **more: Any) -> str:
        parameters = json.dumps({"analyzeImages": True, "qualityPass": True, **more})
        if self.document:
            form = {"documentId": self.document, "parameters": parameters}
            accepted = (await self.world.http.post("/api/jobs", data=form)).json()
        else:
            accepted = await self.world.upload(pdf(), parameters=parameters)
            self.document = accepted["documentId"]
        await self.world.settle()
        job_id: str = accepted["jobId"]
        return job_id

    async def job(self, job_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.world.http.get(f"/api/jobs/{job_id}")).json()
        return shown

    async def passes(self) -> list[dict[str, Any]]:
        jobs = (await self.world.http.get("/api/jobs", params={"document": self.document})).json()["jobs"]
        return [job for job in jobs if job["operation"] == "quality"]

    async def rows(self) -> list[Any]:
        document = await self.world.documents.get(self.document)
        assert document is not None
        return read_rows(await self.world.storage.read(document.artefacts["imageAnalyses"].key))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with world() as made:
        yield Bench(made)


async def test_low_scores_are_improved_after_the_parent_has_completed_and_what_was_said_is_kept(bench: Bench):
    parent = await bench.start()
    await bench.route.run(until=StepName.QUALITY)
    before = await bench.job(parent)
    assert before["status"] == "completed"
    assert before["counts"]["imagesQueued"] == 2
    subjects = bench.world.bus.subjects()
    assert subjects.index(route.JOB_COMPLETED) < subjects.index(route.QUALITY_REQUESTED)
    await bench.route.run()
    (child,) = await bench.passes()
    assert child["status"] == "completed", child["error"]
    assert child["parentJobId"] == parent
    assert [step["name"] for step in child["steps"]] == ["enhance_quality"]
    assert child["costs"][0]["purpose"] == "validation"
    for row in await bench.rows():
        assert (row.looked.description, row.looked.material, row.looked.colours) == ("A fired tile", "clay", ["red"])
        assert (row.looked.quality_score, row.queued) == (0.8, False)
        assert row.history[0].before.quality_score == 0.4
    after = await bench.job(parent)
    assert {name: after[name] for name in ("status", "processId", "steps", "costs")} == {
        name: before[name] for name in ("status", "processId", "steps", "costs")
    }
    assert any(entry["phase"] == "quality_requested" and child["jobId"] in entry["message"] for entry in after["logs"])
    document = await bench.world.documents.get(bench.document)
    assert document is not None
    assert document.last_job_id == parent
    assert document.counts["imagesQueued"] == 0
    assert not [key for key in bench.world.storage.objects if "/passes/" in key or "/runs/" in key]


async def test_nothing_low_or_nothing_asked_means_no_pass(bench: Bench):
    bench.answers["image_analysis"] = {**FIRST, "qualityScore": 0.7}
    await bench.start()
    await bench.route.run()
    assert await bench.passes() == []
    bench.answers["image_analysis"] = FIRST
    await bench.start(qualityPass=False, policies={"metadata": "force"})
    await bench.route.run()
    assert await bench.passes() == []


async def test_a_pass_is_no_obstacle_to_the_next_job_and_loses_against_its_newer_analyses(bench: Bench):
    await bench.start()
    await bench.route.run(until=StepName.QUALITY)
    (child,) = await bench.passes()
    ticket = await bench.world.http.post(
        f"/api/internal/jobs/{child['jobId']}/claim",
        json={"processId": child["processId"], "attempt": 1, "step": "enhance_quality", "owner": "w"},
        headers={b"Authorization": b"Bearer transformer-credential-of-this-test"},
    )
    assert ticket.status_code == 200
    quick = {**FIRST, "qualityScore": 0.65, "description": "Newer"}
    bench.answers["image_analysis"] = quick
    newer = await bench.start(qualityPass=False, policies={"metadata": "force"})
    assert newer
    # the pass works on its ticket, from before, while the newer job is open
    granted = msgspec.convert(ticket.json(), Ticket)
    gateway = DirectGateway(bench.world, "transformer")
    outcome = await bench.phases[StepName.QUALITY].work(granted, Report(gateway, granted))
    others = Route(bench.world, {**bench.phases})
    others._taken = len(bench.world.bus.told) - 1
    await others.run()
    assert (await bench.job(newer))["status"] == "completed"
    data = msgspec.to_builtins({"outputs": outcome.outputs, "facts": outcome.facts, "counts": outcome.counts})
    await gateway.callback(granted, {"phase": "completed", "data": data})
    await bench.world.settle()
    (child,) = await bench.passes()
    assert child["status"] == "completed"
    log = (await bench.job(child["jobId"]))["logs"]
    assert any("dropped" in entry["message"] for entry in log if entry["phase"] == "quality_pass")
    assert {row.looked.description for row in await bench.rows()} == {"Newer"}


async def test_a_later_job_that_keeps_the_analyses_keeps_the_improved_ones(bench: Bench):
    await bench.start()
    await bench.route.run()
    await bench.start(qualityPass=False, policies={"ingest": "force"})
    await bench.route.run()
    assert {row.looked.description for row in await bench.rows()} == {"A fired tile"}


async def test_one_picture_that_fails_stays_queued_and_the_others_are_improved(bench: Bench):
    seen: list[int] = []

    def again(request: ModelRequest) -> Any:
        seen.append(1)
        return ModelAnswerError("model_refused") if len(seen) == 1 else AGAIN

    bench.answers["validation"] = again
    await bench.start()
    await bench.route.run()
    (child,) = await bench.passes()
    assert child["status"] == "completed"
    assert [warning["code"] for warning in child["warnings"]] == ["image_failed"]
    assert sorted(row.queued for row in await bench.rows()) == [False, True]


async def test_a_failed_pass_leaves_document_and_parent_as_they_were_and_can_be_requeued(bench: Bench):
    parent = await bench.start()
    await bench.route.run(until=StepName.QUALITY)
    (child,) = await bench.passes()
    cancelled = await bench.world.http.post(f"/api/jobs/{child['jobId']}/cancel")
    assert cancelled.status_code == 200
    await bench.world.settle()
    document = await bench.world.documents.get(bench.document)
    assert document is not None
    assert (document.status, document.last_job_id) == ("processed", parent)
    again = await bench.world.http.post(f"/api/jobs/{child['jobId']}/requeue", json={})
    assert again.status_code == 202, again.text
    await bench.world.settle()
    await bench.route.run()
    (child,) = await bench.passes()
    assert child["status"] == "completed"
    refused = await bench.world.http.post(f"/api/jobs/{child['jobId']}/requeue", json={"from": "ingest"})
    assert refused.status_code == 409
