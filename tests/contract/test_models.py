"""The contract of the Models port, and how the OpenAI-compatible client reads what a model answers."""

from __future__ import annotations

import pytest

from shared.errors import BudgetExceeded, ModelAnswerError
from shared.models import DataBlock, ImageBlock, ModelRequest, Models
from shared.testing.scripted_models import ScriptedModels
from tests.support.model_clients import GOOD, SCHEMA, Client, account, question
from tests.support.model_server import Asked, ModelServer


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


async def test_preparing_asks_and_costs_nothing(server: ModelServer, models: Models) -> None:
    await models.prepare()
    assert server.asked == []
    assert (await models.ask(question(), account())).value == GOOD
