"""Pictures over the API: listed with their places, served as images and as nothing else."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.secrets import Unauthorized
from shared.errors import RequestError
from shared.job import Artefact
from tests.support.gateway import World, world
from tests.support.records import make_document


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
    assert body["images"][2]["url"].startswith(f"/api/documents/{identity}/images/1_1.png?")
    assert (await gateway.http.get(body["images"][2]["url"])).content == b"\x89PNG"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"signature": "0" * 64}, 401, "unauthorized"),
        ({"signature": ""}, 401, "unauthorized"),
        ({"expires": "9999999999"}, 401, "unauthorized"),
        ({"library": "other"}, 401, "unauthorized"),
    ],
)
async def test_a_changed_address_opens_nothing(gateway: World, changed: dict[str, str], status: int, code: str):
    identity = await _document(gateway)
    url = httpx.URL((await gateway.http.get(f"/api/documents/{identity}/images")).json()["images"][0]["url"])
    refused = await gateway.http.get(url.copy_merge_params(changed))
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_an_address_opens_one_file_of_one_document_for_an_hour() -> None:
    document, links = make_document(), PictureLinks("what all gateways share")
    query = parse_qs(urlsplit(links.to(document, "1_0.jpg")).query)
    library, expires, signature = query["library"][0], int(query["expires"][0]), query["signature"][0]
    assert 3590 < expires - time.time() <= 3600
    links.check(library, document.document_id, "1_0.jpg", expires, signature)
    for other in ((library, document.document_id, "1_1.jpg"), (library, "other", "1_0.jpg")):
        with pytest.raises(Unauthorized):
            links.check(*other, expires, signature)
    with pytest.raises(Unauthorized):
        PictureLinks("another secret").check(library, document.document_id, "1_0.jpg", expires, signature)
    past = PictureLinks("what all gateways share", lambda: time.time() - 3601)
    old = parse_qs(urlsplit(past.to(document, "1_0.jpg")).query)
    with pytest.raises(RequestError) as expired:
        links.check(library, document.document_id, "1_0.jpg", int(old["expires"][0]), old["signature"][0])
    assert expired.value.code == "link_expired"


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
