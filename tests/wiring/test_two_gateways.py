"""Two gateways on the same stores: whoever asks the other one is answered the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateway import World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route


@pytest.fixture
async def pair() -> AsyncIterator[tuple[World, World]]:
    async with (
        world() as one,
        world(
            jobs=one.jobs, documents=one.documents, storage=one.storage, vectors=one.vectors, images=one.images
        ) as other,
    ):
        await one.upload(text_pdf("The keeper wrote the weather down."), libraryId="lib")
        await Route(one).run()
        yield one, other


async def ended(gateway: World, path: str) -> dict[str, Any]:
    while True:
        answer = await gateway.http.get(path)
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        if state["finished"]:
            return state
        await asyncio.sleep(0.01)


async def test_a_rebuild_is_followed_at_the_other_gateway(pair: tuple[World, World]):
    one, other = pair
    for what, started in (("rebuild", 1), ("reembed", 0)):
        begun = (await one.http.post(f"/api/system/{what}", json={})).json()
        state = await ended(other, f"/api/system/rebuild/{begun['handle']}")
        assert (state["batchId"], state["started"], state["error"]) == (begun["batchId"], started, "")


async def test_a_repair_is_followed_at_the_other_gateway_and_what_is_left_is_told_there(pair: tuple[World, World]):
    one, other = pair
    (row,) = (await one.http.get("/api/documents", params={"library": "lib"})).json()["documents"]
    document = await one.documents.get(row["documentId"])
    assert document is not None
    await one.storage.delete(document.artefacts["source"].key)
    begun = (
        await one.http.post("/api/repairs", json={"status": "any", "libraryId": "lib", "markDeleted": True})
    ).json()
    state = await ended(other, f"/api/repairs/{begun['handle']}")
    assert (state["checked"], state["error"]) == (1, "")
    left = await other.http.get(f"/api/repairs/{begun['handle']}/left")
    assert left.status_code == 200
    assert document.document_id in left.text


async def test_a_bulk_requeue_is_followed_at_the_other_gateway(pair: tuple[World, World]):
    one, other = pair
    begun = (await one.http.post("/api/jobs/requeue", json={"status": "completed"})).json()
    state = await ended(other, f"/api/jobs/requeue/{begun['handle']}")
    assert (state["found"], state["done"] + len(state["refused"])) == (1, 1)
    planned = (await one.http.post("/api/jobs/requeue", json={"status": "completed", "dryRun": True})).json()
    assert planned["finished"]
    assert (await other.http.get(f"/api/jobs/requeue/{planned['handle']}")).status_code == 404
