"""`rebuild` and `reembed`: derived state made anew by the running stack, or by one that lives as long as the command
(or `--broker`: by telling pending work again)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.cli.process import await_ready, served
from infra.client import Client
from infra.client.shapes import Rebuild

POLL_SECONDS = 0.5


def rebuild(arguments: argparse.Namespace) -> int:
    """Documents, chunks and vectors from the twins; with --broker only pending work is told again."""
    return asyncio.run(_told_again(arguments) if arguments.broker else _run(arguments, "rebuild"))


def reembed(arguments: argparse.Namespace) -> int:
    """Vectors that were made with another embedder."""
    return asyncio.run(_run(arguments, "reembed"))


async def _told_again(arguments: argparse.Namespace) -> int:
    async with served(arguments.data_dir or DEFAULT_DATA, arguments.api_url) as client:
        await await_ready(client)
        done = await client.rebuild_broker()
    print(json.dumps(done) if arguments.json else f"told {done['told']} open jobs again")
    return 0


async def _run(arguments: argparse.Namespace, what: str) -> int:
    async with served(arguments.data_dir or DEFAULT_DATA, arguments.api_url) as client:
        await await_ready(client)
        state = await client.rebuild(what, arguments.library)
        while not state["finished"]:
            await asyncio.sleep(POLL_SECONDS)
            state = await client.rebuild_state(state["handle"])
        counts = await _finished(client, state, quiet=arguments.json)
    if state["error"]:
        raise CliError("rebuild_failed", state["error"], "Run the command again: what is done stays done.")
    failed = counts.get("failed", 0)
    if arguments.json:
        print(json.dumps({**state, "jobs": counts}))
    else:
        for document_id, reason in state["refused"].items():
            print(f"{document_id}: {reason}")
        print(
            f"{state['found']} documents found, {state['restored']} records restored, "
            f"{counts.get('completed', 0)} ingested, {failed} failed, {state['refusals']} refused"
        )
    return 1 if failed or state["refusals"] else 0


async def _finished(client: Client, state: Rebuild, *, quiet: bool) -> dict[str, int]:
    """The batch's counts when all its jobs have ended."""
    if not state["started"]:
        return {}
    while True:
        batch = await client.batch(state["batchId"])
        counts: dict[str, int] = batch["counts"]
        if batch["finished"]:
            return counts
        if not quiet and sys.stderr.isatty():
            done = counts.get("completed", 0) + counts.get("failed", 0)
            print(f"\r{done} of {batch['total']}", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(POLL_SECONDS)
