"""Pictures over the API: listed with their places, served as images and as nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shared.job import Artefact
from tests.support.gateway import World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


def _row(page: int, index: int, ext: str = "png", repeats: str = "", kind: str = "image") -> dict[str, Any]:
    return {
        "page": page, "index": index, "name": f"{page}_{index}.{ext}", "bbox": [1, 2, 3, 4], "caption": "Otters",
        "duplicate_of": repeats, "kind": kind,
    }  # fmt: skip


async def _document(gateway: World) -> str:
    """A document with two images, a repeat, a file of another kind, and a preview."""
    accepted = await gateway.upload()
    found = await gateway.documents.get(accepted["documentId"])
    assert found is not None
    home = f"default/{found.document_id}"
    rows = [_row(1, 0, "jpg"), _row(1, 1, kind="figure"), _row(2, 0, repeats="1_1.png")]
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    await gateway.storage.write(f"{home}/images.jsonl", lines)
    await gateway.storage.write(f"{home}/images/1_0.jpg", b"\xff\xd8jpeg")
    await gateway.storage.write(f"{home}/images/1_1.png", b"\x89PNG")
    await gateway.storage.write(f"{home}/images/x.html", b"<script>alert(1)</script>")
    await gateway.storage.write(f"{home}/previews/2.jpg", b"\xff\xd8page")
    listed = Artefact(key=f"{home}/images.jsonl", sha256=hashlib.sha256(lines).hexdigest(), size=len(lines))
    assert await gateway.documents.put(replace(found, artefacts={**found.artefacts, "images": listed}))
    return found.document_id


async def test_images_are_listed_with_their_places_and_addresses(gateway: World):
    identity = await _document(gateway)
    body = (await gateway.http.get(f"/api/documents/{identity}/images")).json()
    assert [image["name"] for image in body["images"]] == ["1_0.jpg", "1_1.png", "2_0.png"]
    assert body["images"][0]["bbox"] == [1, 2, 3, 4]
    assert body["images"][2]["url"] == f"/api/documents/{identity}/images/1_1.png"
    assert (await gateway.http.get(body["images"][2]["url"])).content == b"\x89PNG"


async def test_the_list_comes_in_pages_and_by_page(gateway: World):
    identity = await _document(gateway)
    first = (await gateway.http.get(f"/api/documents/{identity}/images", params={"limit": 2})).json()
    rest = (await gateway.http.get(f"/api/documents/{identity}/images", params={"after": first["cursor"]})).json()
    assert [image["name"] for image in first["images"] + rest["images"]] == ["1_0.jpg", "1_1.png", "2_0.png"]
    assert rest["cursor"] is None
    second = (await gateway.http.get(f"/api/documents/{identity}/images", params={"page": 2})).json()
    assert [image["name"] for image in second["images"]] == ["2_0.png"]


async def test_a_document_without_images_lists_none(gateway: World):
    accepted = await gateway.upload()
    answer = await gateway.http.get(f"/api/documents/{accepted['documentId']}/images")
    assert answer.json() == {"images": [], "cursor": None}


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [("images/1_0.jpg", "image/jpeg", b"\xff\xd8jpeg"), ("previews/2", "image/jpeg", b"\xff\xd8page")],
)
async def test_pictures_are_served_as_images(gateway: World, path: str, kind: str, content: bytes):
    answer = await gateway.http.get(f"/api/documents/{await _document(gateway)}/{path}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, content)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline; filename=")


async def test_what_is_no_image_is_a_download_that_no_browser_runs(gateway: World):
    answer = await gateway.http.get(f"/api/documents/{await _document(gateway)}/images/x.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["images/9_9.png", "images/..%2fsource.pdf", "images/%2e%2e%2fsource.pdf", "images/.hidden"]
)
async def test_nothing_else_of_the_twin_can_be_fetched(gateway: World, path: str):
    answer = await gateway.http.get(f"/api/documents/{await _document(gateway)}/{path}")
    assert answer.status_code == 404
