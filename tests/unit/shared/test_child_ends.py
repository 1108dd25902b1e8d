"""Children that are cancelled, abandoned or orphaned: nothing of them is left, and nothing of ours is in them."""

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

import pytest
import pytest_asyncio

from shared.child import ChildFailed, Children, Limits
from shared.errors import ConfigurationError
from tests.unit.shared.watched import HERE, SHORT, Heard, failure, gone, kin, run

ROOT = Path(__file__).resolve().parents[3]


@pytest_asyncio.fixture
async def children() -> AsyncIterator[Children]:
    children = Children([HERE])
    await children.start()
    yield children
    await children.close()


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
