"""Signed callbacks after Standard Webhooks: a signature over id, timestamp and the raw body (ADR 6).

The key is the SHA-256 of the attempt's token, as hexadecimal text: the one thing that both sides have, because the
store keeps no token. Signed is `{webhook-id}.{webhook-timestamp}.{body}`; the header holds `v1,<base64>`, several of
them separated by spaces while keys are being changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import NamedTuple

from services.gateway.secrets import Unauthorized
from shared.transitions import Refused

TOLERANCE_SECONDS = 300
"""How far a timestamp may be from the store's clock, either way."""

IDS_KEPT = 128
"""Signed callbacks that a job remembers for one attempt. What is older than the oldest of a full list is refused, so
that forgetting an id never lets its replay through."""

SIGNATURES_READ = 8
_ID = re.compile(r"[\x21-\x7e]{1,256}\Z")
_TIMESTAMP = re.compile(r"[0-9]{1,12}\Z")


class Signature(NamedTuple):
    """The three headers, and the body as it was received."""

    id: str
    timestamp: str
    values: str
    body: bytes


def sign(key: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One value of the `webhook-signature` header; `key` is the SHA-256 of the token, in hexadecimal."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key.encode(), content, hashlib.sha256).digest()).decode()


def verify(signature: Signature, key: str, now: datetime) -> None:
    """Raise Unauthorized unless one of the signatures is right and the timestamp is current; an empty key is none."""
    if not key or not _ID.match(signature.id) or not _TIMESTAMP.match(signature.timestamp):
        raise Unauthorized
    timestamp = int(signature.timestamp)
    wanted = sign(key, signature.id, timestamp, signature.body).encode()
    given = signature.values.encode("utf-8", "surrogatepass").split()[:SIGNATURES_READ]
    right = [hmac.compare_digest(value, wanted) for value in given]
    if not any(right) or abs(now.timestamp() - timestamp) > TOLERANCE_SECONDS:
        raise Unauthorized


def remembered(kept: list[str], signature: Signature) -> list[str]:
    """The list with this callback added; raises Refused `duplicate` for one that was, or may have been, applied."""
    timestamp = int(signature.timestamp)
    digest = hashlib.sha256(signature.id.encode()).hexdigest()[:24]
    known = sorted((int(stamp), name) for stamp, _, name in (entry.partition(":") for entry in kept))
    full = len(known) >= IDS_KEPT
    if any(name == digest for _, name in known) or (full and timestamp <= known[0][0]):
        raise Refused("duplicate")
    newest = [*known, (timestamp, digest)][-IDS_KEPT:]
    return [f"{stamp}:{name}" for stamp, name in newest]
