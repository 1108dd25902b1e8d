"""`check` and `debug`: everything about one document that helps, through the public API only."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from infra.api_keys import headers, key_for
from infra.cli.connection import client_for
from infra.cli.doctor import printable
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.client import Client


def check(arguments: argparse.Namespace) -> int:
    """A document of the running stack, or of the local folder."""

    async def run() -> dict[str, Any]:
        async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
            return await card(client, arguments.id, None)

    return _shown(asyncio.run(run()), arguments.json)


def debug(arguments: argparse.Namespace) -> int:
    """A document of any installation: its API's address, and a key if it wants one."""
    library = unquote(arguments.library) if arguments.library else None
    key = _key(arguments.api_key_file)

    async def run() -> dict[str, Any]:
        shown = headers(key or key_for(arguments.api_url))
        async with httpx.AsyncClient(base_url=arguments.api_url, headers=shown, timeout=30, trust_env=False) as http:
            return await card(Client(http), arguments.id, library)

    return _shown(asyncio.run(run()), arguments.json)


async def card(client: Client, document_id: str, library: str | None) -> dict[str, Any]:
    """What is known of the document: `{documentId, status, state, stuck, counts, metadata, job, why, advice, ...}`."""
    document = await client.document(document_id, library)
    rows = [row async for row in client.diagnosis(documentId=document["documentId"]) if "documentId" in row]
    row, job_id = rows[0], document["lastJobId"] or rows[0].get("job", {}).get("jobId")
    job = await client.job(job_id) if job_id else None
    why = row.get("job") or (await client.why(job_id) if job_id else None)
    return {
        "documentId": document["documentId"],
        "libraryId": document["libraryId"],
        "name": document["name"],
        "aliases": document["aliases"],
        "status": document["status"],
        "error": document["error"],
        "createdAt": document["createdAt"],
        "lastIngestedAt": document["lastIngestedAt"],
        "size": document["size"],
        "pages": document["pages"],
        "chunkCount": document["chunkCount"],
        "counts": document["counts"],
        "metadata": document["metadata"],
        "artefacts": sorted(document["artefacts"]),
        "history": document["history"],
        "job": _job(job),
        "why": why,
        "stuck": row["state"] == "stuck" or (document["status"] == "pending" and row["state"] == "not_processed"),
        **{name: row[name] for name in ("state", "findings", "advice", "objectKey", "objectInStore")},
        "chunksInIndex": row["chunkCount"],
    }


def _job(job: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if job is None:
        return None
    named = ("jobId", "status", "shownStatus", "attempt", "createdAt", "updatedAt", "error", "warnings", "progress")
    steps = {step["name"]: step["status"] + (f" ({step['reason']})" if step["reason"] else "") for step in job["steps"]}
    return {**{name: job[name] for name in named}, "steps": steps}


def _shown(found: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    job = found["job"]
    lines = [
        f"{found['name']}  ({found['documentId']}, library {found['libraryId']})",
        f"status: {found['status']}" + (f"  error: {found['error']}" if found["error"] else ""),
        f"state: {found['state']}" + "".join(f"\n  {finding}" for finding in found["findings"]),
        f"stuck: {'yes' if found['stuck'] else 'no'}",
        f"file: {found['objectKey'] or 'none'}, {found['size']} bytes, "
        + ("stored" if found["objectInStore"] else "GONE"),
        f"pages: {found['pages']}, chunks: {found['chunkCount']} recorded, {found['chunksInIndex']} in the index",
        f"created: {found['createdAt'][:19]}, ingested: {(found['lastIngestedAt'] or 'never')[:19]}",
        *(f"{name}: {value}" for name, value in sorted(found["metadata"].items())),
    ]
    if job is not None:
        lines.append(f"last job: {job['jobId']} {job['shownStatus']}, attempt {job['attempt']}")
        lines += [f"  {name}: {status}" for name, status in job["steps"].items()]
    if found["why"] is not None:
        lines.append(f"  {found['why']['code']}: {found['why']['reason']}")
    lines += [f"{entry['at'][:19]} {entry['action']}: {entry['detail']}" for entry in found["history"]]
    lines.append(f"-> {found['advice']}")
    for line in lines:
        for part in line.split("\n"):
            print(printable(part))
    return 0


def _key(file: Path | None) -> str:
    """The API key: from a file, from a prompt, or none where nobody can be asked."""
    if file == Path("-"):
        return sys.stdin.readline().strip()
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CliError("bad_request", f"{file} cannot be read.", "Name a file with the key.", 2) from error
    return getpass.getpass("API key (empty for none): ").strip() if sys.stdin.isatty() else ""
