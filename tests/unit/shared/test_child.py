"""Children that crash, hang, bomb or lie: the parent survives and says what happened."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from shared.child import ChildFailed, ChildRaised, Children, Limits
from shared.errors import DocumentError, TransientError, describe
from tests.unit.shared.watched import HERE, SHORT, Heard, failure, gone, run


@pytest_asyncio.fixture
async def children() -> AsyncIterator[Children]:
    children = Children([HERE])
    await children.start()
    yield children
    await children.close()


async def test_messages_and_result_come_back(children: Children) -> None:
    heard = Heard()
    args = {"path": "/a b", "numbers": [1, 2.5, None], "bytes": b"\0\xff", "word": "Käse"}
    assert await run(children, "echo", args, heard=heard) == args
    assert heard.messages == [{"got": args}]


async def test_a_segmentation_fault_is_a_crash_with_its_last_message(children: Children) -> None:
    error = await failure(children, "segfault")
    assert (error.kind, error.last_message) == ("crash", {"page": 3})
    assert "SIGSEGV" in error.detail


async def test_a_silent_exit_is_a_crash_with_its_code(children: Children) -> None:
    error = await failure(children, "leave", 3)
    assert error.kind == "crash"
    assert "3" in error.detail


async def test_silence_is_killed_as_idle(children: Children) -> None:
    error = await failure(children, "sleep", 1000.0, Limits(wall_seconds=20, idle_seconds=0.3))
    assert error.kind == "idle"
    assert await gone(error.last_message["pid"], 0.5)


async def test_talking_for_ever_is_killed_as_timeout(children: Children) -> None:
    error = await failure(children, "talk_forever", 0.02, Limits(wall_seconds=0.5, idle_seconds=5))
    assert (error.kind, error.last_message) == ("timeout", "still here")


async def test_a_hang_in_c_code_is_killed(children: Children) -> None:
    error = await failure(children, "hang_in_c", None, Limits(wall_seconds=0.4, idle_seconds=5))
    assert error.kind == "timeout"
    assert await gone(error.last_message["pid"], 0.5)


async def test_a_busy_loop_is_stopped_by_the_cpu_limit(children: Children) -> None:
    error = await failure(children, "burn", None, Limits(wall_seconds=30, idle_seconds=30, cpu_seconds=1))
    assert error.kind == "cpu"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
async def test_a_memory_bomb_is_told_as_memory(children: Children) -> None:
    error = await failure(children, "eat_memory", None, Limits(memory_bytes=1 << 30, wall_seconds=20, idle_seconds=20))
    assert error.kind == "memory"


async def test_a_result_larger_than_a_frame_is_an_error_not_a_crash(children: Children) -> None:
    with pytest.raises(ChildRaised) as caught:
        await run(children, "too_much_at_once", 65 << 20)
    assert "in parts" in caught.value.detail


async def test_a_large_frame_below_the_cap_arrives(children: Children) -> None:
    assert await run(children, "too_much_at_once", 20 << 20) == bytes(20 << 20)


async def test_a_lie_about_the_length_ends_the_child_at_once(children: Children) -> None:
    started = time.monotonic()
    error = await failure(children, "lie_about_length")
    assert error.kind == "crash"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("data", [b"\xc1", b"\x92\xa4evil\x01", b"\x91" * 5000, b"\x92\xa5error\x01", b""])
async def test_garbage_is_a_crash(children: Children, data: bytes) -> None:
    assert (await failure(children, "garbage", data)).kind == "crash"


async def test_a_message_of_another_type_is_a_crash(children: Children) -> None:
    with pytest.raises(ChildFailed, match="does not fit"):
        await children.run(f"{HERE}:count", 3, SHORT, Heard(), message_type=str)


async def test_typed_results_come_back_as_their_type(children: Children) -> None:
    class Answer(msgspec.Struct):
        pages: int

    answer = await children.run(f"{HERE}:echo", {"pages": 7}, SHORT, Heard(), result_type=Answer)
    assert answer == Answer(7)


async def test_our_own_errors_come_back_as_themselves(children: Children) -> None:
    with pytest.raises(DocumentError) as caught:
        await run(children, "document_error")
    assert describe(caught.value)[:4] == ("pdf_corrupt", "document", False, "Page 7 is broken.")
    assert caught.value.hint == "Tear it out."
    with pytest.raises(TransientError) as transient:
        await run(children, "transient_error")
    assert (transient.value.code, transient.value.retry_after) == ("rate_limited", 2.5)


async def test_a_foreign_error_tells_its_type_and_keeps_its_text_for_the_log(children: Children) -> None:
    with pytest.raises(ChildRaised) as caught:
        await run(children, "surprise")
    told = describe(caught.value)
    assert told.code == "internal"
    assert "KeyError" in told.message
    assert "sentence" not in told.message + told.hint
    assert "a sentence from the document" in caught.value.detail


async def test_a_connection_error_of_the_work_is_not_taken_for_a_lost_parent(children: Children) -> None:
    with pytest.raises(ChildRaised, match="ConnectionRefusedError"):
        await run(children, "own_connection_error")


async def test_a_slow_parent_slows_the_child_and_does_not_use_up_its_time(children: Children) -> None:
    ahead = []

    async def slow(message: int) -> None:
        ahead.append(message)
        await asyncio.sleep(0.05)

    limits = Limits(wall_seconds=5, idle_seconds=0.5)
    started = time.monotonic()
    await children.run(f"{HERE}:count", 20, limits, slow)
    assert ahead == list(range(20))
    assert time.monotonic() - started >= 1
