"""The extract phase as a worker runs it (storage, ticket, assembly, children), with nobody to report to."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from services.extractor.app import PRELOAD
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.extractor.workspace import Workspace
from shared.adapters.folder_storage import FolderStorage
from shared.child import Children
from shared.document import Document
from shared.errors import ShadowtwinError, describe
from shared.job import Parameters, StepName
from shared.manifest import Manifest
from shared.phase import Report
from shared.ticket import ClaimRequest, Outcome, Ticket
from shared.worker_gateway import Gone


class Read(NamedTuple):
    """How the reading of one PDF ended: "ok" or an error code, its pages and their text, how long it took."""

    code: str
    message: str = ""
    pages: int = 0
    failed: int = 0
    text: str = ""
    seconds: float = 0.0


class _Nobody:
    """A gateway that takes every report."""

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        raise Gone("nobody gives steps out here")

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        """Taken."""

    async def heartbeat(self, ticket: Ticket) -> int:
        """Heard."""
        return 0

    async def left(self, ticket: Ticket) -> None:
        """Noted."""

    async def requeue(self, job_id: str, step: StepName) -> None:
        """Declined."""


class Phase:
    """Reads PDFs one after the other or side by side; what was stored for one is removed when it has been read."""

    def __init__(self, storage: FolderStorage, extraction: Extraction, method: str) -> None:
        self._storage, self.extraction, self._method = storage, extraction, method

    async def read(self, pdf: Path) -> Read:
        """Never raises what the phase raises."""
        name = uuid.uuid4().hex
        started = asyncio.get_running_loop().time()
        try:
            ticket = await self.ticket(pdf, name)
            outcome = await self.extraction.work(ticket, Report(_Nobody(), ticket))
            read = await self.result(outcome)
        except ShadowtwinError as error:
            read = Read(error.code, error.message)
        except Exception as error:
            read = Read(f"{describe(error).code}:{type(error).__name__}", str(error))
        finally:
            await self._storage.delete_prefix(name)
        return read._replace(seconds=asyncio.get_running_loop().time() - started)

    async def result(self, outcome: Outcome) -> Read:
        """What a piece of work gave."""
        manifest = msgspec.json.decode(await self._storage.read(outcome.outputs["manifest"].key), type=Manifest)
        (key,) = (file.key for file in manifest.files if file.role == "transcript")
        text = (await self._storage.read(key)).decode()
        return Read("ok", "", outcome.counts["pages"], outcome.counts["pagesFailed"], text)

    async def ticket(self, pdf: Path, name: str) -> Ticket:
        """A ticket for extracting `pdf`, which is stored under the folder `name`."""
        content = await asyncio.to_thread(pdf.read_bytes)
        source = await self._storage.write(f"{name}/source.pdf", content)
        now = datetime.now(UTC)
        document = Document(
            document_id=name,
            library_id="soak",
            item_id=name,
            sha256=source.sha256,
            name=pdf.name,
            size=source.size,
            created_at=now,
            updated_at=now,
            artefacts={"source": source},
        )
        return Ticket(
            token="",
            job_id=name,
            process_id=name,
            attempt=1,
            step=StepName.EXTRACT,
            heartbeat_seconds=1.0,
            deadline_seconds=3600.0,
            document=document,
            parameters=Parameters(extraction_method=self._method),
            output_prefix=f"{name}/run",
        )


@contextlib.asynccontextmanager
async def opened(folder: Path, settings: ExtractorSettings, method: str = "auto") -> AsyncIterator[Phase]:
    """A phase whose storage and temporary files lie in `folder`."""
    temporary = folder / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    storage = FolderStorage(folder / "twins")
    children = Children(PRELOAD)
    await children.start()
    try:
        yield Phase(storage, Extraction(storage, children, settings, Workspace(temporary)), method)
    finally:
        await children.close()
