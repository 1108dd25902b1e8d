"""Direct uploads: announced, sent to signed addresses by their sender, verified by reading, and only then documents.

What has arrived is read back whole (size, SHA-256, first bytes) and then goes the way of every upload (intake.py). Who
asks for the completion, a storage event or the sweep, comes to the same end: a job's idempotency key is that of the
upload, and the record is closed by compare-and-swap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway import access
from services.gateway.creation import JobRequest
from services.gateway.intake import Intake
from services.gateway.uploads.direct_reading import received
from services.gateway.uploads.log import UploadLog
from shared import twin
from shared.direct_ports import DirectStorage, DirectUploadStore
from shared.direct_upload import DirectStatus, DirectUpload
from shared.document import document_id_for
from shared.errors import RequestError, ShadowtwinError, TransientError
from shared.ports import DocumentStore, JobStore, Storage

logger = logging.getLogger("direct")

PART_BYTES = 16 << 20
MOST_PARTS = 2000
ONE_PIECE_MOST = 5 << 30
"""What S3 takes in one call (bytes); a larger file goes in parts, whether that was asked for or not."""
WAITING = frozenset({"upload_incomplete", "job_open", "document_deleting", "conflict"})
"""Refusals that end by themselves: the upload stays open, and is looked at again."""
LATEST = timedelta(days=1)
"""After its expiry an upload that still waits is given up."""


class DirectUploads:
    """All direct uploads of the installation; any number of gateways may do this at once."""

    def __init__(
        self,
        store: DirectUploadStore,
        direct: DirectStorage,
        storage: Storage,
        jobs: JobStore,
        documents: DocumentStore,
        intake: Intake,
        log: UploadLog,
        grace_seconds: float,
    ) -> None:
        self._store, self.direct, self._storage = store, direct, storage
        self._jobs, self._documents, self._intake, self._log = jobs, documents, intake, log
        self._grace = timedelta(seconds=grace_seconds)
        self._running: dict[str, asyncio.Task[DirectUpload]] = {}

    async def begin(
        self, name: str, size: int, sha256: str, request: JobRequest, *, seconds: int, parts: bool
    ) -> DirectUpload:
        """Announce a file of so many bytes. Raises what would be raised afterwards, as far as it can be known:
        DocumentError pdf_empty, pdf_too_large, RequestError quota_exceeded."""
        library = twin.library_id(request.library_id)
        self._intake.receiver.check_size(size)
        if not await self._known(library, request.item_id, sha256):
            await self._intake.quota.check(library, size, take=False)
        now = await self._jobs.now()
        upload = DirectUpload(
            upload_id=str(uuid.uuid4()),
            library_id=library,
            name=twin.display_name(name),
            size=size,
            sha256=sha256,
            part_size=_part_size(size) if parts or size > ONE_PIECE_MOST else 0,
            request=msgspec.to_builtins(request),
            created_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )
        upload = replace(upload, multipart_id=await self.direct.begin(upload))
        await self._store.add(upload)
        return upload

    async def get(self, upload_id: str) -> DirectUpload:
        """The record; RequestError not_found for none that the key reaches."""
        upload = await self._store.get(upload_id)
        if upload is None or not access.visible(upload.library_id):
            raise RequestError("not_found", "There is no such upload.")
        return upload

    async def addresses(self, upload: DirectUpload, numbers: list[int]) -> list[str]:
        """Addresses of these parts (0: the whole), good until the upload expires. Raises RequestError
        upload_url_expired, conflict for one that is decided, bad_request for parts that it does not have."""
        await self.check_open(upload)
        if not all(upload.part_bytes(number) for number in numbers):
            raise RequestError("bad_request", f"The upload has the parts 1 to {upload.part_count}.")
        left = int((upload.expires_at - await self._jobs.now()).total_seconds())
        return await self.direct.addresses(upload, numbers, max(1, left))

    async def check_open(self, upload: DirectUpload) -> None:
        """Raise RequestError conflict for a decided upload, upload_url_expired for an old one: before anything is sent
        (checklist A0.31)."""
        if upload.status != DirectStatus.OPEN:
            raise RequestError("conflict", f"The upload is {upload.status} already.")
        if await self._jobs.now() > upload.expires_at:
            raise RequestError("upload_url_expired")

    async def complete(self, upload_id: str) -> DirectUpload:
        """The upload, completed now or before. Raises what it failed with (then and ever after), RequestError
        upload_incomplete and others while it stays open."""
        upload = await self.get(upload_id)
        if upload.status == DirectStatus.OPEN:
            task = self._running.get(upload_id)
            if task is None:
                task = asyncio.create_task(self._complete(upload))
                self._running[upload_id] = task
                task.add_done_callback(lambda done: self._ended(upload_id, done))
            upload = await asyncio.shield(task)  # whoever asked may go away: the file is read once
        return _told(upload)

    async def again(self, upload_id: str) -> DirectUpload:
        """Announce the file of an upload that has failed or was aborted once more, for as long as then (checklist
        A0.32); a password must be given anew. Raises RequestError conflict for any other."""
        former = await self.get(upload_id)
        if former.status not in (DirectStatus.FAILED, DirectStatus.ABORTED):
            raise RequestError("conflict", f"The upload is {former.status}.", hint="Send it, or complete it.")
        seconds = int((former.expires_at - former.created_at).total_seconds())
        request = msgspec.convert(former.request, JobRequest)
        what = (former.name, former.size, former.sha256, request)
        return await self.begin(*what, seconds=seconds, parts=bool(former.part_size))

    async def abort(self, upload_id: str) -> DirectUpload:
        """End it without a document, and remove what has arrived. Raises RequestError conflict when it is decided, or
        is just being completed."""
        upload = await self.get(upload_id)
        if upload.status == DirectStatus.OPEN and not upload.takers and upload_id not in self._running:
            upload = await self._close(upload, replace(upload, status=DirectStatus.ABORTED))
        if upload.status == DirectStatus.OPEN:
            raise RequestError("conflict", "The upload is just being completed.")
        if upload.status != DirectStatus.ABORTED:
            raise RequestError("conflict", f"The upload is {upload.status} already.")
        return upload

    def wake(self, upload_id: str) -> None:
        """Complete it in the background, if it can be: somebody says that its file is there. Nothing is lost when this
        does not happen: the sweep looks at every open upload."""
        if upload_id not in self._running:
            task = asyncio.create_task(self._woken(upload_id))
            self._running[f"woken {upload_id}"] = task
            task.add_done_callback(lambda done: self._ended(f"woken {upload_id}", done))

    async def stop(self) -> None:
        """End what is under way; it is begun again by the next sweep of any gateway."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Until nothing is under way here."""
        while self._running:
            await asyncio.wait(list(self._running.values()))
            await asyncio.sleep(0)

    # one upload

    async def _woken(self, upload_id: str) -> DirectUpload:
        return await self.complete(upload_id)

    def _ended(self, name: str, task: asyncio.Task[DirectUpload]) -> None:
        self._running.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            level = logging.INFO if isinstance(error, ShadowtwinError) else logging.ERROR
            logger.log(level, "direct upload not completed", extra={"upload": name, "reason": str(error)})

    async def _complete(self, upload: DirectUpload) -> DirectUpload:
        counted = False
        try:
            self._intake.check_room()
            file = await received(upload, self._storage, self.direct)
            request = msgspec.convert(upload.request, JobRequest)
            if request.idempotency_key is None:
                request = replace(request, idempotency_key=f"upload:{upload.upload_id}")
            upload = await self._counted(upload, 1)
            if upload.status != DirectStatus.OPEN:
                return upload
            counted = True
            accepted = await self._intake.take_over(upload.name, file, request)
        except ShadowtwinError as error:
            return await self._stopped(await self._counted(upload, -1) if counted else upload, error)
        answer = msgspec.to_builtins(accepted)
        completed = replace(upload, status=DirectStatus.COMPLETED, sha256=file.sha256, answer=answer)
        return await self._close(upload, completed)

    async def _counted(self, upload: DirectUpload, by: int) -> DirectUpload:
        """The record with one taker more or less; as it stands when it is decided."""
        while upload.status == DirectStatus.OPEN and upload.takers + by >= 0:
            changed = replace(upload, takers=upload.takers + by)
            if await self._store.swap(upload, changed):
                return replace(changed, revision=upload.revision + 1)
            upload = await self.get(upload.upload_id)
        return upload

    async def _stopped(self, upload: DirectUpload, error: ShadowtwinError) -> DirectUpload:
        """What an error means: another gateway was quicker, wait, or the upload has failed for good."""
        now = await self._store.get(upload.upload_id)
        if now is not None and now.status != DirectStatus.OPEN:
            return now
        moment = await self._jobs.now()
        taken = now is not None and now.takers > 0  # another gateway may just be making the document
        waits = (error.code in WAITING or taken) and moment <= upload.expires_at + LATEST
        if error.code == "upload_incomplete" and moment > upload.expires_at:
            error = RequestError("upload_url_expired")
            waits = moment <= upload.expires_at + self._grace  # it may still be on its way
        # What is wrong with us, now or for long, is never a reason to give up a file that may lie there.
        if waits or isinstance(error, TransientError) or error.category not in ("request", "document"):
            raise error
        said = {"code": error.code, "message": error.message, "hint": error.hint}
        closed = await self._close(upload, replace(upload, status=DirectStatus.FAILED, **said))
        if closed.status == DirectStatus.OPEN:
            raise error
        return closed

    async def _close(self, upload: DirectUpload, end: DirectUpload) -> DirectUpload:
        """Decide it, unless somebody else has: the record as it stands now. That there is a document outweighs whatever
        else has changed; any other end is given up when somebody is at the upload again."""
        end = replace(end, request=_without_password(upload.request))
        while not await self._store.swap(upload, end):
            upload = await self.get(upload.upload_id)
            if upload.status != DirectStatus.OPEN or end.status != DirectStatus.COMPLETED:
                return upload
        logger.info("direct upload ended", extra={"upload": upload.upload_id, "status": str(end.status)})
        end = replace(end, revision=upload.revision + 1)
        with contextlib.suppress(ShadowtwinError):  # then the sweep does it
            end = await self.settle(end)
        return end

    async def settle(self, upload: DirectUpload) -> DirectUpload:
        """What follows from its end: the failure is noted, and what lies there goes. Repeating it changes nothing."""
        if upload.status == DirectStatus.FAILED:
            said = RequestError(upload.code, upload.message, hint=upload.hint)
            asked = {name: str(upload.request.get(name) or "") for name in ("itemId", "batchId")}
            fields = {**asked, "libraryId": upload.library_id}
            await self._log.failed(upload.name, upload.size, said, fields, upload.upload_id)
        await self.direct.abandon(upload)
        settled = replace(upload, settled=True)
        await self._store.swap(upload, settled)
        return settled

    async def _known(self, library: str, item_id: str, sha256: str) -> bool:
        """Whether it will be a document that is there already, and costs no quota."""
        identity = item_id or sha256
        if identity and await self._documents.get(document_id_for(library, identity)) is not None:
            return True
        return bool(sha256 and not item_id) and await self._documents.by_hash(library, sha256) is not None


def _part_size(size: int) -> int:
    part = PART_BYTES
    while size > part * MOST_PARTS:
        part *= 2
    return part


def _without_password(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "parameters": {**request.get("parameters", {}), "sealedPassword": ""}}


def _told(upload: DirectUpload) -> DirectUpload:
    """The completed upload; raises what any other has ended with."""
    if upload.status == DirectStatus.FAILED:
        raise RequestError(upload.code, upload.message, hint=upload.hint)
    if upload.status == DirectStatus.ABORTED:
        raise RequestError("conflict", "The upload was aborted.", hint="Announce the file again.")
    return upload
