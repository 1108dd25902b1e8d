"""`images backfill` over a real gateway and a real PDF: what it asks for, and what it leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from infra.cli.backfill import Backfill
from infra.client import Client
from shared.document import Document
from shared.ports import VectorRow
from tests.support.gateway import world
from tests.wiring.test_health import Ward


class Desk:
    """A backfill whose requests are counted, on a ward with one document of three pictures."""

    def __init__(self, ward: Ward, document: Document, backfill: Backfill, asked: list[str]) -> None:
        self.ward, self.document, self.backfill, self.asked = ward, document, backfill, asked

    def key(self, name: str) -> str:
        return f"lib/{self.document.document_id}/images/{name}"

    def count(self, method: str, ending: str = "") -> int:
        return sum(line.startswith(method) and line.endswith(ending) for line in self.asked)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with world() as gateway:
        ward, asked = Ward(gateway), list[str]()

        async def note(request: httpx.Request) -> None:
            asked.append(f"{request.method} {request.url.path}")

        document = await ward.process(1, pictures=3)
        gateway.http.event_hooks["request"].append(note)
        async with Backfill(Client(gateway.http)) as backfill:
            yield Desk(ward, document, backfill, asked)


async def test_only_what_is_missing_is_sent_and_it_is_what_was_there(desk: Desk) -> None:
    before = dict(desk.ward.world.storage.objects)
    for name in ("1_0.png", "3_0.png"):
        del desk.ward.world.storage.objects[desk.key(name)]
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], result["missing"], result["uploaded"]) == ("done", 2, 2)
    assert (desk.count("GET", "/source"), desk.count("PUT")) == (1, 2)
    (entry,) = (await desk.ward.stored(desk.document.document_id)).history
    assert (entry["action"], entry["detail"]) == ("backfill_images", "2 pictures put back")
    assert {key: before[key] for key in before if "/images/" in key} == {
        key: content for key, content in desk.ward.world.storage.objects.items() if "/images/" in key
    }


async def test_without_a_missing_file_no_pdf_is_fetched_and_keys_are_written(desk: Desk) -> None:
    row = VectorRow(
        row_id="i1", kind="image", library_id="lib", document_id=desk.document.document_id, file_id="f",
        generation=desk.document.generation, vector=[0.0] * 15 + [1.0], extra={"image": "2_0.png"},
    )  # fmt: skip
    await desk.ward.world.vectors.write([row])
    assert await desk.ward.state(desk.document) == "missing_links"
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], result["uploaded"], desk.count("GET", "/source")) == ("done", 0, 0)
    (linked,) = [found async for found in desk.ward.world.vectors.rows_of(desk.document.document_id, "image")]
    assert linked.extra == {"image": "2_0.png", "file": "2_0.png"}


async def test_a_document_without_its_pdf_is_skipped_and_says_so(desk: Desk) -> None:
    del desk.ward.world.storage.objects[desk.key("1_0.png")]
    del desk.ward.world.storage.objects[desk.document.artefacts["source"].key]
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], result["detail"]) == ("skipped", "its PDF is not stored")
    assert desk.count("PUT") == desk.count("GET", "/source") == 0


async def test_a_changed_pdf_puts_nothing_back(desk: Desk) -> None:
    del desk.ward.world.storage.objects[desk.key("1_0.png")]
    source = desk.document.artefacts["source"].key
    desk.ward.world.storage.objects[source] = bytes(reversed(desk.ward.world.storage.objects[source]))
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], desk.count("PUT")) == ("failed", 0)
    assert "artefact_changed" in result["detail"]


async def test_a_picture_that_the_pdf_does_not_hold_is_told(desk: Desk) -> None:
    listing = desk.document.artefacts["images"]
    content = desk.ward.world.storage.objects[listing.key].replace(b'"3_0.png"', b'"7_0.png"')
    desk.ward.world.storage.objects[listing.key] = content
    await desk.ward.put(
        replace(desk.document, artefacts={**desk.document.artefacts, "images": replace(listing, size=len(content))})
    )
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], result["missing"], result["uploaded"]) == ("failed", 1, 0)
    assert "reprocess" in result["detail"]


async def test_nothing_is_put_back_while_a_job_is_at_it(desk: Desk) -> None:
    del desk.ward.world.storage.objects[desk.key("1_0.png")]
    job = await desk.ward.world.job(desk.document.last_job_id)
    desk.ward.world.jobs._store(replace(job, job_id="other", status="running"))
    result = await desk.backfill.document(desk.document.document_id)
    assert (result["status"], result["uploaded"]) == ("failed", 0)
    assert "job_open" in result["detail"]
