"""The record of uploads that failed, apart from processing failures: no document, no job, but not forgotten either.

A sender who got an answer knows why; whoever looks after a library sees here what did not arrive (checklist A0.29).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from services.gateway import access
from services.gateway.telemetry import counters
from shared import twin
from shared.errors import RequestError, ShadowtwinError, describe
from shared.ports import JobStore, UploadStore
from shared.upload import Upload

logger = logging.getLogger("uploads")

KEPT = timedelta(days=30)
LONGEST = 4096


class UploadLog:
    """`uploads` is None where nothing is kept (a folder that is only read)."""

    def __init__(self, uploads: UploadStore | None, jobs: JobStore) -> None:
        self._uploads, self._jobs = uploads, jobs

    async def failed(
        self,
        name: str,
        size: int,
        error: BaseException,
        fields: Mapping[str, str],
        upload_id: str = "",
        *,
        source_url: str = "",
    ) -> None:
        """Write it down; that this fails as well fails nothing. `fields` are those of the form that have come; an
        upload with an id of its own is written down once."""
        said = describe(error)
        if not isinstance(error, Exception):  # the request was cancelled
            said = describe(RequestError("upload_aborted"))
        counters.uploaded("failed", said.code)
        if self._uploads is None:
            return
        try:
            upload = Upload(
                upload_id=upload_id or str(uuid.uuid4()),
                library_id=_library(fields.get("libraryId", "")),
                name=twin.display_name(name),
                item_id=fields.get("itemId", "")[:500],
                batch_id=fields.get("batchId", "")[:200],
                size=size,
                code=said.code,
                message=said.message,
                hint=said.hint,
                source_url=source_url[:LONGEST],
                fields=dict(fields) if source_url else {},
                created_at=await self._jobs.now(),
            )
            await self._uploads.add(upload)
        except ShadowtwinError as failure:
            logger.warning("a failed upload could not be noted", extra={"reason": failure.message})
        logger.info("upload failed", extra={"code": said.code, "bytes": size})

    async def find(self, library: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """A page of what the key may see, newest first."""
        if self._uploads is None:
            return [], None
        found, following = await self._uploads.find(access.chosen(library), cursor, limit)
        return [_shown(upload) for upload in found], following

    async def one(self, upload_id: str) -> Upload:
        """A failed upload; RequestError not_found for none that the key may see."""
        upload = await self._uploads.get(upload_id) if self._uploads else None
        if upload is None or not access.visible(upload.library_id):
            raise RequestError("not_found", "There is no such failed upload.")
        return upload

    async def done(self, upload: Upload) -> None:
        """It has become a document after all."""
        if self._uploads is not None:
            await self._uploads.remove(upload.upload_id)

    async def forget_old(self) -> None:
        """Remove what is older than KEPT; at the start of a gateway."""
        if self._uploads is not None:
            await self._uploads.forget(await self._jobs.now() - KEPT)


def _shown(upload: Upload) -> Upload:
    """As the API shows it: the query of an address may be a credential, and the request's fields are its sender's."""
    address, _, query = upload.source_url.partition("?")
    return replace(upload, source_url=f"{address}?***" if query else address, fields={})


def _library(text: str) -> str:
    """The library that was named, if there can be one of that name and the key reaches it; else `default`."""
    try:
        return access.library_id(text or "default")
    except RequestError:
        return "default"
