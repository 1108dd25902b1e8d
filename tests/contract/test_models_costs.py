"""What is paid is kept, counted once, and stays within the budget."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.model_prices import Prices
from shared.errors import BudgetExceeded, ConfigurationError
from tests.support.model_clients import GOOD, Client, account, question
from tests.support.model_server import ModelServer


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
