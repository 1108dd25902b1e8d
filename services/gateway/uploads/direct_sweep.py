"""The periodic look at direct uploads: what no event and no sender has told of is found here."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from services.gateway.admission import QueueFull
from services.gateway.uploads.direct_uploads import DirectUploads
from services.gateway.uploads.log import KEPT
from shared.direct_ports import DirectUploadStore
from shared.direct_upload import FOLDER, DirectStatus, DirectUpload
from shared.errors import DocumentError, RequestError, ShadowtwinError, TransientError
from shared.ports import JobStore, Storage

logger = logging.getLogger("direct")
PAGE = 100
TIDY_SECONDS = 3600.0
REST_SECONDS = 60.0


class DirectSweep:
    """One in every gateway: `run` until cancelled; `sweep` and `tidy` once, for tests."""

    def __init__(
        self, uploads: DirectUploads, store: DirectUploadStore, storage: Storage, jobs: JobStore, seconds: float
    ) -> None:
        self._uploads, self._store, self._storage = uploads, store, storage
        self._jobs, self._seconds = jobs, seconds
        self._rests: dict[str, float] = {}

    async def run(self) -> None:
        """About every so many seconds, with jitter so that gateways do not march in step."""
        tidied = -TIDY_SECONDS
        while True:
            try:
                if time.monotonic() - tidied > TIDY_SECONDS:
                    await self.tidy()
                    tidied = time.monotonic()
                await self.sweep()
            except TransientError as error:
                logger.info("direct uploads are looked at later", extra={"reason": error.message})
            except Exception:
                logger.exception("the look at direct uploads failed")
            await asyncio.sleep(self._seconds * random.uniform(0.7, 1.3))

    async def sweep(self) -> int:
        """One look at everything that is left to do; how many records."""
        after, count = "", 0
        while page := await self._store.unsettled(after, PAGE):
            for upload in page:
                count += 1
                if self._rests.get(upload.upload_id, 0.0) <= time.monotonic():
                    await self._look_at(upload)
            after = page[-1].upload_id
        return count

    async def tidy(self) -> None:
        """Remove what lies there without an open upload (sent after the end, or never announced), and old records."""
        now = time.monotonic()
        self._rests = {name: until for name, until in self._rests.items() if until > now}
        await self._store.forget(await self._jobs.now() - KEPT)
        async for name in self._storage.names(FOLDER):
            upload = await self._store.get(name.removesuffix(".parts"))
            if upload is None or upload.status != DirectStatus.OPEN:
                await self._storage.delete_prefix(f"{FOLDER}/{name}")
                await self._storage.delete(f"{FOLDER}/{name}")

    async def _look_at(self, upload: DirectUpload) -> None:
        """Whatever is wrong with one is not in the way of the others: it rests, also because one that waits for
        something else is read whole at each look. Raises TransientError, which concerns all."""
        try:
            if upload.status == DirectStatus.OPEN:
                await self._uploads.complete(upload.upload_id)
            else:
                await self._uploads.settle(upload)
        except Exception as error:
            if isinstance(error, ShadowtwinError) and error.code == "upload_incomplete":
                return
            self._rests[upload.upload_id] = time.monotonic() + REST_SECONDS
            if isinstance(error, TransientError) and not isinstance(error, QueueFull):
                raise
            if not isinstance(error, RequestError | DocumentError | QueueFull):  # those stand in its record
                logger.exception("left for later", extra={"upload": upload.upload_id})
