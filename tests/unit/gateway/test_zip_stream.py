"""An archive that is sent while it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.gateway.bundles.zip_stream import ZipStream


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"%PDF" * 50_000


async def test_nothing_is_left_open_when_the_reader_of_an_archive_goes_away():
    """Python cannot throw an archive away quietly while one of its members is being written."""
    archive = ZipStream()
    pieces = archive.member("source.pdf", endless())
    await anext(pieces)
    with pytest.raises(asyncio.CancelledError) as gone:  # what was raised still holds the frame
        await pieces.athrow(asyncio.CancelledError())  # type: ignore[attr-defined]
    archive.close()
    archive.close()
    assert gone.tb is not None
    assert archive.members == []
