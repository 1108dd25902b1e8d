"""What a failing S3 server means to storage: an object is missing, the server is away, or a setting is wrong.

Codes are those of the S3 API and of compatible servers; what is not known here is told by its HTTP status.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from shared.errors import ConfigurationError, ShadowtwinError, TransientError

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
NO_UPLOAD = "NoSuchUpload"
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "AllAccessDisabled"})
_SLOWER = frozenset({"SlowDown", "429", "TooManyRequests", "RequestLimitExceeded", "503"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507"})


class UploadGone(TransientError):
    """The server knows no multipart upload of this id: it was completed, aborted, or never begun."""


class S3Refused(ShadowtwinError):
    """The server refuses this one call; `s3_code` is its reason."""

    def __init__(self, s3_code: str, *, writing: bool) -> None:
        super().__init__("storage_write_failed" if writing else "internal", f"The object storage refused ({s3_code}).")
        self.s3_code = s3_code


@contextlib.contextmanager
def told(key: str, *, writing: bool) -> Iterator[None]:
    """An S3 failure as artefact_missing, unavailable, rate_limited, misconfigured or storage_write_failed."""
    try:
        yield
    except ClientError as error:
        raise _meaning(error, key, writing=writing) from error
    except (ConnectionError, HTTPClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        said = f"The object storage cannot be reached ({type(error).__name__})."
        raise TransientError("unavailable", said) from error
    except BotoCoreError as error:
        # credentials that cannot be found, a region or an address that is none: nothing that waiting would heal
        said = f"The object storage cannot be used as configured ({type(error).__name__})."
        raise ConfigurationError("misconfigured", said) from error


def no_bucket() -> ConfigurationError:
    """SHADOWTWIN_STORAGE names a bucket that is not there."""
    return ConfigurationError("misconfigured", "SHADOWTWIN_STORAGE names a bucket that does not exist: make it first.")


def code_of(error: ClientError) -> str:
    """The S3 error code; of an answer without a body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _meaning(error: ClientError, key: str, *, writing: bool) -> Exception:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == NO_UPLOAD:
        return UploadGone("unavailable", "The object storage has lost an upload under way.")
    if code == "NoSuchBucket":
        return no_bucket()
    if code in MISSING:
        return ShadowtwinError("artefact_missing", f"There is no artefact {key!r} in storage.")
    if code in _REFUSED:
        said = f"The object storage refuses the credential ({code}): check SHADOWTWIN_S3_ACCESS_KEY_ID and its secret."
        return ConfigurationError("misconfigured", said)
    if code in _SLOWER:
        return TransientError("rate_limited", f"The object storage asks to slow down ({code}).")
    if code in _FULL:
        return TransientError("storage_write_failed", f"The object storage is full ({code}).")
    if status >= 500 or code in ("RequestTimeout", "BadDigest", "IncompleteBody"):
        return TransientError("unavailable", f"The object storage cannot answer now ({code}).")
    return S3Refused(code, writing=writing)
