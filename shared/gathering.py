"""Many pieces of work at once: a few at a time in order, or in batches of which one bad piece loses only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

BATCH = 100
"""Pieces of a batch (seed 001, optimisation 4)."""


def packed(items: Iterable[T], weight: Callable[[T], int], *, most: int, heaviest: int) -> Iterator[list[T]]:
    """The items in order, in batches of up to `most` that weigh up to `heaviest` together; one that weighs more goes
    alone."""
    batch: list[T] = []
    total = 0
    for item in items:
        own = weight(item)
        if batch and (len(batch) == most or total + own > heaviest):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += own
    if batch:
        yield batch


async def in_order(items: Sequence[T], limit: int, work: Callable[[T], Awaitable[R]]) -> list[R]:
    """`work` of every item, at most `limit` at a time, the results in the order of the items.

    An error ends all of it; what may fail alone has to be caught in `work`.
    """
    turns = asyncio.Semaphore(max(limit, 1))

    async def one(item: T) -> R:
        async with turns:
            return await work(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


async def in_batches(
    items: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
    alone: tuple[type[Exception], ...],
    size: int = BATCH,
) -> list[R | Exception]:
    """`work` of batches, one result for each item in the order of the items.

    A batch that ends with an error of `alone` is done again item by item: only what fails then has its error for a
    result. Other errors end all of it.
    """
    results: list[R | Exception] = []
    for start in range(0, len(items), size):
        batch = items[start : start + size]
        try:
            results += await work(batch)
        except alone as error:
            if len(batch) == 1:
                results.append(error)
                continue
            for item in batch:
                results += await in_batches([item], work, alone, 1)
    return results
