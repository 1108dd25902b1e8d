"""The contract of the ImageEmbedder port: the fake, the measured descriptors in real children, and an endpoint."""

from __future__ import annotations

import base64
import contextlib
import io
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from shared.adapters.clip_images import ClipImages
from shared.adapters.descriptor_images import PRELOAD, DescriptorImages
from shared.adapters.image_choice import ImageSettings, choose_images
from shared.adapters.openai_embedder import EmbeddingEndpoint
from shared.adapters.vector_choice import VectorSettings
from shared.child import ChildFailed, Children
from shared.errors import ConfigurationError, DocumentError, ShadowtwinError
from shared.image_index import ImageIndex
from shared.imaging import SPACES, WIDE
from shared.ports import ImageEmbedder, ImageVectors, Pictured, VectorFilter, VectorRow
from shared.similarity import cosine
from shared.testing.memory_images import HashImages
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors
from tests.support.pixels import BLUE, RED, SAND, picture

CHECKS, STRIPES = picture("checks", RED), picture("stripes", BLUE)
CRASH = b"this crashes its reader"
TOKEN = "clip-key-of-this-test"


class ClipEmulator:
    """An endpoint that embeds pictures by their mean colour and texts by the names of colours."""

    def __init__(self, wire: str) -> None:
        self.wire, self.url = wire, ""
        self.bodies: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        try:
            vectors = [self._vector(given, body) for given in body["input"]]
        except KeyError:
            return web.json_response({"error": {"message": "no"}}, status=400)
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return web.json_response({"object": "list", "model": "clip", "data": data, "usage": usage})

    def _vector(self, given: Any, body: dict[str, Any]) -> list[float]:
        if self.wire == "objects":
            ((kind, value),) = given.items()
        else:
            kind, value = body["modality"], given
        if kind == "text":
            return [float(name in value) + 0.01 for name in ("red", "green", "blue")]
        with Image.open(io.BytesIO(base64.b64decode(value.partition(",")[2]))) as image:
            red, green, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        if red < 30:
            raise KeyError("refused")
        return [red - 20.0, green - 20.0, blue - 20.0]


