"""Equal questions at the same time are one: whoever asks second waits for the first one's answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """One question under way."""

    def __init__(self) -> None:
        self.waiters = 0
        self.sent = False
        self.task: asyncio.Task[T] | None = None

    def depart(self) -> None:
        """Before a call is sent: raises CancelledError if nobody waits for the answer any more."""
        if not self.waiters:
            raise asyncio.CancelledError
        self.sent = True


class Flights(Generic[T]):
    """Of one process. A question whose askers have all been cancelled is dropped before it is sent; once it is sent it
    is waited for and its answer stored, because it is paid for."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Flight[T]] = {}

    async def join(self, key: Hashable, ask: Callable[[Flight[T]], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The answer, and whether this caller was the first to ask."""
        flight, first = self._under_way.get(key), False
        if flight is None or flight.task is None:
            flight, first = Flight[T](), True
            self._under_way[key] = flight
            flight.task = asyncio.create_task(ask(flight))
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), first
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.sent:
                flight.task.cancel()

    async def close(self) -> None:
        """Give up whatever is under way."""
        tasks = {flight.task for flight in self._under_way.values() if flight.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        with contextlib.suppress(asyncio.CancelledError):
            task.exception()  # an abandoned question may fail unseen
