"""Upload by URL: the file is fetched by the gateway, from addresses that were checked, and received like any upload.

What is refused or breaks off is written down with its address, so that it can be tried again (checklist A0.32).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import unquote

from services.gateway.accepted import Accepted
from services.gateway.creation import JobRequest
from services.gateway.fetching import Answer, Fetcher, FetchFailed
from services.gateway.intake import Intake
from services.gateway.planning import Plan
from services.gateway.uploads.form import NOTED
from services.gateway.uploads.log import UploadLog
from services.gateway.uploads.receiving import Incoming
from shared.errors import DocumentError, RequestError, ShadowtwinError
from shared.upload import Upload

AT_ONCE = 8
"""Files that one gateway fetches at the same time; others wait."""
REDIRECTS = 5
_NAMED = re.compile(r'filename="([^"\\]{1,255})"|filename=([^";\s]{1,255})', re.IGNORECASE)
_CODES = {
    "bad_url": ("source_refused", "It must be an http or https address without a user in it."),
    "address_not_allowed": ("source_refused", "It leads to an address that is not public and not allowed here."),
    "redirect": ("source_unreachable", "It is redirected to nowhere, too often, or from https to http."),
    "refused_by_server": ("source_unreachable", "The server did not give the file."),
    "unresolvable": ("source_unreachable", "There is no such host."),
    "unreachable": ("source_unreachable", "The server could not be reached, or broke off."),
    "timeout": ("source_unreachable", "It took longer than allowed."),
}


class Sources:
    """Fetches uploads. `fetcher` follows redirects and is bounded in bytes and time."""

    def __init__(self, fetcher: Fetcher, intake: Intake, log: UploadLog) -> None:
        self._fetcher, self._intake, self._log = fetcher, intake, log
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def upload(self, url: str, request: JobRequest, fields: Mapping[str, str]) -> Accepted:
        """Fetch the file and start its job. Raises what `_receive` and `Intake.upload` raise; what becomes of the file
        then is noted, as with an upload by form."""
        self._intake.check_room()
        name, incoming = await self._receive(url, fields)
        try:
            return await self._intake.upload(name, incoming, request)
        except ShadowtwinError as error:
            if error.code in NOTED:
                await self._log.failed(name, incoming.size, error, fields, source_url=url)
            raise

    async def again(self, upload: Upload, request: JobRequest) -> Accepted:
        """Try a failed upload again; one that becomes a document is no failed upload any more. A second failure
        stands beside the first."""
        if not upload.source_url:
            raise RequestError("upload_bytes_gone")
        accepted = await self.upload(upload.source_url, request, upload.fields)
        await self._log.done(upload)
        return accepted

    async def plan(self, url: str, request: JobRequest, fields: Mapping[str, str]) -> Plan:
        """What a job would do with the file; it is fetched for that, and not kept."""
        name, incoming = await self._receive(url, fields)
        return await self._intake.plan(name, incoming, request)

    async def _receive(self, url: str, fields: Mapping[str, str]) -> tuple[str, Incoming]:
        """The file's name and its bytes in storage; the caller discards them. Raises RequestError source_refused,
        source_unreachable, and what `Incoming` raises; then nothing is stored, and the failure is noted with `fields`
        of the request."""
        incoming = self._intake.receiver.begin()
        name = "document.pdf"
        try:
            async with self._turn, self._fetcher.open(url) as answer:
                name = _name_of(answer)
                async for piece in answer.pieces:
                    await incoming.write(piece)
            await incoming.finish()
        except BaseException as error:
            told = _told(error)
            await incoming.discard()
            await self._log.failed(name, incoming.size, told, fields, source_url=url)
            raise told from error
        return name, incoming


def _told(error: BaseException) -> BaseException:
    """A failure of the fetching as a stable code, others as they are."""
    if not isinstance(error, FetchFailed):
        return error
    if error.reason == "too_large":
        return DocumentError("pdf_too_large")
    return RequestError(*_CODES.get(error.reason, ("source_unreachable", None)))


def _name_of(answer: Answer) -> str:
    """As the server calls it, else the last part of the path."""
    named = _NAMED.search(answer.headers.get("content-disposition", ""))
    if named:
        return str(named[1] or named[2])
    return unquote(answer.where.path.rpartition("/")[2]) or "document.pdf"
