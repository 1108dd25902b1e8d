"""A trap holds the first message that matches, until the fault has been injected."""

from __future__ import annotations

import asyncio


class Trap:
    """`await trap.sprung()`, then break something, then `release()` or `drop()`."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._taken = False
        self._sprung = asyncio.Event()
        self._passed = asyncio.Event()
        self._pass: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def armed(self) -> bool:
        """Whether it still waits for its message."""
        return not self._taken

    async def hold(self) -> bool:
        """Called by the proxy with the message in its hand: True if it may go on."""
        self._taken = True
        self._sprung.set()
        return await self._pass

    def passed(self) -> None:
        """Called by the proxy when the released message was handed on."""
        self._passed.set()

    async def sprung(self, seconds: float = 60.0) -> None:
        """Until a message is held; TimeoutError names the trap."""
        await self._until(self._sprung, seconds, "never came")

    async def handed_on(self, seconds: float = 10.0) -> None:
        """Until the released message is on its way."""
        await self._until(self._passed, seconds, "was not handed on")

    def release(self) -> None:
        """Let the message go on."""
        self._decide(True)

    def drop(self) -> None:
        """Let the message disappear, at once if it has not come yet."""
        self._decide(False)

    def _decide(self, go_on: bool) -> None:
        if not self._pass.done():
            self._pass.set_result(go_on)

    async def _until(self, event: asyncio.Event, seconds: float, verdict: str) -> None:
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            raise TimeoutError(f"the message '{self.what}' {verdict} within {seconds:.0f} s") from None
