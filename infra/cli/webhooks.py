"""`webhooks list|add|delete|deliveries|replay|test`: endpoints that are told of what happens."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from infra.cli.connection import client_for
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.client import Client

TEST_SECONDS = 20.0
"""How long the outcome of a test is waited for: a little more than a receiver has for its answer."""
POLL_SECONDS = 0.2


def webhooks(arguments: argparse.Namespace) -> int:
    """One of the actions."""
    if arguments.action != "list" and not arguments.target:
        what = "the URL to tell" if arguments.action == "add" else "an endpoint's id; `webhooks list` shows them"
        raise CliError("bad_request", f"webhooks {arguments.action} needs {what}.", "See webhooks --help.", 2)

    async def run() -> int:
        async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
            return await ACTIONS[arguments.action](client, arguments)

    return asyncio.run(run())


async def _list(client: Client, arguments: argparse.Namespace) -> int:
    found = await client.webhooks("GET", params={"library": arguments.library} if arguments.library else {})
    return _show(arguments, found, [_endpoint(row) for row in found["webhooks"]])


async def _add(client: Client, arguments: argparse.Namespace) -> int:
    body = {"url": arguments.target, "eventTypes": arguments.event or ["*"], "description": arguments.description}
    if arguments.library:
        body["libraryId"] = arguments.library
    made = await client.webhooks("POST", json=body)
    _show(arguments, made, [_endpoint(made), made["secret"]])
    if not arguments.json:
        print("The secret is shown this once; the receiver verifies with it.", file=sys.stderr)
    return 0


async def _delete(client: Client, arguments: argparse.Namespace) -> int:
    await client.webhooks("DELETE", _path(arguments))
    return _show(arguments, {"deleted": arguments.target}, [f"{arguments.target} is deleted, with its log."])


async def _deliveries(client: Client, arguments: argparse.Namespace) -> int:
    query = {"limit": arguments.limit, **({"state": arguments.state} if arguments.state else {})}
    found = await client.webhooks("GET", f"{_path(arguments)}/deliveries", params=query)
    return _show(arguments, found, [_delivery(row) for row in found["deliveries"]])


async def _replay(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.delivery:
        path = f"{_path(arguments)}/deliveries/{quote(arguments.delivery, safe='')}/replay"
        row = await client.webhooks("POST", path)
        return _show(arguments, row, [_delivery(row)])
    if not arguments.since:
        raise CliError("bad_request", "webhooks replay needs a delivery's id, or --since TIME.", "", 2)
    found = await client.webhooks("POST", f"{_path(arguments)}/replay", json={"since": arguments.since})
    return _show(arguments, found, [f"{found['replayed']} deliveries are made once more."])


async def _test(client: Client, arguments: argparse.Namespace) -> int:
    """Exit code 1 when the receiver does not take it at the first attempt."""
    row = await client.webhooks("POST", f"{_path(arguments)}/test")
    name, end = row["deliveryId"], time.monotonic() + TEST_SECONDS
    while not row["attempts"] and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)
        page = await client.webhooks("GET", f"{_path(arguments)}/deliveries", params={"limit": 200})
        row = next((each for each in page["deliveries"] if each["deliveryId"] == name), row)
    _show(arguments, row, [_delivery(row)])
    return 0 if row["state"] == "delivered" else 1


ACTIONS: dict[str, Callable[[Client, argparse.Namespace], Awaitable[int]]] = {
    "list": _list, "add": _add, "delete": _delete, "deliveries": _deliveries, "replay": _replay, "test": _test,
}  # fmt: skip


def _path(arguments: argparse.Namespace) -> str:
    return f"/{quote(arguments.target, safe='')}"


def _show(arguments: argparse.Namespace, found: dict[str, Any], lines: list[str]) -> int:
    print(json.dumps(found) if arguments.json else "\n".join(lines))
    return 0


def _endpoint(row: dict[str, Any]) -> str:
    state = "enabled" if row["enabled"] else f"disabled {row['disabledReason']}".rstrip()
    if row["enabled"] and row["failingSince"]:
        state = f"failing since {row['failingSince'][:19]}"
    parts = (row["endpointId"], state, row["libraryId"], ",".join(row["eventTypes"]), row["url"])
    return "  ".join([*parts, _printable(row["description"])]).rstrip()


def _delivery(row: dict[str, Any]) -> str:
    last = row["attempts"][-1] if row["attempts"] else None
    said = "not tried yet"
    if last is not None:
        answered = last["error"] or last["status"]
        said = f"{len(row['attempts'])} tried, last {last['at'][:19]}: {answered} in {last['milliseconds']} ms"
    following = f", next {row['nextAttemptAt'][:19]}" if row["nextAttemptAt"] and last else ""
    return f"{row['deliveryId']}  {row['state']:9}  {row['eventType']:18}  {row['subject']}  {said}{following}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
