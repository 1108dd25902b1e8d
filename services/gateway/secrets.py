"""Secrets: only their SHA-256 is stored, comparisons take the same time whatever differs."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from hmac import compare_digest
from pathlib import Path

import msgspec

from shared.errors import ConfigurationError


class Unauthorized(Exception):
    """The credential is missing or wrong. Every such answer is the same."""


def new_token() -> str:
    """A token for one attempt of one step: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is stored of a token. Tokens are random and long, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check(token: str | None, expected_hash: str) -> None:
    """Raise Unauthorized unless the token is the one that was hashed; an empty hash matches nothing."""
    if not matches([token], expected_hash):
        raise Unauthorized


def matches(tokens: Iterable[str | None], expected_hash: str) -> bool:
    """Whether one of the tokens is the one that was hashed; all are compared, and an empty hash matches nothing."""
    return any([compare_digest(hash_of(token), expected_hash) for token in tokens if token])


def internal_token(path: Path | None) -> str:
    """The gateway's token for internal callbacks; "" (which matches nothing) when no file is named or it is empty."""
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "misconfigured", f"SHADOWTWIN_INTERNAL_TOKEN_FILE: {path} cannot be read as text."
        ) from error
    if 0 < len(token) < 16:
        raise ConfigurationError(
            "misconfigured", f"SHADOWTWIN_INTERNAL_TOKEN_FILE: {path} holds fewer than 16 characters."
        )
    return token


def service_credentials(path: Path | None) -> dict[str, str]:
    """service name -> SHA-256 of its credential, from the JSON file that the operator or the local stack made."""
    if path is None:
        raise ConfigurationError(
            "misconfigured", "SHADOWTWIN_SERVICE_CREDENTIALS_FILE is not set: it names the workers' credential hashes."
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            "misconfigured", f"SHADOWTWIN_SERVICE_CREDENTIALS_FILE: {path} cannot be read as JSON."
        ) from error
