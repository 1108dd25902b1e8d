"""Addresses of pictures that open without a key for an hour, for pages and chats that a picture is shown in (A0.36).

An address holds the library, the file, when it expires, and an HMAC over them, as a presigned address of an S3 server.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

from services.gateway.secrets import Unauthorized
from shared.document import Document
from shared.errors import RequestError

SECONDS = 3600
"""How long an address opens its picture (checklist A0.36)."""
_PURPOSE = b"shadowtwin: addresses of pictures, version 1"


class PictureLinks:
    """Makes and checks addresses. `secret` is what all gateways of an installation share."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()

    def to(self, document: Document, file: str) -> str:
        """The path of this gateway for one file of the document's images/."""
        expires = int(self._clock()) + SECONDS
        signature = self._signature(document.library_id, document.document_id, file, expires)
        query = {"library": document.library_id, "expires": expires, "signature": signature}
        return f"/api/documents/{quote(document.document_id, safe='')}/images/{quote(file, safe='')}?{urlencode(query)}"

    def check(self, library: str, document_id: str, file: str, expires: int, signature: str) -> None:
        """Raise Unauthorized for an address that is not from here, RequestError link_expired for an old one."""
        wanted = self._signature(library, document_id, file, expires).encode()
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), wanted):
            raise Unauthorized
        if self._clock() > expires:
            raise RequestError("link_expired")

    def _signature(self, *named: object) -> str:
        said = "\n".join(["GET", *(quote(str(name), safe="", errors="surrogatepass") for name in named)])
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()
