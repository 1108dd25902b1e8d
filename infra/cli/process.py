"""`demo` and `process`: submit PDFs, show their progress, print what came out."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.cli import report
from infra.cli.connection import remote
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.cli.password import password
from infra.client import Client, ClientError
from infra.client.shapes import Job, Plan
from infra.stack import AlreadyRunning, Stack, StackError
from infra.stack_files import guest, wait_for_guests

POLL_SECONDS = 0.15
READY_SECONDS = 90.0


def demo(arguments: argparse.Namespace) -> int:
    """The whole system on one PDF."""
    pdf = arguments.pdf
    if pdf is None:
        from infra.sample import write_sample

        pdf = DEFAULT_DATA.parent / "sample.pdf"
        write_sample(pdf)
    _check_files([pdf])
    folder = arguments.data_dir or DEFAULT_DATA.parent / f"demo-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    parameters: dict[str, Any] = {}
    return asyncio.run(_run([pdf], folder, None, {"libraryId": "demo"}, parameters, arguments.json, hits=True))


def process(arguments: argparse.Namespace) -> int:
    """PDFs through a running gateway, or through a stack that lives as long as the command."""
    files = _expanded(arguments.files)
    form, parameters = {"libraryId": arguments.library}, _parameters(arguments)
    if secret := password(arguments):
        form["password"] = secret
    if len(files) > 1:
        form |= {"batchId": str(uuid.uuid4()), "batchName": ", ".join(path.name for path in arguments.files)[:200]}
    folder = arguments.data_dir or DEFAULT_DATA
    return asyncio.run(_run(files, folder, arguments.api_url, form, parameters, arguments.json, hits=False))


def plan(arguments: argparse.Namespace) -> int:
    """What `process` would do with the files; changes nothing."""
    files = _expanded(arguments.files)
    form = {"libraryId": arguments.library, "parameters": json.dumps(_parameters(arguments))}

    async def run() -> list[tuple[str, Plan]]:
        async with served(arguments.data_dir or DEFAULT_DATA, arguments.api_url) as client:
            await await_ready(client)
            return [(str(file), await client.plan(file, form)) for file in files]

    plans = asyncio.run(run())
    if arguments.json:
        shown = [{"file": file, **made} for file, made in plans]
        print(json.dumps(shown[0] if len(shown) == 1 else {"plans": shown}, ensure_ascii=False))
    else:
        report.plans([made for _, made in plans])
    return 0


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    parameters: dict[str, Any] = {"template": arguments.template, "extractionMethod": arguments.method}
    parameters |= {name: True for name in ("figures", "previews") if getattr(arguments, name)}
    if arguments.ocr_languages:
        parameters["ocrLanguages"] = arguments.ocr_languages
    if arguments.force:
        parameters["policies"] = {"extract": "force", "metadata": "force", "ingest": "force"}
    return parameters


def _expanded(paths: list[Path]) -> list[Path]:
    """The files, and the PDFs below the folders, in order."""
    files: list[Path] = []
    for path in paths:
        below = sorted(found for found in path.rglob("*") if found.suffix.lower() == ".pdf" and found.is_file())
        if path.is_dir() and not below:
            raise CliError("not_found", f"There is no PDF in {path}.", "Check the path.", 2)
        files += below if path.is_dir() else [path]
    _check_files(files)
    return files


def _check_files(files: list[Path]) -> None:
    for file in files:
        if not file.is_file():
            raise CliError("not_found", f"There is no file {file}.", "Check the path.", 2)


async def _run(
    files: list[Path],
    folder: Path,
    api_url: str | None,
    form: dict[str, str],
    parameters: dict[str, Any],
    as_json: bool,
    *,
    hits: bool,
) -> int:
    form = {**form, "parameters": json.dumps(parameters)}
    async with served(folder, api_url) as client:
        await await_ready(client)
        view = report.Progress(enabled=not as_json or sys.stderr.isatty())
        with view:
            limit = asyncio.Semaphore(4)
            results = await asyncio.gather(*(_one(client, file, form, folder, view, limit) for file in files))
        for result in results:
            if not as_json:
                await report.summary(client, result, hits=hits)
    failed = [r for r in results if "error" in r or (r["job"] is not None and r["job"]["status"] != "completed")]
    if as_json:
        many = {
            "batchId": form.get("batchId"),
            "results": results,
            "completed": len(results) - len(failed),
            "failed": len(failed),
        }
        print(json.dumps(results[0] if len(results) == 1 else many, ensure_ascii=False))
    return 1 if failed else 0


@contextlib.asynccontextmanager
async def served(folder: Path, api_url: str | None) -> AsyncIterator[Client]:
    """The gateway at `api_url`, else the stack on the folder, started if none runs there."""
    if api_url:
        async with remote(api_url) as client:
            yield client
        return
    try:
        with contextlib.ExitStack() as held:
            try:
                stack = await asyncio.to_thread(held.enter_context, Stack(folder))
                url = stack.api_url
                held.callback(wait_for_guests, folder)
            except AlreadyRunning as running:
                url = running.api_url
                held.enter_context(guest(folder))
            async with remote(url) as client:
                yield client
    except StackError as error:
        raise CliError("misconfigured", str(error)) from error


async def await_ready(client: Client) -> None:
    """Until the gateway can take work; raises CliError."""
    end = time.monotonic() + READY_SECONDS
    while not await client.ready():
        if time.monotonic() > end:
            raise CliError("unavailable", "The gateway did not become ready.", "Look into the logs folder.")
        await asyncio.sleep(0.05)


async def _one(
    client: Client,
    file: Path,
    form: dict[str, str],
    folder: Path,
    view: report.Progress,
    limit: asyncio.Semaphore,
) -> dict[str, Any]:
    """Submit one file and follow its job to the end."""
    async with limit:
        try:
            accepted = await client.submit(file, form)
        except ClientError as error:
            view.failed(file.name, error.message)
            fault = {"code": error.code, "message": error.message, "hint": error.hint}
            return {"file": str(file), "job": None, "error": fault}
        try:
            job = await _follow(client, accepted["jobId"], file.name, view) if accepted["jobId"] else None
            document = await client.document(accepted["documentId"])
            has = "products" in document["artefacts"]
            products = await client.products(document["documentId"]) if has else []
        except ClientError as error:
            view.failed(file.name, error.message)
            fault = {"code": error.code, "message": error.message, "hint": error.hint}
            return {"file": str(file), "job": None, "jobId": accepted["jobId"], "error": fault}
        return report.result(job, document, accepted, folder, products)


async def _follow(client: Client, job_id: str, name: str, view: report.Progress) -> Job:
    while True:
        job = await client.job(job_id)
        view.show(name, job)
        if job["status"] in ("completed", "failed"):
            return job
        await asyncio.sleep(POLL_SECONDS)
