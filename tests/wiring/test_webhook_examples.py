"""docs/webhooks.md: what it shows is what is sent, and its snippet verifies it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from infra.cli import parser
from services.gateway.webhooks.schedule import Schedule
from shared.webhook import EventType
from tests.support.gateway import World, world
from tests.wiring.test_webhooks import deliver, fail

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_names_every_event():
    assert {kind for kind in EventType if f"`{kind}`" not in PAGE} == set()


@pytest.mark.parametrize("line", blocks("sh")[0].strip().splitlines())
def test_the_commands_are_understood(line: str):
    words = [word.strip("'") for word in line.split()[1:]]
    assert parser.build().parse_args(words).function == "webhooks"


async def test_the_snippet_verifies_what_is_sent_and_it_is_as_shown():
    request, shown = (json.loads(block) for block in blocks("json"))
    space: dict[str, Any] = {}
    exec(blocks("python")[0], space)
    heard: list[tuple[bytes, dict[str, str]]] = []

    async def hear(asked: web.Request) -> web.Response:
        heard.append((await asked.read(), dict(asked.headers)))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with world(webhook_allow=[f"127.0.0.1:{port}"], schedule=Schedule()) as gateway:
        made = (
            await gateway.http.post("/api/webhooks", json={**request, "url": f"http://127.0.0.1:{port}/hook"})
        ).json()
        await told(gateway)
    await runner.cleanup()
    body, headers = heard[0]
    message = space["verified"](made["secret"], body, headers)
    assert space["verified"](made["secret"], body + b" ", headers) is None
    assert (message.keys(), message["data"].keys()) == (shown.keys(), shown["data"].keys())
    assert message["data"]["error"].keys() == shown["data"]["error"].keys()
    assert (message["type"], message["data"]["status"]) == (shown["type"], shown["data"]["status"])


async def told(gateway: World) -> None:
    await fail(gateway, 0, "invoices")
    await deliver(gateway)
