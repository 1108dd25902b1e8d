"""What documents queue for in the simulation: stations with places, shared cores, a limit of tokens a minute."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]
SLICE = 0.02
"""Seconds for which a core works on one thing before the next one's turn, where cores are shared."""


class Station:
    """So many places, first come first served; adds up how long places were taken and how long was waited for them."""

    def __init__(self, env: simpy.Environment, name: str, places: int) -> None:
        self._env, self.name, self.places = env, name, places
        self._resource = simpy.Resource(env, places)
        self.busy = self.waited = 0.0
        self.visits = 0

    def hold(self, work: Steps, *, counted: bool = True) -> Steps:
        """Wait for a place, keep it while the work is done. Work that is not `counted` says itself by `used` what is: a
        worker that waits for another station holds its place, but is not what limits."""
        arrived = self._env.now
        with self._resource.request() as turn:
            yield turn
            began = self._env.now
            self.waited += began - arrived
            self.visits += 1
            yield from work
            self.busy += self._env.now - began if counted else 0.0

    def used(self, work: Steps) -> Steps:
        """Work in a place that is held already."""
        began = self._env.now
        yield from work
        self.busy += self._env.now - began

    def taken(self) -> float:
        """Place-seconds up to now; a visit counts when it ends."""
        return self.busy


class Cores:
    """Processor time: either of a core of one's own, or of few cores that everything shares, slice by slice."""

    def __init__(self, env: simpy.Environment, shared: int | None) -> None:
        self._env = env
        self._resource = simpy.Resource(env, shared) if shared else None

    def spend(self, seconds: float) -> Steps:
        """Until so much processor time was had."""
        if self._resource is None:
            yield self._env.timeout(seconds)
            return
        for part in _slices(seconds):
            with self._resource.request() as turn:
                yield turn
                yield self._env.timeout(part)


def _slices(seconds: float) -> Iterator[float]:
    while seconds > SLICE:
        yield SLICE
        seconds -= SLICE
    if seconds > 0:
        yield seconds


class Meter:
    """A limit of units a minute: each request waits until those before it have been let through."""

    def __init__(self, env: simpy.Environment, name: str, per_minute: float) -> None:
        self._env, self.name, self.places = env, name, 1
        self._per_second = per_minute / 60
        self._free = 0.0
        self.busy = self.waited = 0.0
        self.visits = 0

    def pass_through(self, units: float) -> Steps:
        """Wait for the turn of these units."""
        start = max(self._env.now, self._free)
        seconds = units / self._per_second
        self._free = start + seconds
        self.busy += seconds
        self.waited += start - self._env.now
        self.visits += 1
        yield self._env.timeout(start - self._env.now)

    def taken(self) -> float:
        """Seconds of the meter that were let through up to now, not those that are still ahead."""
        return self.busy - max(0.0, self._free - self._env.now)
