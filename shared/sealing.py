"""Secrets that a job carries from its client to one worker: sealed at the gateway, opened in the worker, nowhere else.

Both sides derive the key from what they already share, the SHA-256 of the worker's own credential; whoever has only the
job store, a backup of it, a ticket or an event has nothing. AES-256-GCM with a random nonce: equal secrets do not look
alike. The length is hidden by padding.
"""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LONGEST_BYTES = 127
"""PDF passwords are cut off there by the format itself (ISO 32000-2, 7.6.4.3.3)."""
_NONCE_BYTES = 12
_PURPOSE = b"shadowtwin: a document's password, sealed for one worker, version 1"


class Unsealable(ValueError):
    """It was sealed with another key, or is damaged."""


class Sealing:
    """Seals and opens for the worker whose credential has this SHA-256 (hex)."""

    def __init__(self, credential_hash: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(credential_hash.encode())
        self._cipher = AESGCM(key)

    def seal(self, secret: str) -> str:
        """URL-safe text of constant length; ValueError if the secret is longer than LONGEST_BYTES in UTF-8."""
        data = secret.encode("utf-8", "surrogatepass")
        if len(data) > LONGEST_BYTES:
            raise ValueError(f"longer than {LONGEST_BYTES} bytes")
        nonce = os.urandom(_NONCE_BYTES)
        padded = bytes([len(data)]) + data.ljust(LONGEST_BYTES, b"\0")
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, padded, _PURPOSE)).decode()

    def open(self, sealed: str) -> str:
        """What was sealed; raises Unsealable."""
        try:
            data = base64.urlsafe_b64decode(sealed.encode())
            padded = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _PURPOSE)
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise Unsealable("sealed with another key, or damaged") from error
        return padded[1 : 1 + padded[0]].decode("utf-8", "surrogatepass")
