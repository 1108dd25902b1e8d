"""Texts of several callers in one request: small documents of different jobs share calls to the embedding endpoint.

Requests are filled as late as possible: while as many as allowed are under way, everything new waits and is put
together. Without that a hundred documents of five chunks cost a hundred calls, and calls a minute are what endpoints
limit first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from shared.errors import ConfigurationError, ModelAnswerError

LINGER = 0.01
"""Seconds that a request which is not full waits for company: small beside any call over a network."""


class Answer(NamedTuple):
    """What the endpoint gave: vectors by the text's place (some may be missing), and the tokens that were paid."""

    vectors: dict[int, list[float]]
    tokens: int


class _Part(NamedTuple):
    """Texts of one caller that stay together."""

    texts: Sequence[str]
    tokens: int
    done: asyncio.Future[Answer]


class EmbeddingPool:
    """Puts parts of up to `inputs` texts and `tokens` tokens together into requests of at most these sizes; `send`
    makes one request, at most `at_once` are under way. Belongs to one event loop."""

    def __init__(
        self, send: Callable[[list[str], int], Awaitable[Answer]], *, inputs: int, tokens: int, at_once: int
    ) -> None:
        self._send = send
        self._inputs, self._tokens, self._at_once = inputs, tokens, at_once
        self._waiting: deque[_Part] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, texts: Sequence[str], tokens: int, *, alone: bool = False) -> Answer:
        """The vectors of these texts and their share of the tokens. `alone`: in a request of their own, at once, which
        is what somebody waits for in person and what has failed before. Raises what `send` raises."""
        if alone:
            return await self._send(list(texts), tokens)
        part = _Part(texts, tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        if self._full():
            self._start()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._start)
        return await part.done

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _full(self) -> bool:
        inputs = sum(len(part.texts) for part in self._waiting)
        return inputs >= self._inputs or sum(part.tokens for part in self._waiting) >= self._tokens

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and len(self._under_way) < self._at_once:
            if parts := self._next():
                task = asyncio.create_task(self._run(parts), name="embedding.request")
                self._under_way.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._waiting and not task.cancelled():
            self._start()

    def _next(self) -> list[_Part]:
        """The first parts that fit into one request; who has gone meanwhile is left out."""
        taken: list[_Part] = []
        inputs = tokens = 0
        while self._waiting:
            part = self._waiting[0]
            fits = inputs + len(part.texts) <= self._inputs and tokens + part.tokens <= self._tokens
            if taken and not fits:
                break
            self._waiting.popleft()
            if not part.done.done():
                taken.append(part)
                inputs, tokens = inputs + len(part.texts), tokens + part.tokens
        return taken

    async def _run(self, parts: list[_Part]) -> None:
        # a text that several want is sent once
        texts = list(dict.fromkeys(text for part in parts for text in part.texts))
        total = sum(part.tokens for part in parts)
        try:
            answer = await self._send(texts, total)
        except (ConfigurationError, ModelAnswerError) as error:
            if len(parts) == 1:
                _fail(parts, error)
                return
            # what is refused may be one text of one caller: the others must not pay for it
            for part in parts:
                await self._run([part])
            return
        except asyncio.CancelledError:
            for part in parts:
                part.done.cancel()
            raise
        except Exception as error:
            _fail(parts, error)
            return
        found = {texts[place]: vector for place, vector in answer.vectors.items()}
        for part in parts:
            vectors = {place: found[text] for place, text in enumerate(part.texts) if text in found}
            share = -(-answer.tokens * part.tokens // max(total, 1))
            if not part.done.done():
                part.done.set_result(Answer(vectors, share))


def _fail(parts: list[_Part], error: Exception) -> None:
    for part in parts:
        if not part.done.done():
            part.done.set_exception(error)
