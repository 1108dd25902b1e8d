"""The ingestor killed while it replaces vectors, a short time; `shadowtwin faults --only 24` kills it 50 times."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.faults.bench import Bench
from infra.faults.scenarios import generations

pytestmark = pytest.mark.timeout(280)


async def test_searches_see_one_whole_generation_whatever_is_killed(bench: Bench, tmp_path: Path):
    async with bench.world(generations.SETTINGS) as world:
        world.patience = 60.0
        await generations.switching(world, bench, documents=3, kills=4)
    assert "searches" in bench.said[0]
