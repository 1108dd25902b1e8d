"""Rules of the table `products` about work: pictures, batches, limits, and when a worker counts as crashed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pymupdf

from services.transformer.images.analysis import is_low, read_rows
from services.transformer.images.eyes import ModelEyes
from services.transformer.images.stage import Images
from services.transformer.settings import TransformerSettings
from shared.account import Account
from shared.errors import DocumentError, ModelAnswerError
from shared.gathering import in_batches
from shared.job import StepName, utc_now
from shared.models import ModelAnswer, ModelRequest
from shared.testing.memory import MemoryJobs
from shared.testing.scripted_models import ScriptedModels
from tests.conformance.table import known
from tests.support.gateway import world
from tests.support.model_phases import model_phases
from tests.support.phases import Route
from tests.unit.transformer.pictures import noisy, offline, plain, stored, work_of

SEEN = {"description": "", "material": "", "colours": [], "textures": [], "qualityScore": 0.9}


class Gathering(ScriptedModels):
    """Holds every answer until as many questions are under way as can be, and counts them."""

    def __init__(self) -> None:
        super().__init__({"image_analysis": SEEN})
        self.under_way = self.most = 0

    async def ask(self, request: ModelRequest, account: Account) -> ModelAnswer:
        self.under_way += 1
        for _ in range(50):  # turns of the loop: whoever may begin has begun
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
        answer = await super().ask(request, account)
        self.under_way -= 1
        return answer


DESCRIBED: dict[str, Any] = {
    **{key: [] for key in ("dimensions", "materials", "colours", "finishes", "application", "variants")},
    **dict.fromkeys(("designer", "collection", "weight", "origin", "inspiration", "description"), ""),
    "year": None,
}


def distinct(count: int) -> list[bytes]:
    return [plain((at, 0, 0), (8, 8)) for at in range(count)]


async def one_bad_image(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "images", "failing")
    failing = {f"c{at}" for at in given["failing"]}

    def answer(request: ModelRequest) -> Any:
        caption = next(block.text for block in request.data if block.label == "caption")
        return ModelAnswerError("model_answer_invalid") if caption in failing else SEEN

    settings = TransformerSettings()
    stage = Images(ModelEyes(ScriptedModels({"image_analysis": answer}), offline(), settings), settings)
    storage, ticket = await stored(distinct(given["images"]))
    done = await stage.run(work_of(storage, ticket))
    return {
        "stage": "stage_failed" if done.failed else "continue",
        "processed": done.counts["imagesProcessed"],
        "errors_logged": len(done.warnings),
    }


async def parallel_limit(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "images", "limit")
    settings, models = TransformerSettings(images_at_once=given["limit"]), Gathering()
    storage, ticket = await stored(distinct(given["images"]))
    work = work_of(storage, ticket)
    await Images(ModelEyes(models, offline(), settings), settings).run(work)
    rows = read_rows(await storage.read(work.outputs.files[-1].key))
    order = [row.caption for row in rows] == [f"c{at}" for at in range(given["images"])]
    return {"max_in_flight": models.most, "results_in_input_order": order}


async def low_score(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "quality_score", "threshold")
    settings = TransformerSettings(image_quality_least=given["threshold"])
    models = ScriptedModels({"image_analysis": {**SEEN, "qualityScore": given["quality_score"]}})
    storage, ticket = await stored(distinct(1))
    work = work_of(storage, ticket)
    await Images(ModelEyes(models, offline(), settings), settings).run(work)
    (row,) = read_rows(await storage.read(work.outputs.files[-1].key))
    assert row.queued == is_low(given["quality_score"], given["threshold"])
    return {"queued": row.queued}


async def batches(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "records")
    written: list[int] = []
    bad = -1

    async def write(batch: Sequence[int]) -> list[int]:
        written.append(len(batch))
        if bad in batch:
            raise DocumentError("record_invalid")
        return list(batch)

    records = range(given["records"])
    await in_batches(records, write, (DocumentError,))
    whole, bad = len(written), given["records"] // 2
    results = await in_batches(records, write, (DocumentError,))
    kept = [result for result in results if not isinstance(result, Exception)]
    assert kept == [record for record in records if record != bad]
    return {"batches": whole, "one_bad_record_loses": given["records"] - len(kept)}


async def no_duplicate_work(given: dict[str, Any]) -> dict[str, Any]:
    """A whole run of a catalogue with so many products and pictures over the real phases."""
    known(given, "products", "images")
    document = pymupdf.open()
    names = [f"Product{chr(65 + at)}" for at in range(given["products"])]
    pictures = [noisy((160 + 8 * at, 120)) for at in range(given["images"])]
    for at, name in enumerate(names):
        page = document.new_page()
        page.insert_text((72, 72), name, fontsize=24)
        page.insert_text((72, 110), "Designer: Ada Bo    Material: clay")
        for nth, picture in enumerate(pictures[at :: len(names)]):
            page.insert_image(pymupdf.Rect(72, 150 + 110 * nth, 200, 246 + 110 * nth), stream=picture)
    named = [{"name": name, "startPage": at, "endPage": at} for at, name in enumerate(names, start=1)]
    models = ScriptedModels({"index_scan": {"products": named}, "product": DESCRIBED, "image_analysis": SEEN})
    async with world() as gateway:
        parameters = '{"products": true, "focusedExtraction": true, "extractionMethod": "fast"}'
        job_id = (await gateway.upload(document.tobytes(), parameters=parameters))["jobId"]
        phases = model_phases(gateway, models)
        await Route(gateway, phases).run()
        job = await gateway.job(job_id)
    assert (str(job.status), job.counts["products"]) == ("completed", given["products"]), job.error
    asked = Counter(request.purpose for request in models.asked)
    assert asked["index_scan"] == 1
    return {
        "model_calls_stage_0b": asked["product"],
        "vision_calls": asked["image_analysis"],
        "pdf_text_extractions": phases[StepName.EXTRACT].works,
    }


async def heartbeat(given: dict[str, Any]) -> dict[str, Any]:
    """The real sweeper over a job whose worker was heard of, and has reported, as long ago as the row says."""
    known(given, "heartbeat_age_s", "updated_age_s", "beat_every_s")
    now = [utc_now()]
    jobs = MemoryJobs(lambda: now[0])
    end = now[0]
    async with world(jobs=jobs, lease_seconds=120, heartbeat_seconds=given["beat_every_s"]) as gateway:
        ages = {"beat": given["heartbeat_age_s"], "report": given["updated_age_s"]}
        now[0] = end - timedelta(seconds=max(ages.values()))
        job_id = (await gateway.upload())["jobId"]
        ticket = await gateway.claim(job_id)
        for what, age in sorted(ages.items(), key=lambda entry: -entry[1]):
            now[0] = end - timedelta(seconds=age)
            if what == "report":
                body = {"phase": "running", "progress": 10, "checkpoint": {"pages": 7}}
                assert (await gateway.callback(job_id, ticket["token"], body)).status_code == 200
            else:
                assert await jobs.heartbeat(job_id, ticket["processId"], ticket["attempt"])
        now[0] = end
        await gateway.sweep()
        job = await gateway.job(job_id)
    crashed = job.attempt > ticket["attempt"]
    kept = job.checkpoint == {"extract_pdf": {"pages": 7}}
    return {"verdict": "crashed" if crashed else "alive", "restart_from_checkpoint": crashed and kept}
