"""Secrets and signatures of Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of id.timestamp.body."""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from shared.errors import RequestError
from shared.webhook import Delivery, Endpoint

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, after the specification."""


def new_secret() -> str:
    """A random one of 32 bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def checked_secret(text: str) -> str:
    """A secret that was given; RequestError bad_request when it is none."""
    try:
        size = len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) if text.startswith(PREFIX) else 0
    except (binascii.Error, ValueError):
        size = 0
    if not SHORTEST <= size <= LONGEST:
        raise RequestError(
            "bad_request",
            f"secret must be {PREFIX} and the base64 of {SHORTEST} to {LONGEST} random bytes.",
            hint="Leave it out, and one is made.",
        )
    return text


def headers(endpoint: Endpoint, delivery: Delivery, at: datetime) -> dict[str, str]:
    """The three headers; while a secret is rotated, both sign."""
    valid = [secret.value for secret in endpoint.secrets if secret.until is None or secret.until > at]
    signatures = [Webhook(value).sign(delivery.delivery_id, at, delivery.body) for value in valid]
    return {
        "webhook-id": delivery.delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