@contextlib.asynccontextmanager
async def clip(wire: str, children: Children) -> AsyncIterator[tuple[ClipImages, ClipEmulator]]:
    emulator = ClipEmulator(wire)
    app = web.Application(client_max_size=8 << 20)
    app.add_routes([web.post("/v1/embeddings", emulator.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    emulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    endpoint = EmbeddingEndpoint(base_url=emulator.url, api_key=TOKEN, model="clip", dimension=3, batch_inputs=4)
    made = ClipImages(endpoint, DescriptorImages(HashEmbedder(64), lambda: children), wire=wire)
    try:
        yield made, emulator
    finally:
        await made.close()
        await runner.cleanup()


class Shared(Children):
    """Children whose server outlives one embedder: a fresh one costs seconds."""

    async def close(self) -> None:
        return None


@pytest.fixture
async def children() -> AsyncIterator[Shared]:
    made = Shared(PRELOAD)
    yield made
    await Children.close(made)


@pytest.fixture(params=["hash", "descriptors", "clip-objects", "clip-uris"])
async def embedder(request: pytest.FixtureRequest, children: Shared) -> AsyncIterator[ImageEmbedder]:
    name, _, wire = request.param.partition("-")
    if name == "hash":
        yield HashImages()
        return
    if name == "clip":
        async with clip(wire, children) as (made, _):
            yield made
    else:
        yield DescriptorImages(HashEmbedder(64), lambda: children)


def good(result: ImageVectors | ShadowtwinError) -> ImageVectors:
    assert isinstance(result, dict), result
    return result


async def test_five_unit_vectors_a_picture_in_order_and_a_bad_one_stops_no_other(embedder: ImageEmbedder) -> None:
    given = [Pictured(content=content) for content in (CHECKS, b"not a picture at all", STRIPES, CHECKS)]
    found = await embedder.embed(given)
    assert isinstance(found[1], DocumentError)
    for vectors in (good(found[at]) for at in (0, 2, 3)):
        assert {name: len(vector) for name, vector in vectors.items()} == SPACES
        assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors.values())
    assert found[0] == found[3] != found[2]
    assert await embedder.embed([]) == []


async def test_a_picture_finds_itself_in_every_space(embedder: ImageEmbedder) -> None:
    found = [good(each) for each in await embedder.embed([Pictured(content=CHECKS), Pictured(content=STRIPES)])]
    asked = await embedder.query(CHECKS, "")
    for space in SPACES:
        nearness = [cosine(asked[space], vectors[space]) for vectors in found]
        assert nearness[0] > nearness[1]
    with pytest.raises(DocumentError) as caught:
        await embedder.query(b"not a picture", "")
    assert caught.value.code == "image_unreadable"


async def test_a_text_finds_pictures_by_what_is_said_of_them(embedder: ImageEmbedder) -> None:
    said = [Pictured(content=CHECKS, text="red otters"), Pictured(content=STRIPES, text="blue lanterns")]
    found = [good(each)[WIDE] for each in await embedder.embed([*said, Pictured(content=picture("rings", SAND))])]
    asked = await embedder.query(None, "blue lanterns")
    assert list(asked) == [WIDE]
    nearness = [cosine(asked[WIDE], vector) for vector in found]
    assert max(nearness) == nearness[1]


async def test_the_name_tells_who_measures_and_whose_texts(embedder: ImageEmbedder) -> None:
    assert embedder.name.endswith("+hash@64") or embedder.name == "bytes-1+hash@256"


async def test_a_picture_that_kills_its_reader_loses_only_itself(children: Children) -> None:
    class Crashing(Shared):
        async def run(self, target: str, args: Any, *rest: Any, **types: Any) -> Any:
            if CRASH in args["images"]:
                raise ChildFailed("crash", "signal 11")
            return await super().run(target, args, *rest, **types)

    crashing = Crashing(PRELOAD)
    made = DescriptorImages(HashEmbedder(64), lambda: crashing)
    try:
        found = await made.embed([Pictured(content=each) for each in (CHECKS, CRASH, STRIPES)])
    finally:
        await Children.close(crashing)
    assert [isinstance(each, dict) for each in found] == [True, False, True]


async def test_a_picture_without_text_is_as_near_to_other_pictures_as_one_with(children: Children) -> None:
    made = DescriptorImages(HashEmbedder(64), lambda: children)
    plain, said = await made.embed([Pictured(content=CHECKS), Pictured(content=CHECKS, text="red otters")])
    asked = await made.query(CHECKS, "")
    bare = [*[0.0] * 1024, *asked[WIDE][1024:]]
    assert cosine(bare, good(plain)[WIDE]) == pytest.approx(cosine(bare, good(said)[WIDE]), abs=1e-5)


@pytest.mark.parametrize("wire", ["objects", "uris"])
async def test_a_model_sees_small_jpegs_and_one_it_refuses_loses_only_itself(wire: str, children: Children) -> None:
    async with clip(wire, children) as (made, emulator):
        pictures = [picture(one=RED, size=(900, 600)), picture(one=(0, 90, 0)), picture(one=SAND)]
        found = await made.embed([Pictured(content=each) for each in pictures])
        assert [isinstance(each, dict) for each in found] == [True, False, True]
        sent = emulator.bodies[0]["input"][0]
        uri = sent["image"] if wire == "objects" else sent
        assert uri.startswith("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
            assert max(image.size) == 448


def row(row_id: str, space: str, at: int, generation: str = "g1") -> VectorRow:
    vector = [0.0] * SPACES[space]
    vector[at] = 1.0
    return VectorRow(
        row_id=row_id, kind="image", library_id="lib", document_id="doc", file_id="item", generation=generation,
        vector=vector, scale=space, text="otter" if space == WIDE else "",
    )  # fmt: skip


async def test_the_index_keeps_spaces_and_generations_apart() -> None:
    index = ImageIndex(MemoryVectors("e", 512), MemoryVectors("e", 2048))
    await index.open()
    await index.write([row(f"{space}-{at}", space, at) for space in SPACES for at in (0, 1)])
    await index.write([row("new", "colour", 3, "g2")])
    assert await index.count("doc", "g1") == 10
    for space in SPACES:
        hits = await index.search(space, row("", space, 1).vector, "", VectorFilter(), 10)
        assert next(hit.row.row_id for hit in hits if hit.row.generation == "g1") == f"{space}-1"
        assert {hit.row.scale for hit in hits} == {space}
    assert await index.others("doc", "g2") == ["g1"]
    assert await index.tidy("doc", ["g1"]) == 10
    await index.delete_document("doc")
    assert await index.count("doc", "g2") == 0


def test_the_choice_refuses_what_is_incomplete_and_can_be_none(tmp_path: Any) -> None:
    def choose(vectors: dict[str, Any], **settings: Any) -> Any:
        chosen = VectorSettings(**vectors)
        return choose_images(ImageSettings(**settings), chosen, tmp_path, HashEmbedder(64))

    assert choose({}, image_embedder="none") is None
    assert choose({"vector_store": "pinecone"}) is None
    with pytest.raises(ConfigurationError, match="IMAGE_BASE_URL"):
        choose({}, image_embedder="clip")
    index, made = choose({})
    assert (index.name, made.name) == ("lancedb", "descriptors-1+hash@64")
