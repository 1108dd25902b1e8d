"""Storage in a bucket of an S3 server (AWS, MinIO, Ceph, ...), under a prefix.

S3 makes an object appear whole: by the one call that puts it, or by the one that completes its parts. Writers of one
key replace each other, as in a folder. A bucket holds both an object `a` and an object `a/b`; nobody here relies on it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from shared.adapters import s3_parts
from shared.adapters.s3_client import S3Client
from shared.adapters.s3_failure import S3Refused, no_bucket, told
from shared.adapters.storage_key import KEY_BYTES, check_key
from shared.errors import RequestError, ShadowtwinError
from shared.job import Artefact
from shared.object_keys import is_derived

logger = logging.getLogger("storage")
PIECE = 1 << 20
ABANDONED = timedelta(days=2)
"""Age at which an unfinished multipart upload belongs to a process, or to a direct upload, that is gone."""
COPY_PART_BYTES = 1 << 30
COPY_REFUSED = ("InvalidRequest", "EntityTooLarge")


class S3Storage:
    """The Storage port on a bucket; any number of processes may share it."""

    def __init__(self, client: S3Client) -> None:
        self.client = client
        prefix = client.place.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._tidied = False

    async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
        """Store atomically, hashing on the way; large streams in parts."""
        name = self.name(key)
        metadata = {"derived": "true"} if is_derived(key) else {}
        if isinstance(content, bytes):
            digest = await asyncio.to_thread(hashlib.sha256, content)
            await s3_parts.put(self.client, name, content, metadata)
            return Artefact(key=key, sha256=digest.hexdigest(), size=len(content))
        await self.tidy()
        size, sha256 = await s3_parts.write(self.client, name, content, metadata)
        return Artefact(key=key, sha256=sha256, size=size)

    async def read(self, key: str) -> bytes:
        """The whole object."""
        return b"".join([piece async for piece in self.stream(key, PIECE)])

    async def stream(self, key: str, chunk: int = PIECE) -> AsyncIterator[bytes]:
        """The object in pieces, as it was when the reading began."""
        answer = await self.client.call("get_object", key, Key=self.name(key))
        waiting = bytearray()
        async with answer["Body"] as body:
            while True:
                with told(key, writing=False):
                    piece = await body.read(chunk - len(waiting))
                waiting += piece
                if len(waiting) == chunk or (not piece and waiting):
                    yield bytes(waiting)
                    waiting.clear()
                if not piece:
                    return

    async def stat(self, key: str) -> int | None:
        """Its size, or None."""
        try:
            return int((await self.client.call("head_object", key, Key=self.name(key)))["ContentLength"])
        except ShadowtwinError as error:
            if error.code == "artefact_missing":
                return None
            raise

    async def copy(self, source: str, target: str) -> None:
        """A copy made by the server, in parts where it is too large for one call."""
        origin, name = self.name(source), self.name(target)
        if origin == name:
            if await self.stat(source) is None:
                raise ShadowtwinError("artefact_missing", f"There is no artefact {source!r} in storage.")
            return
        place = {"Bucket": self.client.place.bucket, "Key": origin}
        try:
            await self.client.call("copy_object", source, writing=True, Key=name, CopySource=place)
        except S3Refused as error:
            if error.s3_code not in COPY_REFUSED:
                raise
            await self.copy_in_parts(source, target)

    async def copy_in_parts(self, source: str, target: str, part_bytes: int = COPY_PART_BYTES) -> None:
        """The same for more than 5 GiB, which S3 copies in parts only."""
        head = await self.client.call("head_object", source, Key=self.name(source))
        size, etag, name = int(head["ContentLength"]), head["ETag"], self.name(target)
        begun = await self.client.call("create_multipart_upload", target, writing=True, Key=name)
        upload: dict[str, Any] = {"Key": name, "UploadId": begun["UploadId"]}
        place = {"CopySource": {"Bucket": self.client.place.bucket, "Key": self.name(source)}}
        parts: list[dict[str, Any]] = []
        try:
            for number, start in enumerate(range(0, size, part_bytes), 1):
                part = f"bytes={start}-{min(start + part_bytes, size) - 1}"
                same = {"CopySourceRange": part, "CopySourceIfMatch": etag, "PartNumber": number}
                made = await self.client.call("upload_part_copy", source, writing=True, **upload, **place, **same)
                parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
            await s3_parts.complete(self.client, name, begun["UploadId"], parts)
        except BaseException:
            await asyncio.shield(self._abort(upload))
            raise

    async def delete(self, key: str) -> None:
        """Remove one object."""
        await self.client.call("delete_object", key, writing=True, Key=self.name(key))

    async def delete_prefix(self, prefix: str) -> int:
        """Remove every object below, a thousand at a time."""
        count = 0
        async for page in self._pages(self.name(prefix) + "/"):
            names = [{"Key": row["Key"]} for row in page.get("Contents", ())]
            if names:
                wanted = {"Objects": names, "Quiet": True}
                answer = await self.client.call("delete_objects", prefix, writing=True, Delete=wanted)
                if refused := answer.get("Errors"):
                    said = f"The object storage did not delete {len(refused)} objects ({refused[0].get('Code')})."
                    raise ShadowtwinError("storage_write_failed", said)
                count += len(names)
        return count

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key below, in order."""
        async for page in self._pages(self.name(prefix) + "/"):
            for row in page.get("Contents", ()):
                yield row["Key"].removeprefix(self._prefix)

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """The next segments; one that is both an object and the beginning of other keys is named once."""
        start = f"{self.name(prefix)}/" if prefix else self._prefix
        objects: set[str] = set()
        async for page in self._pages(start, Delimiter="/"):
            here = {row["Key"].removeprefix(start) for row in page.get("Contents", ())} - {""}
            below = {row["Prefix"].removeprefix(start)[:-1] for row in page.get("CommonPrefixes", ())}
            for name in sorted(here | (below - objects)):
                yield name
            objects |= here

    async def local_path(self, key: str, directory: str) -> str:
        """A download into the directory."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        path = Path(directory) / f"{digest}{PurePosixPath(key).suffix}"
        pieces = self.stream(key)
        first = await anext(pieces, b"")
        file: BinaryIO = await asyncio.to_thread(open, path, "wb")
        try:
            await asyncio.to_thread(file.write, first)
            async for piece in pieces:
                await asyncio.to_thread(file.write, piece)
        finally:
            await asyncio.to_thread(file.close)
        return str(path)

    async def check(self) -> None:
        """Raise ConfigurationError unless the bucket is there and this credential may use it."""
        try:
            await self.client.call("head_bucket")
        except ShadowtwinError as error:
            if error.code == "artefact_missing":
                raise no_bucket() from error
            raise

    async def tidy(self) -> None:
        """Once a process: let go of parts whose writers died long ago. A server without such a listing has none."""
        if self._tidied:
            return
        self._tidied = True
        limit = datetime.now(UTC) - ABANDONED
        try:
            found = await self.client.call("list_multipart_uploads", Prefix=self._prefix)
            for upload in found.get("Uploads", ()):
                if upload["Initiated"] < limit:
                    await self._abort({"Key": upload["Key"], "UploadId": upload["UploadId"]})
        except ShadowtwinError as error:
            logger.warning("unfinished uploads were not looked for", extra={"reason": error.message})

    def name(self, key: str) -> str:
        """The object's name in the bucket. Raises RequestError bad_request for what is no key."""
        name = self._prefix + check_key(key)
        if len(name.encode()) > KEY_BYTES:
            raise RequestError("bad_request", f"With its prefix this storage key is longer than {KEY_BYTES} bytes.")
        return name

    def key_of(self, bucket: str, name: str) -> str | None:
        """The key of an object of that bucket, None for one that is not ours."""
        ours = bucket == self.client.place.bucket and name.startswith(self._prefix)
        return name[len(self._prefix) :] if ours else None

    async def _pages(self, prefix: str, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
        pages = await self.client.pages("list_objects_v2", Prefix=prefix, **arguments)
        while True:
            with told(prefix, writing=False):
                page: dict[str, Any] | None = await anext(pages, None)
            if page is None:
                return
            yield page

    async def _abort(self, upload: dict[str, Any]) -> None:
        try:
            await self.client.call("abort_multipart_upload", upload["Key"], **upload)
        except ShadowtwinError as error:
            logger.info("an unfinished upload could not be removed", extra={"reason": type(error).__name__})
