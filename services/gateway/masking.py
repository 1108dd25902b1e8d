"""What leaves a job or a log when it is handed on: credentials and who was at work, never what happened."""

from __future__ import annotations

import re
from typing import Any

from services.gateway.web import shown_job
from shared.job import Job

INTERNAL = (
    "_id", "jobSecretHash", "callbackIds", "idempotencyKey", "idempotencyDigest", "outbox", "lease", "checkpoint",
    "paid", "userEmail", "logs",
)  # fmt: skip
"""Fields of the job document that are hashes of secrets, the guards' own business, or a person's."""
HIDDEN = "***"
_URL = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/@?#\"'<>]*@)?(?P<place>[^\s?#\"'<>]*)(?P<more>[?#][^\s\"'<>]*)?"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+|stw_)[A-Za-z0-9._~+/=-]{8,}")


def handed_on(job: Job) -> dict[str, Any]:
    """The job document without secrets."""
    shown = shown_job(job)
    masked: dict[str, Any] = without_credentials({k: v for k, v in shown.items() if k not in INTERNAL})
    return masked


def without_credentials(content: Any) -> Any:
    """The same with every string's credentials gone: names, passwords, queries and fragments of addresses, and tokens
    (addresses of callbacks and signed downloads carry their right in them)."""
    if isinstance(content, str):
        return _BEARER.sub(rf"\1{HIDDEN}", _URL.sub(_bare, content))
    if isinstance(content, dict):
        return {key: without_credentials(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_credentials(value) for value in content]
    return content


def _bare(found: re.Match[str]) -> str:
    return f"{found['scheme']}{found['place']}" + (f"{found['more'][0]}{HIDDEN}" if found["more"] else "")
