"""Answers about webhooks, and the section `webhooks` of the description: what a receiver is sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from services.gateway.webhooks.messages import AlertData, DocumentData, JobData, PingData
from shared.webhook import Attempt, EventType


class Webhook(TypedDict):
    """An endpoint; `libraryId` is `*` for one that hears of all libraries. `secret` only when it was just made."""

    endpointId: str
    libraryId: str
    url: str
    eventTypes: list[str]
    description: str
    enabled: bool
    disabledReason: Literal["", "gone", "failing"]
    failingSince: datetime | None
    quietUntil: datetime | None
    formerSecretUntil: datetime | None
    createdAt: datetime
    secret: NotRequired[str]


class Webhooks(TypedDict):
    """Endpoints."""

    webhooks: list[Webhook]


class WebhookDelivery(TypedDict):
    """A delivery; `deliveryId` is its webhook-id, `subject` the document or alert within which the order is kept."""

    deliveryId: str
    endpointId: str
    libraryId: str
    eventType: str
    subject: str
    state: Literal["pending", "delivered", "failed"]
    createdAt: datetime
    nextAttemptAt: datetime | None
    attempts: list[Attempt]
    body: str


class WebhookDeliveries(TypedDict):
    """A page of the log."""

    deliveries: list[WebhookDelivery]
    cursor: str | None


class Replayed(TypedDict):
    """How many deliveries are made once more."""

    replayed: int


DATA: dict[str, type] = {"job": JobData, "document": DocumentData, "alert": AlertData, "ping": PingData}
"""Data of a message by the first word of its type."""

_HEADERS = {
    "webhook-id": "the same however often it is tried: forget what you have seen",
    "webhook-timestamp": "seconds since 1970, of this attempt",
    "webhook-signature": "one or several `v1,<base64>` of HMAC-SHA256 over id.timestamp.body, separated by blanks",
}
_MEANINGS = {
    EventType.JOB_COMPLETED: "A run has ended well",
    EventType.JOB_FAILED: "A run has failed or was cancelled",
    EventType.DOCUMENT_UPLOADED: "A document, or a new version of its file, is stored",
    EventType.DOCUMENT_PROCESSED: "A document is searchable as its last job wanted it",
    EventType.DOCUMENT_FAILED: "A document's last job has failed",
    EventType.DOCUMENT_DELETED: "A document is gone with everything made of it",
    EventType.ALERT_OPENED: "A library or a batch needs a person's eyes",
    EventType.ALERT_RESOLVED: "An alert's cause is gone",
    EventType.PING: "Somebody tries the endpoint",
}


def section(schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """OpenAPI's `webhooks`; `schemas` holds those of DATA's types."""
    return {kind: {"post": operation} for kind, operation in _operations(schemas)}


def _operations(schemas: dict[Any, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    text = {"type": "string"}
    named = [
        {"name": name, "in": "header", "required": True, "description": about, "schema": text}
        for name, about in _HEADERS.items()
    ]
    answers = {
        "2XX": {"description": "taken; anything else is tried again with growing pauses"},
        "410": {"description": "the endpoint is disabled"},
    }
    for kind, about in _MEANINGS.items():
        said = {
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": {"const": str(kind)},
                "timestamp": {"type": "string", "format": "date-time"},
                "data": schemas[DATA[kind.partition(".")[0]]],
            },
        }
        yield (
            str(kind),
            {
                "summary": about,
                "tags": ["webhooks"],
                "security": [],
                "parameters": named,
                "requestBody": {"required": True, "content": {"application/json": {"schema": said}}},
                "responses": answers,
            },
        )
