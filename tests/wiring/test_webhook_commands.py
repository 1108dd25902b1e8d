"""`webhooks list|add|delete|deliveries|replay|test` against a gateway, and what its key may see of endpoints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from infra import api_keys
from infra.cli import parser, webhooks
from infra.client import Client, ClientError
from services.gateway.api_keys import KeyRing
from services.gateway.webhooks.sending import Sender, retry_after
from shared.job import utc_now
from shared.webhook import Endpoint, Secret
from tests.support.gateway import World, world
from tests.support.webhook_receiver import Receiver, receiver
from tests.wiring.test_webhooks import QUICK, deliver, fail


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def gateway(hook: Receiver) -> AsyncIterator[World]:
    async with world(webhook_allow=[hook.place], schedule=QUICK) as made:
        yield made


async def run(gateway: World, *words: str) -> int:
    arguments = parser.build().parse_args(["webhooks", *words])
    return await webhooks.ACTIONS[arguments.action](Client(gateway.http), arguments)


async def test_every_action_says_what_it_did(gateway: World, hook: Receiver, capsys: pytest.CaptureFixture[str]):
    assert await run(gateway, "add", hook.url, "--event", "job.*", "--library", "lib", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    endpoint, hook.secret = made["endpointId"], made["secret"]
    assert await run(gateway, "list") == 0
    assert capsys.readouterr().out.split() == [endpoint, "enabled", "lib", "job.*", hook.url]
    dispatching = asyncio.create_task(gateway.gateway.dispatcher.run())
    assert await run(gateway, "test", endpoint) == 0
    assert "delivered" in capsys.readouterr().out
    hook.answers = lambda number, message: 500
    assert await run(gateway, "test", endpoint) == 1
    dispatching.cancel()
    await fail(gateway, 0)
    await deliver(gateway)
    await run(gateway, "deliveries", endpoint, "--state", "failed", "--json")
    failed = {row["eventType"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["deliveries"]}
    assert await run(gateway, "replay", endpoint, failed["job.failed"]["deliveryId"]) == 0
    assert await run(gateway, "replay", endpoint, "--since", "2020-01-01T00:00:00Z") == 0
    assert "1 deliveries are made once more." in capsys.readouterr().out
    with pytest.raises(ClientError):
        await run(gateway, "replay", endpoint)
    assert await run(gateway, "delete", endpoint) == 0
    with pytest.raises(ClientError) as gone:
        await run(gateway, "deliveries", endpoint)
    assert gone.value.code == "not_found"


def test_without_an_id_it_says_what_is_needed():
    with pytest.raises(ClientError, match="needs an endpoint's id"):
        webhooks.webhooks(parser.build().parse_args(["webhooks", "delete"]))


async def test_of_other_libraries_there_are_no_endpoints_and_managing_needs_operate(tmp_path: Path, hook: Receiver):
    api_keys.make_own(tmp_path)
    operator = {library: api_keys.make(tmp_path, ["read", "operate"], [library], "") for library in ("a", "b")}
    reader = api_keys.make(tmp_path, ["read", "write"], ["a"], "")
    async with world(webhook_allow=[hook.place], keys=KeyRing(tmp_path / api_keys.KEYS)) as gateway:
        http = gateway.http
        headers = {library: api_keys.headers(token) for library, token in operator.items()}
        made = (await http.post("/api/webhooks", json={"url": hook.url}, headers=headers["a"])).json()
        assert made["libraryId"] == "a"
        place = f"/api/webhooks/{made['endpointId']}"
        delivery = (await http.post(f"{place}/test", headers=headers["a"])).json()["deliveryId"]
        for method, path, body in (
            ("GET", place, None), ("PATCH", place, {"enabled": False}), ("DELETE", place, None),
            ("POST", f"{place}/rotate", {}), ("POST", f"{place}/test", None), ("GET", f"{place}/deliveries", None),
            ("POST", f"{place}/deliveries/{delivery}/replay", None),
            ("POST", f"{place}/replay", {"since": "2020-01-01T00:00:00Z"}),
        ):  # fmt: skip
            assert (await http.request(method, path, json=body, headers=headers["b"])).status_code == 404, path
            assert (await http.request(method, path, json=body, headers=api_keys.headers(reader))).status_code == 403
        assert (await http.get("/api/webhooks", headers=headers["b"])).json() == {"webhooks": []}
        for library in ("a", "*"):
            body = {"url": hook.url, "libraryId": library}
            assert (await http.post("/api/webhooks", json=body, headers=headers["b"])).status_code == 404
        own = api_keys.headers(api_keys.own(tmp_path))
        everything = (await http.post("/api/webhooks", json={"url": hook.url}, headers=own)).json()
        assert everything["libraryId"] == "*"
        assert (await http.get(f"/api/webhooks/{everything['endpointId']}", headers=headers["a"])).status_code == 404
        assert (await http.get(place, headers=headers["a"])).json()["enabled"]


async def test_a_name_that_leads_inside_later_is_not_told(hook: Receiver):
    answers = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]

    async def resolver(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    sender, now = Sender([], 2.0, resolver=resolver), utc_now()
    url = f"http://hook.example:{hook.port}/hook"
    assert await sender.check(url) == url
    endpoint = Endpoint(
        endpoint_id="ep", library_id="*", url=url, event_types=["*"], secrets=[Secret(value="whsec_" + "A" * 44)],
        created_at=now,
    )  # fmt: skip
    async with world() as gateway:
        gateway.webhooks.kept["ep"] = endpoint
        await gateway.gateway.webhooks.ping("ep")
        (row,) = gateway.webhooks.stored.values()
    for _ in range(2):
        assert (await sender.send(endpoint, row, now)).error == "address_not_allowed"
    assert hook.asked == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("9" * 30, None),
    ],
)
def test_a_wish_for_quiet_is_seconds_or_a_date(text: str, seconds: float | None):
    assert retry_after(text, utc_now()) == seconds
