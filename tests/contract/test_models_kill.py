"""A process that is killed while it asks has lost what was under way, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.asker import IN_FLIGHT
from tests.support.broker import Broker
from tests.support.model_server import Asked, ModelServer

COUNT = 60


def numbered(asked: Asked) -> dict[str, int]:
    return {"n": int(asked.blocks[0][1])}


async def test_a_killed_process_repeats_at_most_what_was_in_flight_and_counts_every_call_once(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    await asyncio.to_thread(broker.start)
    try:
        await killed_and_resumed(broker, tmp_path)
    finally:
        broker.kill()


async def killed_and_resumed(broker: Broker, tmp_path: Path) -> None:
    rates = {429: 0.10, 500: 0.05}
    async with ModelServer(numbered, latency={"*": 0.15}, rates=rates) as server:
        where = [server.url, broker.url, str(tmp_path / "twins"), str(COUNT)]
        command = [sys.executable, "-m", "tests.support.asker", *where]
        process = await asyncio.create_subprocess_exec(*command)
        while len(server.completed) < COUNT // 3:
            assert process.returncode is None
            await asyncio.sleep(0.005)
        in_flight = server.in_flight
        process.kill()
        await process.wait()
        assert 0 < in_flight <= IN_FLIGHT
        stored = len(list((tmp_path / "twins" / "lib" / "doc" / "ai").glob("*.json")))
        assert stored >= COUNT // 3 - IN_FLIGHT
        resumed = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await resumed.communicate()
        assert said == f"done {COUNT}\n".encode()
        assert len(server.completed) == COUNT
        assert server.repeated <= IN_FLIGHT
        assert server.most_in_flight <= IN_FLIGHT
