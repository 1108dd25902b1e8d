"""The broker's streams and consumers as they must be. Settings of a consumer are create-only on the server, so what it
runs is compared with what we want at every start."""

from __future__ import annotations

from typing import Any

from nats.js.api import (
    AckPolicy as JsAckPolicy,
)
from nats.js.api import ConsumerConfig, DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from shared import route
from shared.adapters.nats_lanes import make_bucket
from shared.errors import ConfigurationError

ACK_WAIT = 8.0
"""Seconds without a sign of life after which a message is delivered again: a worker that dies between taking a message
and claiming its step is found as soon as one that dies later."""

STREAM_BYTES = 512 * 1024 * 1024
"""Size at which the stream refuses further events; they wait in their jobs' outboxes then."""


def durable_name(leg: route.Leg) -> str:
    """The durable consumer of a leg."""
    return f"{leg.consumer}_{leg.subject.replace('.', '_')}"


def stream_configs(stream_bytes: int = STREAM_BYTES, replicas: int = 1) -> list[StreamConfig]:
    """The streams as they must be: on file of so many servers, refusing when full, deduplicating for two minutes."""
    limits: dict[str, Any] = {
        "retention": RetentionPolicy.LIMITS,
        "storage": StorageType.FILE,
        "discard": DiscardPolicy.NEW,
        "max_age": 7 * 86400,
        "max_bytes": stream_bytes,
        "num_replicas": replicas,
    }
    advisories = ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"]
    return [
        StreamConfig(name=route.STREAM, subjects=list(route.SUBJECTS), duplicate_window=120, **limits),
        StreamConfig(
            name=route.ADVISORY_STREAM,
            subjects=advisories,
            **{**limits, "discard": DiscardPolicy.OLD, "max_bytes": 16 * 1024 * 1024},
        ),
    ]


def consumer_config(leg: route.Leg) -> ConsumerConfig:
    """The durable consumer of a leg as it must be."""
    return ConsumerConfig(
        durable_name=durable_name(leg),
        filter_subject=leg.subject,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=JsAckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_deliver=20,
        max_ack_pending=256,
    )


async def make_right(manager: Any, stream_bytes: int, replicas: int = 1) -> None:
    """Create what is missing, mend what can be mended; raises ConfigurationError for a consumer that differs."""
    for wanted in stream_configs(stream_bytes, replicas):
        try:
            live = (await manager.stream_info(wanted.name or "")).config
        except NotFoundError:
            await manager.add_stream(wanted)
            continue
        if _seen(live) != _seen(wanted):
            await manager.update_stream(wanted)
    await make_bucket(manager)
    for leg in route.ROUTE:
        if leg.consumer:
            await _make_consumer_right(manager, leg)


def _seen(config: StreamConfig) -> tuple[set[str], int | None, int]:
    """What of a stream may change between two starts."""
    return set(config.subjects or []), config.max_bytes, config.num_replicas or 1


async def _make_consumer_right(manager: Any, leg: route.Leg) -> None:
    wanted = consumer_config(leg)
    try:
        live = (await manager.consumer_info(route.STREAM, wanted.durable_name)).config
    except NotFoundError:
        await manager.add_consumer(route.STREAM, wanted)
        return
    for field in ("ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "filter_subject"):
        if getattr(live, field) != getattr(wanted, field):
            raise ConfigurationError(
                "misconfigured",
                f"Consumer {wanted.durable_name} runs with {field}={getattr(live, field)!r}, "
                f"wanted {getattr(wanted, field)!r}. Delete the consumer; it is made again at the next start.",
            )
