"""One child process for each piece of work on a hostile file, from a preloaded forkserver.

    children = Children(preload=["pymupdf"])
    await children.start()
    result = await children.run("services.extractor.extract:extract", args, limits, on_message)

`target` is called in the child as `function(args, send)`. Arguments, messages and the result are msgpack. An error
of our own tree comes back as itself; any other as ChildRaised; a child that ended without a word as ChildFailed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from shared.child_main import Limits, Request, encode_frame
from shared.child_talk import Child, ChildFailed, ChildRaised, Conversation, OnMessage
from shared.errors import ConfigurationError, TransientError

__all__ = ["ChildFailed", "ChildRaised", "Children", "Limits"]

_ROOT = Path(__file__).resolve().parent.parent
_KEPT = ("PATH", "LANG", "TZ", "HOME")
_START_SECONDS = 60.0


class Children:
    """Starts the forkserver, runs children, and lets none outlive it. Safe for concurrent use on one event loop."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._preload = list(preload)
        self._lock = asyncio.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.network: bool | None = None
        """Whether children can reach a network; None before the start."""

    async def start(self) -> None:
        """Start the forkserver unless it runs; ConfigurationError when a preloaded module cannot be imported."""
        await asyncio.shield(asyncio.ensure_future(self._start()))

    async def close(self) -> None:
        """End the forkserver, and with it every child."""
        async with self._lock:
            await asyncio.to_thread(self._stop)

    async def run(
        self,
        target: str,
        args: Any,
        limits: Limits,
        on_message: OnMessage,
        *,
        message_type: Any = Any,
        result_type: Any = Any,
    ) -> Any:
        """Call `target` ("module:function") in a child of its own; messages go to `on_message` one after the other,
        which may return how long the next one may take instead of `idle_seconds`.

        Name the types where the child is not to be trusted: what does not fit them is a ChildFailed, and a frame
        of many tiny objects cannot fill the memory. Cancellation kills the child and returns when it is gone.
        """
        request = encode_frame(msgspec.msgpack.encode(Request(target, args, limits)))
        child = await self._fork()
        try:
            talk = Conversation(child, limits, on_message)
            return await talk.hold(request, msgspec.msgpack.Decoder(message_type), msgspec.msgpack.Decoder(result_type))
        finally:
            await child.end()

    async def _start(self) -> None:
        async with self._lock:
            if self._server is None or self._server.poll() is not None:
                await asyncio.to_thread(self._launch)

    def _launch(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair()
        code = "import sys; sys.path.insert(0, sys.argv[2]); import shared.forkserver as f; f.main(int(sys.argv[1]))"
        with theirs:
            self._control = ours
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-c", code, str(theirs.fileno()), str(_ROOT)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_clean_environment(),
                start_new_session=True,
            )
        answer = self._hand_over({"path": sys.path, "preload": self._preload})
        if "error" in answer:
            self._stop()
            raise ConfigurationError("misconfigured", f"The child processes cannot start: {answer['error']}")
        ours.setblocking(False)
        self.network = answer["network"]

    def _hand_over(self, setup: dict[str, Any]) -> dict[str, Any]:
        assert self._control is not None
        self._control.settimeout(_START_SECONDS)
        try:
            self._control.sendall(json.dumps(setup).encode() + b"\n")
            with self._control.makefile("rb") as answer:
                return dict(json.loads(answer.readline() or b'{"error": "the forkserver ended"}'))
        except OSError as exc:
            return {"error": f"the forkserver does not answer ({type(exc).__name__})"}

    def _stop(self) -> None:
        server, control, self._server, self._control = (self._server, self._control, None, None)
        if control is not None:
            control.close()
        if server is None:
            return
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    async def _fork(self) -> Child:
        for _ in range(3):
            await self.start()
            with contextlib.suppress(ConnectionError):
                if self._control is not None:
                    return await Child.fork(self._control)
            await asyncio.sleep(0.05)  # the server has just died: until it can be reaped, it looks alive
        raise TransientError("unavailable", "No child process could be started.")


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
