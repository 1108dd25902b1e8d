"""How the model client behaves when its endpoint does not."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest

from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.openai_client import LOOPBACK_ONLY, check_allowed
from shared.errors import ConfigurationError, ModelAnswerError, Paused, TransientError
from tests.support.model_clients import GOOD, Client, account, question
from tests.support.model_server import ModelServer


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


async def test_an_endpoint_that_only_asks_to_slow_down_pauses_the_work_in_the_end(server: ModelServer) -> None:
    client = Client(server)
    server.fail(status=429, retry_after="0.01", times=1_000)
    with pytest.raises(Paused, match="slow down"):
        await client.models.ask(question(), account())
    assert len(server.asked) < 50
    assert (await client.models.states())[0].breaker == "closed"
    await client.models.close()


async def test_a_question_that_the_endpoint_does_not_accept_is_that_questions_fault(
    server: ModelServer, client: Client
) -> None:
    server.fail(status=400, body={"error": {"message": "invalid image"}}, times=3)
    with pytest.raises(ModelAnswerError) as caught:
        await client.models.ask(question(), account())
    assert caught.value.code == "model_refused"
    assert (await client.models.ask(question("another"), account())).value == GOOD


def test_a_credential_in_the_address_is_refused_before_it_can_be_shown(server: ModelServer) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client(server, base_url="http://user:sekret@127.0.0.1/v1")
    assert "sekret" not in caught.value.message
