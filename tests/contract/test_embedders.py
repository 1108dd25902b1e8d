"""The contract of the Embedder port, and how the OpenAI-compatible one behaves when its endpoint does not."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.openai_embedder import EmbeddingEndpoint, OpenAIEmbedder, estimate_tokens
from shared.adapters.wordllama_embedder import WordLlamaEmbedder
from shared.adapters.wordllama_tokens import WordLlamaTokenizer
from shared.errors import ConfigurationError, TransientError
from shared.ports import Embedder
from shared.testing.memory_vectors import HashEmbedder
from tests.support.openai_emulator import KEY, OpenAIEmulator, vector_of

PATH = "/v1/embeddings"
TEXTS = ["An otter swims.", "", " \n", "日本語🙂", "nul\0", "x" * 50_000, "An otter swims.", "<s>[PAD]</s>", "\ud800"]


@pytest.fixture
async def emulator() -> AsyncIterator[OpenAIEmulator]:
    async with OpenAIEmulator() as running:
        yield running


def endpoint(emulator: OpenAIEmulator, **settings: Any) -> EmbeddingEndpoint:
    given: dict[str, Any] = {"base_url": emulator.url + "/v1", "api_key": KEY, "model": "m", "dimension": 16}
    return EmbeddingEndpoint(**(given | settings))


@pytest.fixture
async def openai(emulator: OpenAIEmulator) -> AsyncIterator[OpenAIEmbedder]:
    embedder = OpenAIEmbedder(endpoint(emulator, batch_inputs=4, attempts=3))
    yield embedder
    await embedder.close()


@pytest.fixture(params=["hash", "wordllama", "openai"])
def embedder(request: pytest.FixtureRequest, openai: OpenAIEmbedder) -> Embedder:
    made: dict[str, Embedder] = {"hash": HashEmbedder(), "wordllama": WordLlamaEmbedder(), "openai": openai}
    return made[request.param]


async def test_one_unit_vector_a_text_in_order(embedder: Embedder) -> None:
    vectors = await embedder.embed(TEXTS)
    assert len(vectors) == len(TEXTS)
    for vector in vectors:
        assert len(vector) == embedder.dimension
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert vectors[0] == vectors[6]
    assert vectors[0] != vectors[3]


async def test_no_texts_no_vectors(embedder: Embedder) -> None:
    assert await embedder.embed([]) == []


async def test_the_name_tells_model_and_dimension(embedder: Embedder) -> None:
    assert embedder.name.endswith(f"@{embedder.dimension}")


async def test_wordllama_agrees_with_its_own_embed_and_knows_what_is_alike() -> None:
    import wordllama

    texts = ["The cat sat on the mat.", "A kitten lay on the rug.", "Quarterly tax declaration form"]
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    theirs = model.embed(texts, norm=True)
    ours = await WordLlamaEmbedder().embed(texts)
    for mine, other in zip(ours, theirs.tolist(), strict=True):
        assert mine == pytest.approx(other, abs=1e-5)
    assert math.fsum(map(float.__mul__, ours[0], ours[1])) > math.fsum(map(float.__mul__, ours[0], ours[2]))


async def test_wordllama_leaves_logging_and_the_event_loop_alone() -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    ticks = 0
    task = asyncio.create_task(WordLlamaEmbedder().embed(["some text to embed"] * 3_000))
    while not task.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert len(await task) == 3_000
    assert ticks > 5
    assert before == (logging.getLogger().handlers, logging.getLogger().level)


def test_token_offsets_are_characters_and_cover_the_text() -> None:
    text = "Größe  日本語 🙂 end\n\nof text"
    spans = WordLlamaTokenizer().spans(text)
    assert list(spans) == sorted(spans)
    assert {i for start, end in spans for i in range(start, end)} == set(range(len(text)))


async def test_vectors_are_those_of_the_endpoint_normalised(openai: OpenAIEmbedder) -> None:
    (vector,) = await openai.embed(["hello"])
    raw = vector_of("hello", 16)
    assert vector == pytest.approx([value / math.hypot(*raw) for value in raw], abs=1e-6)


async def test_batches_keep_both_limits(emulator: OpenAIEmulator) -> None:
    embedder = OpenAIEmbedder(endpoint(emulator, batch_inputs=100, batch_tokens=2_000))
    texts = [f"{i} " + "word " * (i % 50) for i in range(500)]
    assert len(await embedder.embed(texts)) == 500
    assert max(map(len, emulator.batches)) <= 100
    assert max(sum(map(estimate_tokens, batch)) for batch in emulator.batches) <= 2_000
    assert sorted(text for batch in emulator.batches for text in batch) == sorted(texts)
    await embedder.close()


@pytest.mark.parametrize("status", [500, 503, 408, 409, 0])
async def test_only_the_failed_batch_is_asked_again(
    emulator: OpenAIEmulator, openai: OpenAIEmbedder, status: int
) -> None:
    emulator.fail(PATH, status)
    assert len(await openai.embed([f"t{i}" for i in range(12)])) == 12
    assert emulator.counts[PATH] == 4
    assert sum(map(len, emulator.batches)) == 12


async def test_vectors_left_out_are_asked_for_again(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    emulator.omit = 2
    vectors = await openai.embed(["a", "b", "c", "d"])
    assert all(vectors)
    assert emulator.batches == [["a", "b", "c", "d"], ["c", "d"]]


async def test_retry_after_is_waited_out_by_all_batches(emulator: OpenAIEmulator) -> None:
    embedder = OpenAIEmbedder(endpoint(emulator, batch_inputs=1, concurrency=1))
    emulator.fail(PATH, 429, headers={"Retry-After": "0.4"})
    began = time.monotonic()
    await embedder.embed(["a", "b", "c"])
    assert time.monotonic() - began >= 0.4
    assert emulator.counts[PATH] == 4
    await embedder.close()


async def test_a_long_retry_after_is_told_to_the_caller(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    emulator.fail(PATH, 429, headers={"Retry-After": "300"})
    with pytest.raises(TransientError) as caught:
        await openai.embed(["a"])
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 300)
    assert emulator.counts[PATH] == 1


async def test_attempts_are_bounded(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    emulator.fail(PATH, 500, times=99)
    with pytest.raises(TransientError):
        await openai.embed(["a"])
    assert emulator.counts[PATH] == 3


async def test_a_used_up_quota_is_not_retried(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    emulator.fail(PATH, 429, body={"error": {"message": "no", "code": "insufficient_quota"}})
    with pytest.raises(ConfigurationError, match="quota"):
        await openai.embed(["a"])
    assert emulator.counts[PATH] == 1


async def test_a_wrong_key_is_configuration_and_never_shown(emulator: OpenAIEmulator) -> None:
    embedder = OpenAIEmbedder(endpoint(emulator, api_key="wrong-sekret"))
    with pytest.raises(ConfigurationError) as caught:
        await embedder.embed(["a"])
    assert "sekret" not in caught.value.message + repr(embedder._endpoint)
    assert emulator.counts[PATH] == 1
    await embedder.close()


async def test_another_dimension_is_refused(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    emulator.dimension = 8
    with pytest.raises(ConfigurationError, match="8 dimensions"):
        await openai.embed(["a"])


async def test_a_slow_endpoint_times_out_and_a_stranger_is_no_crash(emulator: OpenAIEmulator) -> None:
    embedder = OpenAIEmbedder(endpoint(emulator, timeout=0.2, attempts=1))
    emulator.delay = 1
    with pytest.raises(TransientError):
        await embedder.embed(["a"])
    emulator.delay = 0
    emulator.fail(PATH, 200, body={"hello": "world"})
    with pytest.raises(TransientError):
        await embedder.embed(["a"])
    await embedder.close()


async def test_the_dimension_is_sent_only_when_wanted(emulator: OpenAIEmulator, openai: OpenAIEmbedder) -> None:
    await openai.embed(["a"])
    shortened = OpenAIEmbedder(endpoint(emulator, send_dimension=True))
    await shortened.embed(["a"])
    assert [request.get("dimensions") for request in emulator.requests] == [None, 16]
    await shortened.close()


def test_batches_beyond_the_api_are_refused(emulator: OpenAIEmulator) -> None:
    with pytest.raises(ConfigurationError):
        endpoint(emulator, batch_inputs=4_096)
