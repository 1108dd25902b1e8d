"""Direct uploads into a bucket: addresses that the S3 server itself checks, for one object or one part, for a time.

An address is signed with the announced length, so that the server takes nothing longer or shorter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from shared.adapters import s3_parts
from shared.adapters.s3_failure import UploadGone
from shared.adapters.s3_storage import S3Storage
from shared.direct_upload import DirectUpload


class S3Direct:
    """DirectStorage on a bucket."""

    def __init__(self, storage: S3Storage) -> None:
        self._storage, self._client = storage, storage.client

    def own_key(self, bucket: str, name: str) -> str | None:
        """The name without our prefix; an event that names no bucket is of this one."""
        return self._storage.key_of(bucket or self._client.place.bucket, name)

    async def begin(self, upload: DirectUpload) -> str:
        """The server's id of a multipart upload."""
        if not upload.part_size:
            return ""
        name = self._storage.name(upload.key)
        begun = await self._client.call("create_multipart_upload", upload.key, writing=True, Key=name)
        return str(begun["UploadId"])

    async def addresses(self, upload: DirectUpload, numbers: Sequence[int], seconds: int) -> list[str]:
        """Presigned by the credential of this process; nothing is asked of the server."""
        return list(await asyncio.gather(*(self._address(upload, number, seconds) for number in numbers)))

    async def parts(self, upload: DirectUpload) -> dict[int, int]:
        """As the server lists them."""
        return {int(part["PartNumber"]): int(part["Size"]) for part in await self._stored(upload)}

    async def assemble(self, upload: DirectUpload) -> None:
        """Complete the multipart upload of what the server lists."""
        parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in await self._stored(upload)]
        if parts:  # else it has been completed, or its object is missed in a moment
            await s3_parts.complete(self._client, self._storage.name(upload.key), upload.multipart_id, parts)

    async def abandon(self, upload: DirectUpload) -> None:
        """Abort the multipart upload and delete the object."""
        if upload.multipart_id:
            with contextlib.suppress(UploadGone):
                await self._client.call("abort_multipart_upload", upload.key, writing=True, **self._named(upload))
        await self._storage.delete(upload.key)

    async def _address(self, upload: DirectUpload, number: int, seconds: int) -> str:
        length = {"ContentLength": upload.part_bytes(number)}
        if not number:
            return await self._client.signed("put_object", seconds, Key=self._storage.name(upload.key), **length)
        return await self._client.signed("upload_part", seconds, **self._named(upload), PartNumber=number, **length)

    async def _stored(self, upload: DirectUpload) -> list[dict[str, Any]]:
        if not upload.multipart_id:
            return []
        found: list[dict[str, Any]] = []
        marker = 0
        while True:
            more: dict[str, Any] = {"PartNumberMarker": marker} if marker else {}
            try:
                page = await self._client.call("list_parts", upload.key, **self._named(upload), **more)
            except UploadGone:
                return []
            found += page.get("Parts", ())
            if not page.get("IsTruncated"):
                return found
            marker = int(page["NextPartNumberMarker"])

    def _named(self, upload: DirectUpload) -> dict[str, Any]:
        return {"Key": self._storage.name(upload.key), "UploadId": upload.multipart_id}
