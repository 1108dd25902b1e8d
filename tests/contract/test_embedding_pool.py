"""Requests to an embedding endpoint shared by documents and jobs: full ones, fairly paid, one bad text alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.account import Account
from shared.adapters.model_prices import Prices
from shared.adapters.openai_embedder import EmbeddingEndpoint, OpenAIEmbedder, estimate_tokens
from shared.errors import BudgetExceeded, ConfigurationError, TransientError
from tests.support.openai_emulator import KEY, OpenAIEmulator, vector_of

PATH = "/v1/embeddings"


@pytest.fixture
async def emulator() -> AsyncIterator[OpenAIEmulator]:
    async with OpenAIEmulator() as running:
        yield running


def embedder_of(emulator: OpenAIEmulator, prices: str = "", **settings: Any) -> OpenAIEmbedder:
    given: dict[str, Any] = {"base_url": emulator.url + "/v1", "api_key": KEY, "model": "m", "dimension": 16}
    return OpenAIEmbedder(EmbeddingEndpoint(**(given | settings)), prices=Prices(prices))


async def test_small_documents_of_many_jobs_share_requests(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator, concurrency=2)
    documents = [[f"document {n} chunk {m}" for m in range(5)] for n in range(40)]
    found = await asyncio.gather(*(embedder.embed(texts) for texts in documents))
    assert emulator.counts[PATH] <= 3
    for texts, vectors in zip(documents, found, strict=True):
        raw = vector_of(texts[3], 16)
        assert vectors[3] == pytest.approx([value / math.hypot(*raw) for value in raw], abs=1e-6)
    await embedder.close()


async def test_shared_requests_keep_both_limits(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator, concurrency=1, batch_inputs=10, batch_tokens=100)
    await asyncio.gather(*(embedder.embed([f"{n} " + "word " * 6]) for n in range(50)))
    assert max(map(len, emulator.batches)) <= 10
    assert max(sum(map(estimate_tokens, batch)) for batch in emulator.batches) <= 100
    assert 6 <= emulator.counts[PATH] <= 10
    await embedder.close()


async def test_a_text_that_several_want_is_sent_once(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    one, two = await asyncio.gather(embedder.embed(["same", "a"]), embedder.embed(["b", "same"]))
    assert sorted(emulator.batches[0]) == ["a", "b", "same"]
    assert one[0] == two[1]
    await embedder.close()


async def test_a_query_does_not_wait_for_company(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    await asyncio.gather(embedder.embed(["passage"]), embedder.embed(["query"], query=True))
    assert ["query"] in emulator.batches
    await embedder.close()


async def test_a_refused_request_is_repeated_for_each_caller(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    emulator.fail(PATH, 400, body={"error": {"message": "input is bad"}})
    found = await asyncio.gather(embedder.embed(["good"]), embedder.embed(["fine"]))
    assert all(found)
    assert emulator.batches == [["good"], ["fine"]]
    await embedder.close()


async def test_only_whose_text_is_refused_fails(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    emulator.fail(PATH, 400, times=2, body={"error": {"message": "input is bad"}})
    found = await asyncio.gather(embedder.embed(["bad"]), embedder.embed(["good"]), return_exceptions=True)
    assert isinstance(found[0], ConfigurationError | Exception)
    assert isinstance(found[1], list)
    await embedder.close()


async def test_a_failed_request_is_tried_again_for_each_caller_alone(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator, attempts=2)
    emulator.fail(PATH, 500)
    found = await asyncio.gather(embedder.embed(["a"]), embedder.embed(["b"]))
    assert all(found)
    assert sorted(emulator.batches) == [["a"], ["b"]]
    await embedder.close()


async def test_one_that_is_asked_to_slow_down_stays_together(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    emulator.fail(PATH, 429, headers={"Retry-After": "0.2"})
    await asyncio.gather(embedder.embed(["a"]), embedder.embed(["b"]))
    assert [sorted(batch) for batch in emulator.batches] == [["a", "b"]]
    await embedder.close()


async def test_every_job_pays_its_share(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator, prices='{"m": {"input": 1.0, "output": 1.0}}')
    accounts = [Account(run=f"r{n}") for n in range(2)]

    async def embed(account: Account, texts: list[str]) -> None:
        with account.active():
            await embedder.embed(texts)

    await asyncio.gather(embed(accounts[0], ["word " * 300]), embed(accounts[1], ["word"]))
    assert emulator.counts[PATH] == 1
    told = [account.take_charges() for account in accounts]
    assert [len(charges) for charges in told] == [1, 1]
    await embedder.close()


async def test_a_used_up_budget_stops_its_own_job_only(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator, prices='{"m": {"input": 1000.0, "output": 0.0}}')
    poor, rich = Account(run="poor", budget_usd=0.000001), Account(run="rich")

    async def embed(account: Account) -> Any:
        with account.active():
            return await embedder.embed([f"a text of {account.run}"])

    found = await asyncio.gather(embed(poor), embed(rich), return_exceptions=True)
    assert isinstance(found[0], BudgetExceeded)
    assert isinstance(found[1], list)
    assert emulator.batches == [["a text of rich"]]
    await embedder.close()


async def test_a_caller_that_goes_away_does_not_take_the_others_along(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    emulator.delay = 0.2
    gone = asyncio.create_task(embedder.embed(["gone"]))
    stays = asyncio.create_task(embedder.embed(["stays"]))
    await asyncio.sleep(0.1)
    gone.cancel()
    assert len(await stays) == 1
    assert gone.cancelled() or await asyncio.wait({gone})
    await embedder.close()


async def test_closing_leaves_nobody_waiting(emulator: OpenAIEmulator) -> None:
    embedder = embedder_of(emulator)
    emulator.delay = 5
    waiting = asyncio.create_task(embedder.embed(["a"]))
    await asyncio.sleep(0.1)
    await embedder.close()
    with pytest.raises((asyncio.CancelledError, TransientError)):
        await asyncio.wait_for(waiting, 2)
