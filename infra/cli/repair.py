"""`repair`, `trigger-stuck` and `reprocess`: a plan, where it writes to, what was done, and what is left."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from infra.cli.backfill import Backfill, told_rows
from infra.cli.connection import client_for
from infra.cli.doctor import SHOWN, Groups, printable
from infra.cli.parser import DEFAULT_DATA
from infra.cli.process import await_ready, served
from infra.client import Client
from infra.client.shapes import RepairState

POLL_SECONDS = 0.5
FLAGS = {
    "fix": "fix",
    "mark_deleted": "markDeleted",
    "delete_orphans": "deleteOrphans",
    "reprocess": "reprocess",
    "trigger_stuck": "triggerStuck",
    "generate_reupload_urls": "generateReuploadUrls",
}


def repair(arguments: argparse.Namespace) -> int:
    """Those repairs whose flags are given."""
    body = {
        "status": arguments.status,
        "errorFilter": arguments.error_filter,
        "checkOtherBuckets": arguments.check_other_buckets,
        "setKey": arguments.set_key,
        **{name: True for flag, name in FLAGS.items() if getattr(arguments, flag)},
    }
    return asyncio.run(_run(arguments, body, backfill=arguments.backfill))


def trigger_stuck(arguments: argparse.Namespace) -> int:
    """Documents that were uploaded and never started."""
    return asyncio.run(_run(arguments, {"status": "stuck", "triggerStuck": True}, backfill=False))


def reprocess(arguments: argparse.Namespace) -> int:
    """Documents whose chunks or twin are missing."""
    return asyncio.run(_run(arguments, {"status": "any", "reprocess": True}, backfill=False))


async def _run(arguments: argparse.Namespace, body: dict[str, Any], *, backfill: bool) -> int:
    body |= {"libraryId": arguments.library, "documentId": arguments.document_id, "limit": arguments.limit}
    async with _client(arguments) as client:
        plan = await client.repair({**body, "dryRun": True})
        if not arguments.json:
            _show_plan(plan, backfill)
        asked = any(step["status"] == "planned" for step in plan["actions"]) or backfill
        if arguments.dry_run or not asked:
            if arguments.json:
                print(json.dumps(plan, ensure_ascii=False))
            return 0
        _say_where(plan["environment"])
        done = await _finished(client, await client.repair({**body, "dryRun": False}))
        jobs = await _waited(client, done) if done["jobs"] and not arguments.no_wait else {}
        rows = await _backfilled(client, done) if backfill else []
        groups = Groups()
        async for row in client.diagnosis(f"/api/repairs/{done['handle']}/left"):
            if "documentId" in row:
                groups.take(row)
    state = {**done, "jobCounts": jobs, "backfill": rows, "left": dict(groups.counts)}
    if arguments.json:
        print(json.dumps(state, ensure_ascii=False))
    else:
        _show_done(state, groups)
    failed = done["counts"].get("failed", 0) + jobs.get("failed", 0) + sum(row["status"] == "failed" for row in rows)
    return 1 if failed or done["error"] else 0


@contextlib.asynccontextmanager
async def _client(arguments: argparse.Namespace) -> AsyncIterator[Client]:
    """For a plan whatever can be read; for repairs a running stack, started if there is none."""
    folder = arguments.data_dir or DEFAULT_DATA
    if arguments.dry_run:
        async with client_for(arguments.api_url, folder) as client:
            yield client
        return
    async with served(folder, arguments.api_url) as client:
        await await_ready(client)
        yield client


def _say_where(environment: dict[str, str]) -> None:
    places = ", ".join(f"{name} {place}" for name, place in environment.items() if name != "name")
    print(f"writes to {environment['name']}: {places}", file=sys.stderr)


def _show_plan(plan: RepairState, backfill: bool) -> None:
    print(f"plan: {plan['checked']} documents looked at, {sum(plan['planned'].values())} steps")
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for step in plan["actions"]:
        asked = step["status"] == "planned" or (backfill and step["action"] == "backfill_images")
        grouped.setdefault((step["action"], step["flag"], "planned" if asked else "not asked"), []).append(step)
    for (action, flag, status), steps in sorted(grouped.items()):
        print(f"{action} ({flag}): {len(steps)} {status}")
        for step in steps[:SHOWN]:
            print(printable(f"  {step['documentId']}  {step['libraryId']}/{step['name']}  {step['detail']}").rstrip())
        if len(steps) > SHOWN:
            print(f"  ... and {len(steps) - SHOWN} more")
    if plan["actionsLeftOut"]:
        print(f"... and {plan['actionsLeftOut']} steps more")


async def _finished(client: Client, state: RepairState) -> RepairState:
    while not state["finished"]:
        await asyncio.sleep(POLL_SECONDS)
        state = await client.repair_state(state["handle"])
    return state


async def _waited(client: Client, state: RepairState) -> dict[str, int]:
    """The jobs of this repair by status, when all have ended; jobs that were only told again are not among them."""
    if not any(
        step["action"] in ("reprocess", "trigger") and "again" not in step["detail"] for step in state["actions"]
    ):
        return {}
    while True:
        batch = await client.batch(state["batchId"])
        if batch["finished"]:
            counts: dict[str, int] = batch["counts"]
            return counts
        await asyncio.sleep(POLL_SECONDS)


async def _backfilled(client: Client, state: RepairState) -> list[dict[str, Any]]:
    wanted = [
        row
        async for row in client.diagnosis(f"/api/repairs/{state['handle']}/left")
        if row.get("state") == "missing_links" and not row["imageListLost"]
    ]
    async with Backfill(client) as backfill:
        return [await backfill.document(row["documentId"]) for row in wanted]


def _show_done(state: dict[str, Any], groups: Groups) -> None:
    done = Counter(f"{step['action']} {step['status']}" for step in state["actions"] if step["status"] != "not_asked")
    print("done: " + (", ".join(f"{name}: {count}" for name, count in sorted(done.items())) or "nothing"))
    for step in state["actions"]:
        if step["status"] in ("skipped", "failed"):
            print(printable(f"  {step['status']} {step['action']} {step['documentId']}: {step['detail']}"))
        elif step.get("uploadId"):
            print(printable(f"  send {step['libraryId']}/{step['name']} ({step['detail']}):"))
            print(
                f"    curl -T FILE '{step['uploadUrl']}'" if step["uploadUrl"] else f"    in parts: {step['uploadId']}"
            )
    if state["jobCounts"]:
        print("jobs: " + ", ".join(f"{count} {name}" for name, count in sorted(state["jobCounts"].items())))
    for line in told_rows(state["backfill"]):
        print(line)
    print("left:")
    for line in groups.lines():
        print(f"  {line}")
