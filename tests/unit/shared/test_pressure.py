"""Memory pressure: when a worker waits with more work, and how it knows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.pressure import Pressure, used_share


async def test_no_more_is_taken_while_memory_is_short_and_work_in_hand(caplog: pytest.LogCaptureFixture):
    used, begun, ends = 0.9, [], [asyncio.Event(), asyncio.Event()]
    pressure = Pressure(0.8, lambda: used, look_seconds=0.001)

    async def work(number: int) -> None:
        async with pressure.place():
            begun.append(number)
            await ends[number].wait()

    first = asyncio.create_task(work(0))
    await asyncio.sleep(0.01)
    assert begun == [0], "with nothing in hand it is taken: waiting would free nothing"
    second = asyncio.create_task(work(1))
    while "memory is short" not in caplog.text:
        await asyncio.sleep(0.001)
    assert begun == [0]
    ends[0].set()
    await first
    while begun != [0, 1]:
        await asyncio.sleep(0.001)
    third = asyncio.create_task(work(0))
    used = 0.7
    await third
    assert begun == [0, 1, 0]
    ends[1].set()
    await second


def machine(root: Path) -> Path:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n")
    return root


def test_the_share_is_that_of_the_container_else_of_the_machine(tmp_path: Path):
    assert used_share(tmp_path) == 0.0
    assert used_share(machine(tmp_path)) == pytest.approx(0.6)
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert used_share(tmp_path) == pytest.approx(0.6)
    (group / "memory.max").write_text("1000\n")
    (group / "memory.current").write_text("950\n")
    (group / "memory.stat").write_text("anon 700\ninactive_file 100\n")
    assert used_share(tmp_path) == pytest.approx(0.85)
