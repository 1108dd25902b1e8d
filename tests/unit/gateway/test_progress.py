"""Progress of works in the background, as another gateway on the same storage sees it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from services.gateway.progress import ENDED, FOLDER, KEPT, MOST, SILENT, Progress, new_handle
from shared.cursor import milliseconds
from shared.errors import RequestError, TransientError
from shared.job import Artefact, utc_now
from shared.testing.memory import MemoryStorage
from tests.support.records import seconds


class Count(msgspec.Struct):
    handle: str
    number: int = 0
    finished: bool = False
    error: str = ""


class Clock:
    def __init__(self) -> None:
        self.at = seconds(0)

    async def now(self):
        return self.at


def made(storage: MemoryStorage, clock: Clock, every: float = 3600.0) -> Progress[Count]:
    return Progress(storage, "counts", Count, clock.now, every)


def new() -> Count:
    return Count(new_handle())


async def until(progress: Progress[Count], handle: str, **wanted: object) -> Count:
    while True:
        state = await progress.state(handle)
        if all(getattr(state, name) == value for name, value in wanted.items()):
            return state
        await asyncio.sleep(0)


async def test_another_gateway_sees_a_work_from_its_beginning_to_its_end():
    storage, clock = MemoryStorage(), Clock()
    one, other = made(storage, clock, every=0.001), made(storage, clock)
    go, state = asyncio.Event(), new()

    async def work() -> None:
        state.number = 1
        await go.wait()
        state.number = 2

    await one.start(state, work())
    assert (await other.state(state.handle)).finished is False
    await until(other, state.handle, number=1)
    go.set()
    assert await until(other, state.handle, finished=True) == Count(state.handle, 2, True)
    assert await until(one, state.handle, finished=True) == Count(state.handle, 2, True)


async def test_a_work_that_raises_has_ended_with_what_was_wrong():
    storage, clock = MemoryStorage(), Clock()

    async def work() -> None:
        raise TransientError("unavailable", "The store is away.")

    state = await made(storage, clock).start(new(), work())
    assert (await until(made(storage, clock), state.handle, finished=True)).error == "The store is away."


async def test_a_gateway_that_died_in_the_middle_has_ended_its_work():
    storage, clock = MemoryStorage(), Clock()
    await made(storage, clock).start(state := new(), asyncio.sleep(3600))
    other = made(storage, clock)
    clock.at += SILENT
    assert (await other.state(state.handle)).finished is False
    clock.at += timedelta(seconds=1)
    found = await other.state(state.handle)
    assert (found.finished, found.error) == (True, ENDED)


async def test_a_work_that_shows_no_change_is_still_seen_to_live():
    storage, clock = MemoryStorage(), Clock()
    await made(storage, clock, every=0.001).start(state := new(), asyncio.sleep(3600))
    clock.at += 10 * SILENT
    assert (await until(made(storage, clock), state.handle, finished=False)).error == ""


async def test_the_end_is_told_once_the_storage_is_back():
    class Away(MemoryStorage):
        times = 0

        async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
            self.times += 1
            if 1 < self.times < 4:
                raise TransientError("unavailable", "The storage is away.")
            return await super().write(key, content)

    storage, clock = Away(), Clock()
    one = made(storage, clock, every=0.001)
    await one.start(state := new(), asyncio.sleep(0))
    assert (await until(made(storage, clock), state.handle, finished=True)).error == ""
    assert storage.times == 4


async def test_what_is_done_at_once_can_be_asked_for_and_what_is_attached_is_not_shown():
    storage, clock = MemoryStorage(), Clock()
    one, other = made(storage, clock), made(storage, clock)

    async def work() -> None:
        await one.attach(state.handle, ["a", "b"])

    state = new()
    assert await one.do(state, work()) == Count(state.handle, 0, True)
    assert await other.state(state.handle) == Count(state.handle, 0, True)
    assert await other.attached(state.handle, list[str]) == ["a", "b"]


@pytest.mark.parametrize("handle", ["", "..", "no-handle", "../../lib", str(uuid.UUID(int=7))])
async def test_what_is_no_handle_is_not_found(handle: str):
    progress = made(MemoryStorage(), Clock())
    for asked in (progress.state(handle), progress.attached(handle, list[str])):
        with pytest.raises(RequestError) as refused:
            await asked
        assert refused.value.code == "not_found"


async def test_a_late_write_does_not_come_after_the_last_one():
    """A write that is under way when the work ends is waited for: it would say that the work goes on."""

    class Slow(MemoryStorage):
        slow: asyncio.Event | None = None

        async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
            waited, self.slow = self.slow, None
            if waited is not None:
                asyncio.get_running_loop().call_later(0.01, waited.set)
                await asyncio.shield(waited.wait())
            return await super().write(key, content)

    storage, clock = Slow(), Clock()
    storage.slow = None
    go, state = asyncio.Event(), new()

    async def work() -> None:
        await go.wait()

    one = made(storage, clock, every=0.001)
    await one.start(state, work())
    slow = storage.slow = asyncio.Event()
    while storage.slow is not None:  # until a write is under way
        await asyncio.sleep(0)
    go.set()
    await until(made(storage, clock), state.handle, finished=True)
    assert slow.is_set()
    await asyncio.sleep(0.02)
    assert (await made(storage, clock).state(state.handle)).finished


async def test_whatever_the_storage_raises_the_work_ends():
    class Odd(MemoryStorage):
        times = 0

        async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
            self.times += 1
            if self.times == 2:
                raise ValueError("odd")
            return await super().write(key, content)

    storage, clock, go = Odd(), Clock(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise TransientError("unavailable", "away: \ud800")

    one = made(storage, clock, every=0.001)
    await one.start(state := new(), work())
    while storage.times < 3:
        await asyncio.sleep(0)
    go.set()
    assert (await until(made(storage, clock), state.handle, finished=True)).error == "away: ?"


async def test_a_file_that_cannot_be_read_is_none():
    storage, clock = MemoryStorage(), Clock()
    progress = made(storage, clock)
    state = await progress.do(new(), asyncio.sleep(0))
    await until(made(storage, clock), state.handle, finished=True)
    await storage.write(f"{FOLDER}/counts/{state.handle}/state", b"")
    with pytest.raises(RequestError):
        await made(storage, clock).state(state.handle)


async def test_old_ones_are_forgotten_and_the_oldest_of_too_many():
    storage, clock = MemoryStorage(), Clock()

    async def keep(age: timedelta, number: int) -> str:
        stamp = milliseconds(utc_now() - age) << 80 | 0x7 << 76 | 0b10 << 62 | number
        handle = str(uuid.UUID(int=stamp))
        await storage.write(f"{FOLDER}/counts/{handle}/state", b"{}")
        return handle

    old = await keep(KEPT + timedelta(hours=1), 0)
    young = [await keep(timedelta(hours=1), number) for number in range(MOST + 2)]
    await made(storage, clock).do(last := new(), asyncio.sleep(0))
    while old in (left := {name async for name in storage.names(f"{FOLDER}/counts")}) or len(left) > MOST:
        await asyncio.sleep(0)
    assert last.handle in left
    assert left.isdisjoint(young[:3])
    assert young[-1] in left
