"""Direct uploads where storage takes none from outside (a folder): this gateway is the place, at signed addresses.

An address holds the upload's id, the part, when it expires, and an HMAC over them; no other credential is needed, as
with an S3 server's presigned address.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlencode

from services.gateway.secrets import Unauthorized
from shared.direct_upload import DirectUpload
from shared.errors import RequestError
from shared.magic import Opening
from shared.ports import Storage

_PURPOSE = b"shadowtwin: addresses of direct uploads, version 1"


class GatewayDirect:
    """DirectStorage over any storage. `secret` is what all gateways of an installation share."""

    def __init__(self, storage: Storage, secret: str) -> None:
        self._storage = storage
        self._key = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()

    def own_key(self, bucket: str, name: str) -> str | None:
        """Names here are keys; there are no buckets."""
        return None if bucket else name

    async def begin(self, upload: DirectUpload) -> str:
        """Nothing to get ready."""
        return ""

    async def addresses(self, upload: DirectUpload, numbers: Sequence[int], seconds: int) -> list[str]:
        """Paths of this gateway."""
        expires = int(time.time()) + seconds
        return [self._address(upload.upload_id, number, expires) for number in numbers]

    async def parts(self, upload: DirectUpload) -> dict[int, int]:
        """As they lie in storage."""
        found: dict[int, int] = {}
        async for name in self._storage.names(_folder(upload)):
            size = await self._storage.stat(f"{_folder(upload)}/{name}")
            if name.isdigit() and size is not None:
                found[int(name)] = size
        return found

    async def assemble(self, upload: DirectUpload) -> None:
        """One object of all parts, which then go."""
        if await self._storage.stat(upload.key) is None:
            await self._storage.write(upload.key, self._joined(upload))
        await self._storage.delete_prefix(_folder(upload))

    async def abandon(self, upload: DirectUpload) -> None:
        """Parts and object."""
        await self._storage.delete_prefix(_folder(upload))
        await self._storage.delete(upload.key)

    def check(self, upload_id: str, number: int, expires: int, signature: str) -> None:
        """Raise Unauthorized for an address that is not from here, RequestError upload_url_expired for an old one."""
        wanted = self._signature(upload_id, number, expires).encode()
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), wanted):
            raise Unauthorized
        if time.time() > expires:
            raise RequestError("upload_url_expired")

    async def receive(self, upload: DirectUpload, number: int, content: AsyncIterator[bytes]) -> int:
        """Store what is sent to an address, all of it or nothing; its size. Raises RequestError upload_mismatch for
        another length than announced, DocumentError pdf_not_a_pdf at once, and what the content raises."""
        size = upload.part_bytes(number)
        if not size:
            raise RequestError("bad_request", "The upload has no such part.")
        key = f"{_folder(upload)}/{number:05}" if number else upload.key
        await self._storage.write(key, _checked(content, size, first=number <= 1))
        return size

    async def _joined(self, upload: DirectUpload) -> AsyncIterator[bytes]:
        for number in range(1, upload.part_count + 1):
            async for piece in self._storage.stream(f"{_folder(upload)}/{number:05}"):
                yield piece

    def _address(self, upload_id: str, number: int, expires: int) -> str:
        query = {"part": number, "expires": expires, "signature": self._signature(upload_id, number, expires)}
        return f"/api/uploads/{upload_id}/content?{urlencode(query)}"

    def _signature(self, upload_id: str, number: int, expires: int) -> str:
        return hmac.new(self._key, f"PUT\n{upload_id}\n{number}\n{expires}".encode(), hashlib.sha256).hexdigest()


def _folder(upload: DirectUpload) -> str:
    return f"{upload.key}.parts"


async def _checked(content: AsyncIterator[bytes], size: int, *, first: bool) -> AsyncIterator[bytes]:
    """What comes, as long as it is what was announced."""
    opening, arrived = Opening(), 0
    async for piece in content:
        arrived += len(piece)
        if arrived > size:
            raise RequestError("upload_mismatch", f"More than the announced {size} bytes were sent.")
        if first:
            opening.take(piece)
        yield piece
    if arrived != size:
        raise RequestError("upload_mismatch", f"{arrived} bytes were sent, {size} were announced.")
    if first:
        opening.end()
