"""A process that takes turns at a lane and keeps them until it is killed: `URL CALLS`; says `held` when it has them."""

from __future__ import annotations

import asyncio
import sys

from shared.adapters.model_lane import Lane
from shared.adapters.model_limits import ModelLimits
from shared.adapters.nats_lanes import NatsLanes

LANE = Lane(endpoint="http://e/v1", model="m", in_flight=2, lease_seconds=1.5)


async def hold(url: str, calls: int) -> None:
    """Take the turns and never give them back."""
    limits = ModelLimits(NatsLanes(url))
    turns = [limits.grant(LANE, 0, "x") for _ in range(calls)]
    for turn in turns:
        await turn.__aenter__()
    print("held", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], int(sys.argv[2])))
