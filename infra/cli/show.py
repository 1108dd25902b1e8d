"""`jobs`, `job`, `logs`, `search`: looking at what is there."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from infra.cli.connection import client_for
from infra.cli.parser import DEFAULT_DATA
from infra.cli.report import shown
from infra.client import Client
from infra.client.shapes import Job, WhyNot


def jobs(arguments: argparse.Namespace) -> int:
    """List jobs."""

    async def run(client: Client) -> int:
        page = await client.jobs(status=arguments.status, limit=arguments.limit)
        if arguments.json:
            print(json.dumps(page, ensure_ascii=False))
            return 0
        table = Table(Column("job", no_wrap=True, min_width=36), "status", "document", "created", box=None)
        for job in page["jobs"]:
            status, progress = job["shownStatus"], job["progress"]
            if progress and job["status"] not in ("completed", "failed"):
                status += f" {progress['percent']:.0f}%"
            name = Text(job["correlation"]["source"]["name"])
            table.add_row(job["jobId"], status, name, job["createdAt"][5:16].replace("T", " "))
        Console().print(table)
        return 0

    return _with_client(arguments, run)


def job(arguments: argparse.Namespace) -> int:
    """Show one job document."""

    async def run(client: Client) -> int:
        if arguments.why:
            return _why(await client.why(arguments.id), arguments.json)
        found = await client.job(arguments.id)
        if arguments.json:
            print(json.dumps(found, ensure_ascii=False))
        else:
            Console().print_json(json.dumps(found))
        return 0

    return _with_client(arguments, run)


def _why(found: WhyNot, as_json: bool) -> int:
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        state = "stuck" if found["stuck"] else "not stuck"
        print(f"{state} ({found['code']}) at {found['step']}: {found['reason']}\n-> {found['advice']}")
    return 0


def requeue(arguments: argparse.Namespace) -> int:
    """Start a new run of a job."""

    async def run(client: Client) -> int:
        body: dict[str, Any] = {"force": arguments.force, "reason": "command line"}
        if arguments.start:
            body["from"] = arguments.start
        return _told(await client.requeue(arguments.id, body), arguments.json)

    return _with_client(arguments, run)


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel a job."""

    async def run(client: Client) -> int:
        return _told(await client.cancel(arguments.id), arguments.json)

    return _with_client(arguments, run)


def _told(job: Job, as_json: bool) -> int:
    print(json.dumps(job, ensure_ascii=False) if as_json else f"{job['jobId']}: {job['shownStatus']}")
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Show a job's log, with --follow until it ends."""

    async def run(client: Client) -> int:
        after = 0
        while True:
            ended = (await client.job(arguments.id))["status"] in ("completed", "failed")
            page = await client.logs(arguments.id, after)
            for entry in page["logs"]:
                print(json.dumps(entry, ensure_ascii=False) if arguments.json else _line(entry), flush=True)
            after = page["cursor"]
            if page["logs"]:
                continue
            if ended or not arguments.follow:
                return 0
            await asyncio.sleep(0.3)

    return _with_client(arguments, run)


def search(arguments: argparse.Namespace) -> int:
    """Search chunks."""

    async def run(client: Client) -> int:
        found = await client.search(arguments.query, arguments.top, arguments.library)
        if arguments.json:
            print(json.dumps(found, ensure_ascii=False))
            return 0
        table = Table("document", "pages", "chapter", "text")
        for hit in found["hits"]:
            pages = ", ".join(map(str, hit["pages"]))
            table.add_row(Text(hit["name"]), pages, Text(hit["chapter"]), Text(shown(hit)))
        Console().print(table)
        return 0

    return _with_client(arguments, run)


def _line(entry: dict[str, Any]) -> str:
    progress = f" {entry['progress']:.0f}%" if entry.get("progress") is not None else ""
    text = "".join(c if c.isprintable() else "?" for c in str(entry.get("message", "")))
    return f"{entry['timestamp'][11:23]}  {entry['phase']:<24}{progress:>5}  {text}"


def _with_client(arguments: argparse.Namespace, run: Any) -> int:
    async def body() -> int:
        async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
            code: int = await run(client)
            return code

    try:
        return asyncio.run(body())
    except BrokenPipeError:
        sys.stderr.close()
        return 0
