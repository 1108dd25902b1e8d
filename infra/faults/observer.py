"""Looks at a world's jobs and processes while things break, and tells the history what it saw."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx

from infra.faults import processes
from infra.faults.background import Background

if TYPE_CHECKING:
    from infra.faults.world import World

EVERY = 0.3
AT_ONCE = 20
"""Jobs looked at in one round, in turn."""


class Observer(Background):
    """`async with Observer(world)`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: set[str] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        turn = 0
        async with self._world.balancer.client(5) as http:
            while True:
                open_jobs = [one.job_id for one in self._world.accepted if one.job_id not in self._done]
                for offset in range(min(AT_ONCE, len(open_jobs))):
                    with contextlib.suppress(httpx.HTTPError):
                        await self._look(http, open_jobs[(turn + offset) % len(open_jobs)])
                turn += AT_ONCE
                await asyncio.to_thread(self._note_processes)
                await asyncio.sleep(EVERY)

    async def _look(self, http: httpx.AsyncClient, job_id: str) -> None:
        job = await http.get(f"/api/jobs/{job_id}")
        log = await http.get(f"/api/jobs/{job_id}/logs", params={"limit": 5000})
        if job.status_code == log.status_code == 200:
            self._world.history.look(job.json(), log.json()["logs"])
            if job.json()["status"] == "completed":
                self._done.add(job_id)

    def _note_processes(self) -> None:
        for process in self._world.stack.processes.values():
            if process.pid is not None:
                self._world.seen_processes |= processes.descendants(process.pid)
