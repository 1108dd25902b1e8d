"""Children that crash, hang, bomb, lie or are abandoned: the parent survives, says what happened, leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared.child import ChildFailed, ChildRaised, Children, Limits
from shared.errors import ConfigurationError, DocumentError, TransientError, describe

HERE = "tests.unit.shared.child_targets"
ROOT = Path(__file__).resolve().parents[3]
SHORT = Limits(wall_seconds=20, idle_seconds=10, cpu_seconds=10)


@pytest_asyncio.fixture
async def children() -> AsyncIterator[Children]:
    children = Children([HERE])
    await children.start()
    yield children
    await children.close()


class Heard:
    """Keeps what the child said."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.some = asyncio.Event()

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)
        self.some.set()


async def run(
    children: Children, name: str, args: Any = None, limits: Limits = SHORT, heard: Heard | None = None
) -> Any:
    return await children.run(f"{HERE}:{name}", args, limits, heard or Heard())


async def failure(children: Children, name: str, args: Any = None, limits: Limits = SHORT) -> ChildFailed:
    with pytest.raises(ChildFailed) as caught:
        await run(children, name, args, limits)
    return caught.value


async def gone(pid: int, seconds: float) -> bool:
    """Whether the process ends within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not lives(pid):
            return True
        await asyncio.sleep(0.02)
    return False


def lives(pid: int) -> bool:
    """Whether it runs; a zombie whose parent is another process does not."""
    try:
        os.kill(pid, 0)
        return not Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")
    except ProcessLookupError:
        return False
    except OSError:
        return sys.platform != "linux"


def kin(pid: int) -> list[str]:
    """The children of a process, zombies included."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


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


@pytest.mark.parametrize("name", ["sleep", "hang_in_c"])
async def test_cancellation_kills_within_a_second(children: Children, name: str) -> None:
    heard = Heard()
    work = asyncio.create_task(run(children, name, 1000.0, heard=heard))
    await heard.some.wait()
    started = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - started < 1
    assert await gone(heard.messages[0]["pid"], 0.5)


async def test_a_childs_own_children_end_with_it(children: Children) -> None:
    heard = Heard()
    work = asyncio.create_task(run(children, "leave_a_grandchild", heard=heard))
    await heard.some.wait()
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    assert await gone(heard.messages[0]["pid"], 1)


async def test_an_error_in_on_message_ends_the_child(children: Children) -> None:
    seen = []

    async def refuse(message: Any) -> None:
        seen.append(message["pid"])
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        await children.run(f"{HERE}:sleep", 1000.0, SHORT, refuse)
    assert await gone(seen[0], 0.5)


async def test_a_killed_forkserver_loses_its_children_and_is_replaced(children: Children) -> None:
    heard = Heard()
    work = asyncio.create_task(run(children, "hang_in_c", heard=heard))
    await heard.some.wait()
    assert children._server is not None
    children._server.kill()
    with pytest.raises(ChildFailed) as caught:
        await work
    assert caught.value.kind == "lost"
    assert await gone(heard.messages[0]["pid"], 1)
    assert await run(children, "echo", 1) == 1


async def test_four_at_once_and_a_crash_harms_no_neighbour(children: Children) -> None:
    results = await asyncio.gather(
        run(children, "count", 200), run(children, "segfault"), run(children, "echo", "b"), run(children, "count", 100),
        return_exceptions=True
    )  # fmt: skip
    assert [results[0], results[2], results[3]] == [200, "b", 100]
    assert isinstance(results[1], ChildFailed)


async def test_a_burst_of_short_children_is_served(children: Children) -> None:
    assert await asyncio.gather(*(run(children, "echo", number) for number in range(30))) == list(range(30))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
async def test_fifty_runs_leak_no_descriptor_and_no_zombie(children: Children) -> None:
    await run(children, "echo")
    assert children._server is not None
    places = ["/proc/self/fd", f"/proc/{children._server.pid}/fd"]
    before = [len(os.listdir(place)) for place in places]
    for number in range(50):
        with suppress(ChildFailed):
            await run(children, "leave" if number % 5 == 0 else "echo", number)
    await run(children, "echo")
    for _ in range(200):  # the server tells the exit code a moment before it closes its end
        if [len(os.listdir(place)) for place in places] == before:
            break
        await asyncio.sleep(0.01)
    assert [len(os.listdir(place)) for place in places] == before
    assert kin(children._server.pid) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_child_inherits_neither_secrets_nor_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWTWIN_TEST_SECRET", "s3cret")
    children = Children()
    result = await run(children, "surroundings")
    await children.close()
    assert "s3cret" not in result["exec"] + str(result["environ"])
    assert {name for name in result["environ"] if not name.startswith("LC_")} <= {"PATH", "LANG", "TZ", "HOME"}
    assert result["fds"] <= 5  # 0, 1, 2, its channel and the listing itself


async def test_a_child_reaches_no_network_where_that_can_be_had(children: Children) -> None:
    if children.network:
        pytest.skip("this system allows no network namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert await run(children, "connect", list(server.getsockname())) != "connected"


async def test_a_preload_that_cannot_be_imported_is_a_configuration_error() -> None:
    children = Children(["no_such_module_anywhere"])
    with pytest.raises(ConfigurationError, match="no_such_module_anywhere"):
        await children.start()
    await children.close()


PARENT = f"""
import asyncio, sys
from shared.child import Children, Limits
async def said(message):
    print(message["pid"], children._server.pid, flush=True)
async def main():
    global children
    children = Children(["{HERE}"])
    await children.run("{HERE}:hang_in_c", None, Limits(wall_seconds=60, idle_seconds=60), said)
asyncio.run(main())
"""


def test_kill_9_of_the_service_leaves_no_orphan() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pids = [int(word) for word in parent.stdout.readline().split()]
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert len(pids) == 2
    for pid in pids:
        assert asyncio.run(gone(pid, 2))


def test_it_works_under_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def both() -> None:
        children = Children([HERE])
        assert await run(children, "count", 50) == 50
        assert (await failure(children, "sleep", 9.0, Limits(wall_seconds=5, idle_seconds=0.2))).kind == "idle"
        task = asyncio.create_task(run(children, "sleep", 9.0))
        await asyncio.sleep(0.1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await children.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both())
