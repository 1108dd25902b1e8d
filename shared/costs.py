"""Paid model calls: one by one as a worker reports them, and summed up in the job document's `costs`."""

from __future__ import annotations

import msgspec


class Charge(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One paid call: `id` is unique within the job's run, `usd` None for a model without a known price."""

    id: str
    model: str
    purpose: str
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None


class Cost(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the job's model calls of one kind have cost, over all its runs; `usd` is None while no price is known."""

    step: str
    model: str
    purpose: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
