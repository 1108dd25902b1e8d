"""Pictures, products and links over the real phases and routes: found, listed, kept in step, and one bad one alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.bench.pictures import measure
from services.ingestor.ingestion import Ingestion
from services.ingestor.settings import IngestorSettings
from shared.errors import TransientError
from shared.image_index import ImageIndex
from shared.imaging import SPACES
from shared.job import StepName
from shared.ports import VectorRow
from shared.testing.memory_images import BAD, HashImages, memory_index
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors, WordTokenizer
from tests.support.catalogues import Design, Truth, catalogue
from tests.support.gateway import World, world
from tests.support.phases import Counted, Route, real_phases

DESIGN = Design(products=3, swatches=2, marks=True)


async def processed(gateway: World, folder: Path, name: str = "a.pdf", **form: str) -> tuple[str, Truth]:
    truth = catalogue(folder / name, DESIGN, seed=len(name))
    accepted = await gateway.upload((folder / name).read_bytes(), name=name, **form)
    await Route(gateway).run()
    job = await gateway.job(accepted["jobId"])
    assert str(job.status) == "completed", job.error
    return str(accepted["documentId"]), truth


def as_json(truth: Truth) -> list[dict[str, Any]]:
    return [
        {"page": shown.page, "bbox_pdf": shown.bbox, "product": shown.product or None, "caption": shown.caption or None}
        for shown in truth.pictures
    ]


async def get(gateway: World, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
    answer = await gateway.http.get(path, params=query)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_catalogues_pictures_are_linked_listed_and_found(tmp_path: Path) -> None:
    async with world() as gateway:
        document_id, truth = await processed(gateway, tmp_path)
        figures = await measure(gateway.http, document_id, as_json(truth))
        assert figures["precision"] == figures["recall"] == 1.0
        assert figures["stray"] == []
        assert figures["furniturePlaces"] >= truth.pages - 2
        assert figures["captionFindsItsPicture"] >= 0.9
        document = await gateway.documents.get(document_id)
        assert document is not None
        counts = document.counts
        assert counts["imageVectors"] == 5 * counts["imagesEmbedded"] > 0
        assert counts["links"] == counts["linksImageProduct"] + counts["linksChunkProduct"] + counts["linksImageChunk"]
        assert await gateway.images.count(document_id, document.generation) == counts["imageVectors"]
        logs = {entry["phase"]: entry for entry in (await get(gateway, f"/api/jobs/{document.last_job_id}"))["logs"]}
        assert logs["IMAGES_EXTRACTED"]["vectors"] == counts["imageVectors"]
        assert logs["PRODUCTS_CREATED"]["links"] == counts["links"]


async def test_products_and_pictures_are_filtered_and_paged_over_libraries(tmp_path: Path) -> None:
    async with world() as gateway:
        first, truth = await processed(gateway, tmp_path, "a.pdf", libraryId="one")
        second, _ = await processed(gateway, tmp_path, "bb.pdf", libraryId="two")
        everything = await get(gateway, "/api/products")
        assert [row["documentId"] for row in everything["products"]] == [second] * 3 + [first] * 3
        assert everything["cursor"] is None
        rows: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await get(gateway, "/api/products", limit=2, cursor=cursor)
            rows += page["products"]
            cursor = page["cursor"]
        assert rows == everything["products"]
        tarn = await get(gateway, "/api/products", library="one", product="tarn")
        assert [(row["name"], row["libraryId"]) for row in tarn["products"]] == [("Tarn", "one")]
        made = next(made for made in truth.products if made.name == "Tarn")
        assert {image["page"] for image in tarn["products"][0]["images"]} == set(made.pages)
        assert (await get(gateway, "/api/products", document=first, page=made.pages[0]))["products"][0][
            "name"
        ] == "Tarn"
        assert len((await get(gateway, "/api/products", name="OAK"))["products"]) == 2
        assert (await get(gateway, "/api/products", library="three"))["products"] == []
        shown = (await get(gateway, "/api/images", library="one", product="Tarn", limit=200))["images"]
        assert {row["page"] for row in shown} == set(made.pages)
        assert all(row["products"][0]["reason"] for row in shown)
        assert all(row["caption"] for row in (await get(gateway, "/api/images", name="fig. 1."))["images"])
        assert {row["page"] for row in (await get(gateway, "/api/images", document=first, page=4))["images"]} == {4}
        bytes_of = await gateway.http.get(shown[0]["url"])
        assert bytes_of.headers["content-type"] == "image/png"
        await get(gateway, "/api/products", 404, document="doc-none")
        await get(gateway, "/api/images", 400, cursor="nonsense")
        await get(gateway, "/api/products", 400, limit=0)


async def test_links_are_listed_by_kind_and_end(tmp_path: Path) -> None:
    async with world() as gateway:
        document_id, _ = await processed(gateway, tmp_path)
        path = f"/api/documents/{document_id}/links"
        everything = await get(gateway, path, limit=1000)
        assert {link["kind"] for link in everything["links"]} == {"image-product", "chunk-product", "image-chunk"}
        assert all(0 <= link["relevancy"] <= 1 and link["reason"] for link in everything["links"])
        product_id = (await get(gateway, "/api/products"))["products"][0]["productId"]
        own = await get(gateway, path, kind="image-product", end=product_id, limit=1)
        assert own["total"] > 1
        assert own["cursor"] == 1
        assert own["links"][0]["productId"] == product_id
        await get(gateway, path, 400, kind="chunk-chunk")


async def test_a_search_for_one_product_shows_only_its_pages_and_what_names_it(tmp_path: Path) -> None:
    async with world() as gateway:
        _, truth = await processed(gateway, tmp_path)
        made = next(made for made in truth.products if made.name == "Tarn")
        body = {"query": "surface that suits floors and walls", "top": 20}
        everywhere = (await gateway.http.post("/api/search", json=body)).json()["hits"]
        assert {page for hit in everywhere for page in hit["pages"]} > set(made.pages)
        own = (await gateway.http.post("/api/search", json={**body, "product": "tarn"})).json()["hits"]
        assert set(made.pages) <= {page for hit in own for page in hit["pages"]}
        for hit in own:
            assert set(hit["pages"]) <= set(made.pages) or "Tarn" in hit["text"]
        for product in ("Nobody", "prd-none"):
            assert (await gateway.http.post("/api/search", json={**body, "product": product})).json()["hits"] == []


async def test_pictures_are_found_by_upload_and_by_id(tmp_path: Path) -> None:
    async with world() as gateway:
        document_id, _ = await processed(gateway, tmp_path)
        row = (await get(gateway, "/api/images", product="Velmora"))["images"][0]
        content = (await gateway.http.get(row["url"])).content
        for space in SPACES:
            answer = await gateway.http.post("/api/images/similar", params={"space": space, "top": 1}, content=content)
            assert [hit["imageId"] for hit in answer.json()["hits"]] == [row["imageId"]]
        body = {"imageId": row["imageId"], "top": 100, "documentId": document_id}
        found = (await gateway.http.post("/api/images/search", json=body)).json()["hits"]
        assert row["imageId"] not in {hit["imageId"] for hit in found}
        everything = {each["imageId"] for each in (await get(gateway, "/api/images", limit=200))["images"]}
        logos = everything - {hit["imageId"] for hit in found} - {row["imageId"]}
        assert len(logos) == 2  # the running logo and the mark on the sheets of all products
        too = (await gateway.http.post("/api/images/search", json={**body, "decoration": True})).json()["hits"]
        assert len(too) == len(found) + 2
        only = (await gateway.http.post("/api/images/search", json={"query": "Tarn", "product": "Tarn"})).json()["hits"]
        assert {hit["products"][0]["name"] for hit in only} == {"Tarn"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"query": " "}, 400),
        ({"query": "x", "top": 101}, 400),
        ({"query": "x", "space": "smell"}, 400),
        ({"query": "x", "space": "colour"}, 400),
        ({"imageId": "img-" + "0" * 24 + "-" + "0" * 16}, 404),
        ({"imageId": "../x"}, 404),
        ({"query": "x", "pages": [3, 1]}, 400),
        ({"query": "x", "colour": "red"}, 400),
    ],
)
async def test_a_question_that_is_none_is_refused(body: dict[str, Any], status: int) -> None:
    async with world() as gateway:
        assert (await gateway.http.post("/api/images/search", json=body)).status_code == status


async def test_an_upload_that_is_no_picture_or_too_large_is_refused() -> None:
    async with world() as gateway:
        answer = await gateway.http.post("/api/images/similar", content=BAD)
        assert (answer.status_code, answer.json()["code"]) == (422, "image_unreadable")
        answer = await gateway.http.post("/api/images/similar", content=b"\0" * ((20 << 20) + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        gateway.gateway.image_search._images = None
        answer = await gateway.http.post("/api/images/search", json={"query": "x"})
        assert (answer.status_code, answer.json()["code"]) == (503, "image_search_off")


class Refusing(HashImages):
    """Cannot read one picture."""

    def __init__(self, bad: bytes) -> None:
        super().__init__()
        self._bad = bad

    async def embed(self, pictures: Any) -> Any:
        return await super().embed(
            [msgspec.structs.replace(each, content=BAD) if each.content == self._bad else each for each in pictures]
        )


def ingesting(gateway: World, images: ImageIndex, embedder: HashImages) -> dict[StepName, Any]:
    parts = (gateway.storage, gateway.vectors, HashEmbedder(), WordTokenizer(), IngestorSettings())
    return {**real_phases(gateway), StepName.INGEST: Counted(Ingestion(*parts, images, embedder))}


async def again(gateway: World, document_id: str, images: ImageIndex, embedder: HashImages) -> Any:
    accepted = await gateway.http.post(
        "/api/jobs", data={"documentId": document_id, "parameters": '{"policies": {"ingest": "force"}}'}
    )
    await gateway.settle()
    await Route(gateway, ingesting(gateway, images, embedder)).run()
    return await gateway.job(accepted.json()["jobId"])


async def test_one_bad_picture_and_one_bad_record_lose_only_themselves_and_are_told(tmp_path: Path) -> None:
    async with world() as gateway:
        document_id, _ = await processed(gateway, tmp_path)
        before = await gateway.documents.get(document_id)
        assert before is not None
        rows = (await get(gateway, "/api/images", product="Tarn"))["images"]
        bad = (await gateway.http.get(rows[0]["url"])).content
        missing = before.artefacts["images"].key.rpartition("/")[0] + f"/images/{rows[1]['name']}"
        del gateway.storage.objects[missing]
        job = await again(gateway, document_id, gateway.images, Refusing(bad))
        assert str(job.status) == "completed", job.error
        told = [warning["message"] for warning in job.warnings if warning["code"] == "image_failed"]
        assert len(told) == 2
        assert any(rows[0]["name"] in message for message in told)
        after = await gateway.documents.get(document_id)
        assert after is not None
        assert after.counts["imagesEmbedded"] == before.counts["imagesEmbedded"] - 2
        assert after.counts["linksImageProduct"] == before.counts["linksImageProduct"]


class Unlucky(MemoryVectors):
    """Loses a row, or is away, once."""

    def __init__(self, trouble: str) -> None:
        super().__init__(HashImages().name, 512)
        self.trouble = trouble

    async def write(self, rows: Any) -> None:
        if self.trouble == "loses":
            rows, self.trouble = rows[1:], ""
        elif self.trouble == "away":
            self.trouble = ""
            raise TransientError("unavailable")
        await super().write(rows)


async def test_a_store_that_loses_a_vector_fails_the_step_with_the_numbers(tmp_path: Path) -> None:
    wide = MemoryVectors(HashImages().name, 2048)
    async with world() as gateway:
        document_id, _ = await processed(gateway, tmp_path)
        before = await gateway.documents.get(document_id)
        job = await again(gateway, document_id, ImageIndex(Unlucky("loses"), wide), HashImages())
        assert job.error is not None
        assert job.error.code == "conservation_violated"
        assert "image vectors" in job.error.message
        after = await gateway.documents.get(document_id)
        assert before is not None and after is not None  # noqa: PT018
        assert after.generation == before.generation


async def test_old_vectors_go_with_their_generation_and_a_rebuild_makes_the_same(tmp_path: Path) -> None:
    async with world() as first:
        document_id, _ = await processed(first, tmp_path)
        rows: dict[Any, VectorRow] = dict(first.images._narrow.rows)  # type: ignore[attr-defined]
        links = first.storage.objects[f"default/{document_id}/links.jsonl"]
        old = msgspec.structs.replace(next(iter(rows.values())), generation="old", row_id="old")
        await first.images.write([old])
        job = await again(first, document_id, first.images, HashImages())
        assert str(job.status) == "completed"
        assert first.images._narrow.rows == rows  # type: ignore[attr-defined]
        storage = first.storage
    async with world(storage=storage, images=memory_index()) as later:
        state = (await later.http.post("/api/system/rebuild", json={})).json()
        while not (await get(later, f"/api/system/rebuild/{state['handle']}"))["finished"]:
            await later.settle()
        await later.settle()
        await Route(later).run()
        assert later.images._narrow.rows == rows  # type: ignore[attr-defined]
        assert storage.objects[f"default/{document_id}/links.jsonl"] == links
        assert len((await get(later, "/api/products"))["products"]) == 3
