"""What the tests of children share: a parent that listens, short limits, and a look at what is left of a process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shared.child import ChildFailed, Children, Limits

HERE = "tests.unit.shared.child_targets"
SHORT = Limits(wall_seconds=20, idle_seconds=10, cpu_seconds=10)


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
