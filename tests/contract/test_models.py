"""The contract of the Models port, and how the OpenAI-compatible client behaves when its endpoint does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest

from shared.account import Account
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_limits import MemoryLanes, ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.openai_client import LOOPBACK_ONLY, check_allowed
from shared.adapters.openai_models import OpenAIModels
from shared.errors import BudgetExceeded, ConfigurationError, ModelAnswerError, Paused, TransientError
from shared.models import DataBlock, ImageBlock, ModelRequest, Models
from shared.testing.memory import MemoryStorage
from shared.testing.scripted_models import ScriptedModels
from tests.support.model_server import Asked, ModelServer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title"],
}
GOOD = {"title": "A", "year": 1999}


def question(text: str = "What is the title?", **more: Any) -> ModelRequest:
    given: dict[str, Any] = {"purpose": "metadata", "instructions": text, "schema": SCHEMA}
    return ModelRequest(**(given | more))


def account(**more: Any) -> Account:
    given: dict[str, Any] = {"library_id": "lib", "document_id": "doc", "run": "run-1/transform"}
    return Account(**(given | more))


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer({"metadata": GOOD}) as running:
        yield running


class Client:
    """A client as one process has it; another one on the same storage is the process after a restart."""

    def __init__(self, server: ModelServer, storage: MemoryStorage | None = None, **settings: Any) -> None:
        self.storage = storage or MemoryStorage()
        given: dict[str, Any] = {"base_url": server.url + "/v1", "api_key": "k", "model": "gpt-4o-mini"}
        endpoint = ModelEndpoint(**(given | {"open_seconds": 0.3} | settings))
        limits = ModelLimits(MemoryLanes(), patience=0.1, rate_patience=2)
        prices = Prices('{"cheap": {"input": 1, "output": 2}}')
        self.models = OpenAIModels(endpoint, limits, self.storage, prices)


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[Client]:
    made = Client(server)
    yield made
    await made.models.close()


@pytest.fixture(params=["scripted", "openai"])
def models(request: pytest.FixtureRequest, client: Client) -> Models:
    made: dict[str, Models] = {"scripted": ScriptedModels({"metadata": GOOD}), "openai": client.models}
    return made[request.param]


async def test_an_answer_fits_its_schema_and_is_charged(models: Models) -> None:
    payer = account()
    answer = await models.ask(question(), payer)
    assert (answer.value, answer.cached) == (GOOD, False)
    (charge,) = payer.take_charges()
    assert (charge.purpose, charge.usd) == ("metadata", answer.usd)
    assert payer.spent_usd == answer.usd
    assert answer.usd is not None
    assert answer.usd > 0


async def test_a_budget_stops_before_it_is_exceeded(models: Models) -> None:
    payer = account(budget_usd=0.000_001)
    with pytest.raises(BudgetExceeded, match="budget"):
        await models.ask(question(), payer)
    assert payer.spent_usd == 0
    assert payer.take_charges() == []


# answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["prose", "wrong_schema", "cut_answer"])
async def test_a_useless_answer_is_asked_for_once_more_and_both_calls_are_paid(
    server: ModelServer, client: Client, kind: str
) -> None:
    server.fail(kind)
    payer = account()
    answer = await client.models.ask(question(), payer)
    assert answer.value == GOOD
    assert [asked.turn for asked in server.asked] == [0, 1]
    assert "cannot be used" in server.asked[1].text
    assert len(payer.take_charges()) == 2


async def test_an_answer_that_stays_useless_is_named_and_not_paid_for_again_by_the_same_run(
    server: ModelServer, client: Client
) -> None:
    server.fail("prose", times=2)
    for _ in range(2):
        with pytest.raises(ModelAnswerError) as caught:
            await client.models.ask(question(), account())
        assert caught.value.code == "model_answer_invalid"
    assert len(server.asked) == 2
    answer = await client.models.ask(question(), account(run="run-2/transform"))
    assert (answer.value, answer.cached) == (GOOD, False)


async def test_a_cut_off_answer_gets_more_room_once(server: ModelServer, client: Client) -> None:
    server.fail("length")
    assert (await client.models.ask(question(max_output_tokens=100), account())).value == GOOD
    assert [asked.body["max_tokens"] for asked in server.asked] == [100, 300]
    server.fail("length", times=2)
    with pytest.raises(ModelAnswerError) as caught:
        await client.models.ask(question("again"), account())
    assert caught.value.code == "model_truncated"


async def test_a_refusal_is_named(server: ModelServer, client: Client) -> None:
    server.fail("refusal")
    with pytest.raises(ModelAnswerError) as caught:
        await client.models.ask(question(), account())
    assert caught.value.code == "model_refused"
    assert len(server.asked) == 1


async def test_too_long_an_input_is_said_of_the_document(server: ModelServer, client: Client) -> None:
    body = {
        "error": {"message": "This model's maximum context length is 8192 tokens", "code": "context_length_exceeded"}
    }
    server.fail(status=400, body=body, times=3)
    with pytest.raises(ModelAnswerError) as caught:
        await client.models.ask(question(), account())
    assert caught.value.code == "model_input_too_large"


@pytest.mark.parametrize(("structured", "tries"), [("json_object", 1), ("none", 2)])
async def test_an_endpoint_without_structured_outputs_is_found_out_once(structured: str, tries: int) -> None:
    async with ModelServer({"metadata": 'Here:\n```json\n{"title": "A"}\n```'}, structured=structured) as server:
        client = Client(server)
        for number in range(3):
            answer = await client.models.ask(question(str(number)), account())
            assert answer.value == {"title": "A"}
        assert sum(server.received.values()) == 3 + tries
        assert server.asked[-1].schema == SCHEMA
        await client.models.close()


async def test_text_images_and_another_model_for_a_purpose(server: ModelServer) -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> str:
        seen.append(asked)
        return "A chair."

    server.answers = answer
    client = Client(server, vision_model="gpt-4o", purposes={"plan": "gpt-4.1"})
    image = ImageBlock(b"\x89PNG", "image/png", "figure 1")
    told = await client.models.ask(ModelRequest(purpose="look", instructions="What is it?", images=[image]), account())
    await client.models.ask(ModelRequest(purpose="plan", instructions="Plan.", data=[DataBlock("p", "x")]), account())
    assert told.value == "A chair."
    assert [asked.model for asked in seen] == ["gpt-4o", "gpt-4.1"]
    assert seen[0].images == [b"\x89PNG"]
    assert seen[1].blocks == [("p", "x")]
    assert client.models.name == "openai/gpt-4o-mini+gpt-4.1+gpt-4o"
    await client.models.close()


# failures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["status", "reset", "garbage", "cut"])
async def test_a_failed_call_is_tried_again(server: ModelServer, client: Client, kind: str) -> None:
    server.fail(kind)
    payer = account()
    assert (await client.models.ask(question(), payer)).value == GOOD
    assert len(server.asked) == 2
    assert len(payer.take_charges()) == 1


async def test_calls_that_keep_failing_end_and_cost_nothing(server: ModelServer) -> None:
    client = Client(server, attempts=2)
    server.fail(times=9)
    payer = account(budget_usd=1.0)
    with pytest.raises(TransientError) as caught:
        await client.models.ask(question(), payer)
    assert not isinstance(caught.value, Paused)
    assert len(server.asked) == 2
    assert payer.take_charges() == []
    await client.models.close()


@pytest.mark.parametrize("kind", ["hang", "slow_headers"])
async def test_a_call_has_a_deadline_of_its_own_that_grows_with_its_size(server: ModelServer, kind: str) -> None:
    endpoint = ModelEndpoint(base_url="http://127.0.0.1", api_key="", model="m")
    assert endpoint.deadline(100_000, 8_000) > endpoint.deadline(100, 8_000) > endpoint.deadline(100, 100)
    assert endpoint.deadline(10**9, 10**6) == endpoint.timeout_most
    client = Client(server, attempts=1, timeout=0.2, timeout_per_1000_written=0.0)
    server.fail(kind, seconds=30)
    began = time.monotonic()
    with pytest.raises(TransientError, match="in time"):
        await client.models.ask(question(), account())
    assert time.monotonic() - began < 15
    await client.models.close()


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_waited_out(server: ModelServer, client: Client, form: str) -> None:
    await client.models.ask(question("warm up"), account())
    wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    server.fail(status=429, retry_after=wait)
    began = time.time()
    assert (await client.models.ask(question(), account())).value == GOOD
    assert time.time() - began >= 0.95


async def test_a_long_retry_after_pauses_the_work(server: ModelServer, client: Client) -> None:
    server.fail(status=429, retry_after="500")
    with pytest.raises(Paused) as caught:
        await client.models.ask(question(), account())
    assert 490 < (caught.value.retry_after or 0) < 700


async def test_a_dead_endpoint_pauses_the_work_and_is_tried_again_later(server: ModelServer, client: Client) -> None:
    server.fail(status=503, times=6)
    with pytest.raises(Paused) as caught:
        await client.models.ask(question(), account())
    assert "HTTP 503" in caught.value.message
    (state,) = await client.models.states()
    assert state.breaker == "open"
    before = len(server.asked)
    with pytest.raises(Paused):
        await client.models.ask(question("another"), account())
    assert len(server.asked) == before
    server.faults.clear()
    while (await client.models.states())[0].breaker == "open":
        await asyncio.sleep(0.02)
    assert (await client.models.ask(question(), account())).value == GOOD


async def test_a_wrong_key_is_configuration_and_is_never_shown(server: ModelServer) -> None:
    server.key = "right"
    client = Client(server, api_key="wrong-sekret")
    with pytest.raises(ConfigurationError) as caught:
        await client.models.ask(question(), account())
    assert "sekret" not in caught.value.message
    assert "sekret" not in repr(ModelEndpoint(base_url="http://127.0.0.1", api_key="sekret", model="m"))
    await client.models.close()


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1.example.org/v1", "ftp://x", "nothing"])
def test_no_call_of_a_test_leaves_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(ModelServer(), base_url=url)


def test_the_switch_is_what_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOOPBACK_ONLY)
    check_allowed("https://api.openai.com/v1")


async def test_hundreds_of_calls_through_errors_are_all_answered_and_none_is_paid_twice() -> None:
    latency = {"*": 0.01}
    async with ModelServer({"*": GOOD}, latency=latency, rates={429: 0.10, 500: 0.05}) as server:
        client = Client(server, in_flight=16, open_seconds=5.0)
        payer = account()
        answers = await asyncio.gather(*(client.models.ask(question(f"{i}"), payer) for i in range(400)))
        assert [answer.value for answer in answers] == [GOOD] * 400
        assert len(server.completed) == 400
        assert server.repeated == 0
        assert sum(server.received.values()) > 420
        assert server.most_in_flight <= 16
        assert len(payer.take_charges()) == 400
        await client.models.close()


# what is paid is kept -------------------------------------------------------------------------------------------------


async def test_a_paid_answer_is_free_from_then_on_for_every_run(server: ModelServer, client: Client) -> None:
    first = await client.models.ask(question(), account())
    (key,) = client.storage.objects
    assert key.startswith("lib/doc/ai/")
    again = Client(server, client.storage)
    for run in ("run-1/transform", "run-2/transform"):
        answer = await again.models.ask(question(), account(run=run))
        assert (answer.value, answer.cached, answer.usd) == (first.value, True, 0.0)
    assert len(server.asked) == 1
    await again.models.close()


async def test_another_document_pays_for_itself(server: ModelServer, client: Client) -> None:
    await client.models.ask(question(), account())
    await client.models.ask(question(), account(document_id="other"))
    assert len(server.asked) == 2


async def test_without_the_cache_a_run_pays_again_but_only_once(server: ModelServer, client: Client) -> None:
    await client.models.ask(question(), account())
    for _ in range(2):
        fresh = await client.models.ask(question(), account(run="run-2/transform", use_cache=False))
        assert fresh.value == GOOD
    assert len(server.asked) == 2


async def test_what_a_killed_attempt_had_paid_is_counted_by_the_next_and_only_once(
    server: ModelServer, client: Client
) -> None:
    killed = account()
    await client.models.ask(question(), killed)
    unreported = killed.take_charges()
    resumed = account()
    assert (await client.models.ask(question(), resumed)).cached
    assert resumed.take_charges() == unreported
    assert resumed.spent_usd == killed.spent_usd
    told = account(paid=frozenset(charge.id for charge in unreported), spent_usd=killed.spent_usd)
    await client.models.ask(question(), told)
    assert told.take_charges() == []
    assert told.spent_usd == killed.spent_usd


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": "other"}', b"\xff\xfe", b"[]"])
async def test_a_damaged_file_is_paid_for_again(server: ModelServer, client: Client, content: bytes) -> None:
    await client.models.ask(question(), account())
    (key,) = client.storage.objects
    client.storage.objects[key] = content
    answer = await client.models.ask(question(), account())
    assert (answer.value, answer.cached) == (GOOD, False)
    assert len(server.asked) == 2


async def test_equal_questions_at_the_same_time_are_one_call(server: ModelServer, client: Client) -> None:
    server.latency["*"] = 0.2
    payer = account()
    answers = await asyncio.gather(*(client.models.ask(question(), payer) for _ in range(10)))
    assert [answer.value for answer in answers] == [GOOD] * 10
    assert sorted(answer.cached for answer in answers) == [False] + [True] * 9
    assert len(server.asked) == 1
    assert len(payer.take_charges()) == 1


async def test_a_question_that_was_sent_is_paid_and_kept_although_its_asker_is_cancelled(
    server: ModelServer, client: Client
) -> None:
    server.latency["*"] = 0.3
    asking = asyncio.create_task(client.models.ask(question(), account()))
    while not server.in_flight:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    while not client.storage.objects:
        await asyncio.sleep(0.01)
    assert (await client.models.ask(question(), account())).cached
    assert len(server.asked) == 1


async def test_a_question_that_still_waits_for_its_turn_is_dropped_with_its_asker(server: ModelServer) -> None:
    client = Client(server, in_flight=1)
    server.latency["*"] = 0.3
    asking = [asyncio.create_task(client.models.ask(question(f"{i}"), account())) for i in range(5)]
    while not server.in_flight:
        await asyncio.sleep(0.01)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    while not client.storage.objects:
        await asyncio.sleep(0.01)
    assert len(server.asked) == 1
    await client.models.close()


# money ----------------------------------------------------------------------------------------------------------------


async def test_calls_under_way_count_against_the_budget(server: ModelServer) -> None:
    client = Client(server, model="cheap")
    server.latency["*"] = 0.1
    payer = account(budget_usd=0.000_5)
    asked = [client.models.ask(question(f"{i}", max_output_tokens=50), payer) for i in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BudgetExceeded)]
    assert 0 < len(refused) < 10
    assert len(server.asked) == 10 - len(refused)
    assert payer.spent_usd <= 0.000_5
    await client.models.close()


async def test_a_model_without_a_price_is_said_once_and_cannot_keep_a_budget(server: ModelServer) -> None:
    client = Client(server, model="nobody-knows")
    payer = account()
    for number in range(3):
        assert (await client.models.ask(question(f"{number}"), payer)).usd is None
    assert [note["phase"] for note in payer.take_notes()] == ["model_price_unknown"]
    assert [charge.usd for charge in payer.take_charges()] == [None] * 3
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_MODEL_PRICES"):
        await client.models.ask(question("x"), account(budget_usd=5.0))
    await client.models.close()


async def test_the_endpoints_own_budget_holds_for_jobs_that_name_none(server: ModelServer) -> None:
    client = Client(server, budget_usd=0.0)
    with pytest.raises(BudgetExceeded):
        await client.models.ask(question(), account())
    assert (await client.models.ask(question(), account(budget_usd=1.0))).value == GOOD
    await client.models.close()


@pytest.mark.parametrize("table", ["{", '{"m": {"input": -1}}', '{"m": {"in": 1}}', "/no/such/file.json"])
def test_a_price_table_that_is_none_is_refused(table: str) -> None:
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_MODEL_PRICES"):
        Prices(table)


def test_a_dated_name_has_its_models_price() -> None:
    prices = Prices()
    assert prices.of("gpt-4o-2024-08-06") == prices.of("gpt-4o")
    assert prices.of("gpt-4o-audio") is None
