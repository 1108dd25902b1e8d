"""Image analysis as a stage: in order, a few at a time, and no bad picture stops the others."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.transformer.discovery.plan import plan_ranges
from services.transformer.images.analysis import Analysis, Looked, improved, read_rows
from services.transformer.images.eyes import ModelEyes, OfflineEyes
from services.transformer.images.stage import Images
from services.transformer.stage import NOT_ASKED, Attempt
from shared.errors import ModelAnswerError, Paused, TransientError
from shared.job import Parameters
from shared.models import ModelRequest
from shared.testing.scripted_models import ScriptedModels
from tests.unit.transformer.pictures import SETTINGS, noisy, offline, plain, stored, work_of

SEEN = {"description": "A tile.", "material": "clay", "colours": ["red"], "textures": [], "qualityScore": 0.9}


def with_model(answer: Any) -> tuple[Images, ScriptedModels]:
    models = ScriptedModels({"image_analysis": answer})
    return Images(ModelEyes(models, offline(), SETTINGS), SETTINGS), models


async def run(stage: Images, contents: list[bytes], **changes: Any) -> tuple[Any, list[Analysis]]:
    storage, given = await stored(contents)
    work = work_of(storage, replace(given, **changes))
    done = await stage.run(work)
    return done, read_rows(await storage.read(work.outputs.files[-1].key))


async def test_a_picture_is_looked_at_once_with_its_caption_as_data_whatever_the_number_of_its_places():
    stage, models = with_model(SEEN)
    red, blue = plain((255, 0, 0)), plain((0, 0, 255))
    done, rows = await run(stage, [red, blue, red])
    assert len(models.asked) == 2
    assert [row.pages for row in rows] == [[1, 3], [2]]
    assert rows[0].looked.material == "clay"
    assert done.counts == {"imagesProcessed": 2, "imagesQueued": 0, "imagesFailed": 0}
    request = models.asked[0]
    assert "c0" not in request.instructions
    assert ("caption", "c0") in [(block.label, block.text) for block in request.data]


async def test_a_missing_and_a_changed_picture_are_warnings():
    stage, _ = with_model(SEEN)
    storage, given = await stored([plain((at, 0, 0)) for at in range(3)])
    home = f"{given.document.library_id}/{given.document.document_id}/images"
    await storage.delete(f"{home}/1_0.png")
    await storage.write(f"{home}/2_1.png", b"another")
    done = await stage.run(work_of(storage, given))
    assert done.counts["imagesProcessed"] == 1
    assert [warning["message"].split(":")[0] for warning in done.warnings] == ["1_0.png", "2_1.png"]
    assert not done.failed


async def test_a_resting_endpoint_stops_the_stage():
    stage, _ = with_model(Paused("model", "it fails", 5))
    with pytest.raises(ExceptionGroup):
        await run(stage, [plain((1, 1, 1))])


async def test_a_passing_failure_is_tried_in_another_attempt_before_the_picture_is_given_up():
    def answer(request: ModelRequest) -> Any:
        return TransientError() if ("caption", "c1") in [(b.label, b.text) for b in request.data] else SEEN

    stage, models = with_model(answer)
    contents = [plain((at, 0, 0)) for at in range(3)]
    with pytest.raises(TransientError):
        await run(stage, contents)
    assert len(models.asked) == 3
    done, rows = await run(stage, contents, attempt=2)
    assert (len(rows), len(done.warnings)) == (2, 1)


async def test_only_the_sheets_of_the_plan_are_looked_at():
    stage, _ = with_model(SEEN)
    storage, given = await stored([plain((at, 0, 0)) for at in range(3)])
    attempt = Attempt()
    attempt.plan = asyncio.get_running_loop().create_future()
    attempt.plan.set_result(plan_ranges([(2, 2)], 3, focused=True))
    work = work_of(storage, given, attempt)
    await stage.run(work)
    rows = read_rows(await storage.read(work.outputs.files[-1].key))
    assert [row.pages for row in rows] == [[2]]


async def test_a_logo_on_every_sheet_is_no_picture_of_a_product():
    stage, models = with_model(SEEN)
    logo = plain((9, 9, 9))
    await run(stage, [logo, logo, logo, plain((1, 2, 3)), logo])
    assert len(models.asked) == 1


async def test_without_a_model_pictures_are_measured_when_they_are_asked_for():
    stage = Images(OfflineEyes(offline(), SETTINGS), SETTINGS)
    done, rows = await run(stage, [noisy((900, 900)), b"no picture", plain((255, 0, 0))])
    assert [row.queued for row in rows] == [False, True]
    assert rows[1].looked.colours == ["red"]
    assert done.counts["imagesFailed"] == 1
    _, given = await stored([plain((1, 1, 1))])
    assert (await stage.gate(given, False)).run
    unasked = replace(given, parameters=Parameters())
    assert (await stage.gate(unasked, False)).reason == NOT_ASKED


async def test_a_model_looks_by_itself_only_at_catalogues():
    stage, models = with_model(SEEN)
    _, given = await stored([plain((1, 1, 1))])
    assert (await stage.gate(replace(given, parameters=Parameters()), False)).run
    done, rows = await run(stage, [plain((1, 1, 1))], parameters=Parameters())
    assert (done.skipped, rows, models.asked) == ("no_catalogue", [], [])


async def test_an_answer_that_is_none_is_that_pictures_fault():
    stage, _ = with_model(ModelAnswerError("model_refused"))
    done, rows = await run(stage, [plain((1, 1, 1))])
    assert rows == []
    assert "none of 1" in done.failed


def test_a_second_look_keeps_what_it_cannot_better_and_remembers_what_was():
    row = Analysis(
        image_hash="h",
        name="1_0.png",
        pages=[1],
        looked=Looked(description="a", material="clay", quality_score=0.4),
        analyzer="first",
        queued=True,
    )
    better = improved(row, Looked(description="b", quality_score=0.3), "second", "run", "now")
    assert (better.looked.description, better.looked.material, better.looked.quality_score) == ("b", "clay", 0.4)
    assert not better.queued
    assert (better.history[0].before, better.history[0].analyzer) == (row.looked, "first")
    assert read_rows(msgspec.json.encode(better)) == [better]
