"""A bench for short faults: one reference, one world at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.faults.bench import Bench, Reference
from infra.faults.world import World
from infra.stack_files import WORKERS


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    reference = Reference(tmp_path / "reference")
    yield Bench(tmp_path / "work", 1, reference, 1)
    await reference.close()


@pytest_asyncio.fixture
async def world(bench: Bench, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Impatient: a job that is stuck is found out soon."""
    async with bench.world(nats_proxied=("gateway", *WORKERS)) as made:
        made.patience = 25.0
        yield made
