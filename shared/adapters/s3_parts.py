"""Writing to S3: small content in one call, large content in parts. Nothing can be read before the last call.

One part is in memory at a time, whatever the size of the whole. Each is sent with its MD5, so that the server takes it
as it was sent or not at all.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from shared.adapters.s3_client import S3Client
from shared.adapters.s3_failure import UploadGone
from shared.errors import ShadowtwinError

PART_BYTES = 8 << 20
"""Of each part but the last; S3 takes 10,000 of them, at least 5 MiB each."""


async def write(client: S3Client, key: str, content: AsyncIterator[bytes], metadata: dict[str, str]) -> tuple[int, str]:
    """Store what comes; size and SHA-256. What the content raises is raised, and nothing is stored then."""
    digest, size, part = hashlib.sha256(), 0, bytearray()
    upload: _Upload | None = None
    try:
        async for piece in content:
            size += len(piece)
            part += piece
            if len(part) >= PART_BYTES:
                if upload is None:
                    upload = await _Upload.begin(client, key, metadata)
                await asyncio.to_thread(digest.update, part)
                await upload.send(bytes(part))
                part.clear()
        await asyncio.to_thread(digest.update, part)
        if upload is None:
            await put(client, key, bytes(part), metadata)
        else:
            if part:
                await upload.send(bytes(part))
            await upload.complete()
    except BaseException:
        if upload is not None:
            await asyncio.shield(upload.abort())
        raise
    return size, digest.hexdigest()


async def put(client: S3Client, key: str, content: bytes, metadata: dict[str, str]) -> None:
    """Store it in one call."""
    checked = {"ContentMD5": await _md5(content), "Metadata": metadata}
    await client.call("put_object", key, writing=True, Key=key, Body=content, **checked)


class _Upload:
    """A multipart upload under way."""

    def __init__(self, client: S3Client, key: str, upload_id: str) -> None:
        self._client, self._key, self._id = client, key, upload_id
        self._parts: list[dict[str, Any]] = []

    @classmethod
    async def begin(cls, client: S3Client, key: str, metadata: dict[str, str]) -> _Upload:
        """A new one."""
        begun = await client.call("create_multipart_upload", key, writing=True, Key=key, Metadata=metadata)
        return cls(client, key, begun["UploadId"])

    async def send(self, content: bytes) -> None:
        """The next part."""
        number = len(self._parts) + 1
        arguments = {"Key": self._key, "UploadId": self._id, "PartNumber": number}
        checked = {"Body": content, "ContentMD5": await _md5(content)}
        sent = await self._client.call("upload_part", self._key, writing=True, **arguments, **checked)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    async def complete(self) -> None:
        """Make one object of the parts."""
        await complete(self._client, self._key, self._id, self._parts)

    async def abort(self) -> None:
        """Let go of what was sent; that this fails as well fails nothing (see `S3Storage.tidy`)."""
        with contextlib.suppress(ShadowtwinError):
            await self._client.call("abort_multipart_upload", self._key, Key=self._key, UploadId=self._id)


async def complete(client: S3Client, key: str, upload_id: str, parts: list[dict[str, Any]]) -> None:
    """Make one object of the parts (`PartNumber`, `ETag`); also where an earlier call did, whose answer was lost."""
    arguments = {"Key": key, "UploadId": upload_id, "MultipartUpload": {"Parts": parts}}
    try:
        await client.call("complete_multipart_upload", key, writing=True, **arguments)
    except UploadGone:
        stored: dict[str, Any] = {}
        with contextlib.suppress(ShadowtwinError):
            stored = await client.call("head_object", key, Key=key)
        if stored.get("ETag") != _whole_etag([part["ETag"] for part in parts]):
            raise


def _whole_etag(etags: list[str]) -> str:
    """The ETag that S3 gives an object of these parts."""
    try:
        digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    except ValueError:  # encrypted by the server: its ETags are no MD5
        return ""
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"'


async def _md5(content: bytes) -> str:
    made = await asyncio.to_thread(hashlib.md5, content, usedforsecurity=False)
    return base64.b64encode(made.digest()).decode()
