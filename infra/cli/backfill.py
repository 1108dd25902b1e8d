"""`images backfill`: pictures that storage has lost, put back from the PDF through the API (checklist A0.1-A0.7).

The PDF is fetched only when at least one picture is missing, and read in the extractor's sandbox on this machine. A
picture is sent only if it is missing and has the bytes that the document lists; then keys are written into the index.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from infra.cli.connection import client_for
from infra.cli.doctor import printable
from infra.cli.parser import DEFAULT_DATA
from infra.client import Client, ClientError
from services.extractor.app import PRELOAD
from services.extractor.session import Session
from services.extractor.settings import ExtractorSettings
from services.extractor.task import Task
from shared.child import Children
from shared.errors import ShadowtwinError
from shared.job import Parameters

PIECE = 1 << 20


def images(arguments: argparse.Namespace) -> int:
    """Put back what is missing; with --dry-run only say so."""
    rows, environment = asyncio.run(_run(arguments))
    if arguments.json:
        counts = {"dryRun": arguments.dry_run, "environment": environment, "documents": rows}
        print(json.dumps(counts, ensure_ascii=False))
    else:
        for line in told_rows(rows) or ["no document lacks a picture"]:
            print(line)
    return 1 if any(row["status"] == "failed" for row in rows) else 0


async def _run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, str]]:
    async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
        query = {"status": "any", "library": arguments.library, "documentId": arguments.document_id}
        wanted: list[dict[str, Any]] = []
        async for row in client.diagnosis(**query):
            if "documentId" in row and (arguments.document_id or _may_lack_pictures(row)):
                wanted.append(row)
            if arguments.limit and len(wanted) == arguments.limit:
                break
        environment: dict[str, str] = {}
        if wanted:
            environment = (await client.repair({"documentId": wanted[0]["documentId"], "dryRun": True}))["environment"]
        if not arguments.dry_run and wanted:
            places = ", ".join(f"{name} {place}" for name, place in environment.items() if name != "name")
            print(f"writes to {environment['name']}: {places}", file=sys.stderr)
        async with Backfill(client) as backfill:
            rows = [
                _refused(row) or (_planned(row) if arguments.dry_run else await _one(backfill, row)) for row in wanted
            ]
        return rows, environment


async def _one(backfill: Backfill, row: dict[str, Any]) -> dict[str, Any]:
    return {"name": row["name"], **await backfill.document(row["documentId"])}


def _may_lack_pictures(row: dict[str, Any]) -> bool:
    """Also those whose PDF is gone, so that they are named as skipped."""
    return int(row["imagesWithoutKey"]) > 0 or row["state"] == "orphaned_chunks"


def _refused(row: dict[str, Any]) -> dict[str, Any] | None:
    """Why nothing is done for a document, if so."""
    reason = ""
    if not row["objectInStore"]:
        reason = "its PDF is not stored"
    elif row["imagesWithoutKey"] == 0:
        reason = "no picture is missing"
    elif row["imageListLost"]:
        reason = "the list of its pictures is lost: reprocess it"
    return _row(row["documentId"], "skipped", reason, name=row["name"]) if reason else None


def _planned(row: dict[str, Any]) -> dict[str, Any]:
    return _row(row["documentId"], "planned", "", name=row["name"], missing=row["imagesWithoutKey"])


class Backfill:
    """Puts pictures back, document by document; the reader is started for the first PDF that is needed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._children: Children | None = None

    async def __aenter__(self) -> Backfill:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._children is not None:
            await self._children.close()

    async def document(self, document_id: str) -> dict[str, Any]:
        """One document: `{documentId, status, detail, missing, uploaded}`; what fails is said there."""
        try:
            await self._link(document_id)  # the list of pictures may have to be found again first
            told = await self._client.missing_images(document_id)
            missing = {row["name"]: row for row in told["missing"]}
            if missing and not told["pdfStored"]:
                return _row(document_id, "skipped", "its PDF is not stored", missing=len(missing))
            sent = await self._put_back(document_id, told["sha256"], missing) if missing else 0
            if sent:
                await self._link(document_id)
            left = await self._left(document_id)
        except (ClientError, ShadowtwinError) as error:
            return _row(document_id, "failed", f"{error.code}: {error.message}")
        detail = f"{left} pictures are not in the PDF as they are listed: reprocess it" if left else "linked"
        return _row(document_id, "failed" if left else "done", detail, missing=len(missing), uploaded=sent)

    async def _left(self, document_id: str) -> int:
        """Pictures without file or key, by a new diagnosis."""
        rows = [row async for row in self._client.diagnosis(documentId=document_id) if "documentId" in row]
        return sum(int(row["imagesWithoutKey"]) for row in rows)

    async def _link(self, document_id: str) -> None:
        await self._client.repair({"documentId": document_id, "linkImages": True})

    async def _put_back(self, document_id: str, sha256: str, missing: dict[str, dict[str, Any]]) -> int:
        """Read the PDF and send what is missing; how many pictures."""
        sent = 0

        async def take(message: dict[str, Any]) -> None:
            nonlocal sent
            image = message.get("image", {})
            row = missing.get(image.get("name", ""))
            content = message.get("content", b"")
            if row is not None and content and hashlib.sha256(content).hexdigest() == row["sha256"]:
                sent += (await self._client.put_image(document_id, row["name"], content))["stored"]

        with tempfile.TemporaryDirectory(prefix="shadowtwin-") as folder:
            path = Path(folder) / "source.pdf"
            await self._client.fetch_source(document_id, path)
            if await asyncio.to_thread(_digest, path) != sha256:
                raise ShadowtwinError("artefact_changed", "The stored PDF is not the one that was uploaded.")
            settings = ExtractorSettings()
            task = Task(
                path=str(path),
                sha256=sha256,
                figures=any(row["kind"] == "figure" for row in missing.values()),
                max_pages=settings.max_pages,
                caps=settings.caps(),
                reading=settings.reading(Parameters(extraction_method="fast")),
                respect_permissions=settings.respect_permissions,
            )
            await Session(await self._reader(), settings, take).read(task)
        return sent

    async def _reader(self) -> Children:
        if self._children is None:
            self._children = Children(PRELOAD)
            await self._children.start()
        return self._children


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _row(document_id: str, status: str, detail: str, **more: Any) -> dict[str, Any]:
    return {"documentId": document_id, "status": status, "detail": detail, "missing": 0, "uploaded": 0, **more}


def told_rows(rows: Iterable[dict[str, Any]]) -> list[str]:
    """A line for each document."""
    return [
        printable(
            f"images {row['status']}  {row['documentId']}  {row['missing']} missing, {row['uploaded']} put back"
            f"  {row['detail']}"
        ).rstrip()
        for row in rows
    ]
