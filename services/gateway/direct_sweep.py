"""The periodic look at direct uploads: what no event and no sender has told of is found here."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from services.gateway.direct_uploads import DirectUploads
from shared.errors import TransientError

logger = logging.getLogger("direct")
TIDY_SECONDS = 3600.0


class DirectSweep:
    """`run` until cancelled, in every gateway."""

    def __init__(self, uploads: DirectUploads, seconds: float) -> None:
        self._uploads, self._seconds = uploads, seconds

    async def run(self) -> None:
        """About every so many seconds, with jitter so that gateways do not march in step."""
        tidied = -TIDY_SECONDS
        while True:
            try:
                if time.monotonic() - tidied > TIDY_SECONDS:
                    await self._uploads.tidy()
                    tidied = time.monotonic()
                await self._uploads.sweep()
            except TransientError as error:
                logger.info("direct uploads are looked at later", extra={"reason": error.message})
            except Exception:
                logger.exception("the look at direct uploads failed")
            await asyncio.sleep(self._seconds * random.uniform(0.7, 1.3))
