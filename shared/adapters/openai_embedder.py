"""Embeddings from any OpenAI-compatible endpoint, through the openai SDK with our own batching and retries.

A call is cut into parts (inputs and estimated tokens), parts of all callers share requests (`embedding_pool`), and only
what failed or is missing from an answer is asked for again. The SDK's own retries are off: they would repeat whole
requests unseen. Limits, circuit breaker and ledger are those of the model client: whoever's account is active pays its
share of a request by its tokens.
"""

from __future__ import annotations

import array
import asyncio
import hashlib
import math
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from shared import metrics
from shared.account import Account, active_account
from shared.adapters.embedding_pool import Answer, EmbeddingPool
from shared.adapters.model_lane import Lane, Verdict
from shared.adapters.model_limits import MemoryLanes, ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.model_tokens import estimate_tokens
from shared.adapters.openai_client import OpenAIClient
from shared.errors import BudgetExceeded, ConfigurationError, ModelAnswerError, Paused, ShadowtwinError, TransientError
from shared.gathering import packed
from shared.observed import model_call
from shared.ports import FIRST_VERSION

__all__ = ["EmbeddingEndpoint", "OpenAIEmbedder", "estimate_tokens"]

PURPOSE = "embedding"
"""Of these calls in the ledger."""

MOST_INPUTS = 2_048
MOST_TOKENS = 300_000
"""Limits of the API for one request; the SDK does not enforce them (FACTS 6)."""


class EmbeddingEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to embed. Times in seconds. `send_dimension` asks the model for shortened vectors. `version` tells
    apart what the model's name does not: raise it when the endpoint answers with other vectors than before.

    `batch_inputs` stays below the API's limit because the SDK decodes answers in the event loop (256 x 1,536: 10 ms).
    """

    base_url: str
    api_key: str
    model: str
    dimension: int
    version: str = FIRST_VERSION
    send_dimension: bool = False
    batch_inputs: int = 256
    batch_tokens: int = 250_000
    concurrency: int = 4
    attempts: int = 5
    longest_wait: float = 30.0
    timeout: float = 20.0
    timeout_per_1000_tokens: float = 1.0
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    open_seconds: float = 15.0
    open_seconds_most: float = 300.0

    def __post_init__(self) -> None:
        if not (0 < self.batch_inputs <= MOST_INPUTS and 0 < self.batch_tokens <= MOST_TOKENS):
            raise ConfigurationError("misconfigured", f"A batch holds 1-{MOST_INPUTS} inputs, 1-{MOST_TOKENS} tokens.")
        if self.dimension < 1 or self.attempts < 1 or self.concurrency < 1:
            raise ConfigurationError("misconfigured", "dimension, attempts and concurrency must be at least 1.")

    def __repr__(self) -> str:
        return f"EmbeddingEndpoint({self.base_url}, {self.model}@{self.dimension})"


class OpenAIEmbedder:
    """`Embedder` port. One instance a process, so that its jobs share requests. Without `limits` it shares its turns
    with nobody."""

    costly = True

    def __init__(
        self, endpoint: EmbeddingEndpoint, limits: ModelLimits | None = None, prices: Prices | None = None
    ) -> None:
        self._endpoint = endpoint
        self.name = f"{endpoint.model}@{endpoint.dimension}"
        self.dimension, self.version = endpoint.dimension, endpoint.version
        self._client = OpenAIClient(endpoint.base_url, endpoint.api_key)
        self._limits = limits or ModelLimits(MemoryLanes(), rate_patience=endpoint.longest_wait)
        self._prices = prices or Prices()
        self._lane = Lane(
            endpoint=endpoint.base_url,
            model=endpoint.model,
            in_flight=endpoint.concurrency,
            requests_per_minute=endpoint.requests_per_minute,
            tokens_per_minute=endpoint.tokens_per_minute,
            open_seconds=endpoint.open_seconds,
            open_seconds_most=endpoint.open_seconds_most,
        )
        self._pool = EmbeddingPool(
            self._send, inputs=endpoint.batch_inputs, tokens=endpoint.batch_tokens, at_once=endpoint.concurrency
        )

    async def close(self) -> None:
        """Give up what is under way, close the client's connections."""
        await self._pool.close()
        await self._client.close()

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One unit vector a text, in order, of numbers that fit into 32 bits: what is stored anywhere stays the same.
        A query goes out at once, passages wait a moment for company.

        Raises TransientError (rate_limited with `retry_after`, unavailable) when the attempts are used up, Paused while
        the endpoint rests, BudgetExceeded before the active account's budget is, and ConfigurationError when the
        endpoint refuses the key or the model, or answers with vectors of another dimension.
        """
        vectors: list[list[float]] = [[] for _ in texts]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._settle(batch, alone=query)) for batch in self._batches(texts)]
        first_error: ShadowtwinError | None = None
        for task in tasks:
            found, error = task.result()
            first_error = first_error or error
            for position, vector in found.items():
                vectors[position] = vector
        if first_error is not None:
            raise first_error
        return vectors

    def size_of(self, text: str) -> int:
        """Tokens that an input is reckoned at."""
        return estimate_tokens(text)

    def wired(self, inputs: Sequence[str]) -> dict[str, Any] | None:
        """What is sent in place of the plain inputs; None to send them as they are."""
        return None

    def _batches(self, texts: Sequence[str]) -> Iterator[dict[int, str]]:
        """Texts by position; a blank one becomes a dot, because the API refuses empty input."""
        inputs, tokens = self._endpoint.batch_inputs, self._endpoint.batch_tokens
        for batch in packed(enumerate(texts), lambda placed: self.size_of(placed[1]), most=inputs, heaviest=tokens):
            yield {at: text.encode("utf-8", "replace").decode() if text.strip() else "." for at, text in batch}

    async def _settle(
        self, batch: dict[int, str], *, alone: bool
    ) -> tuple[dict[int, list[float]], ShadowtwinError | None]:
        """The vectors of a batch, asking again for what is missing; with the error that ended it, if one did."""
        found: dict[int, list[float]] = {}
        for attempt in range(1, self._endpoint.attempts + 1):
            missing = {position: text for position, text in batch.items() if position not in found}
            try:
                found |= await self._request(missing, alone=alone)
            except (ConfigurationError, ModelAnswerError, BudgetExceeded, Paused) as error:
                return found, error
            except TransientError as error:
                if attempt == self._endpoint.attempts or (error.retry_after or 0) > self._endpoint.longest_wait:
                    return found, await self._pause(missing) or error
                # who failed for another reason than its pace may be at fault: it must neither fail others nor hide
                alone = alone or error.code != "rate_limited"
                if error.retry_after is None:
                    await asyncio.sleep(min(random.uniform(0.25, 0.75) * 2.0 ** (attempt - 1), 10.0))
            if len(found) == len(batch):
                return found, None
        return found, TransientError("unavailable", "The embedding endpoint keeps leaving out vectors.")

    async def _pause(self, batch: dict[int, str]) -> Paused | None:
        """Whether it is the endpoint that rests, not this batch that fails."""
        try:
            await self._limits.check(self._lane, _call_of(batch.values()))
        except Paused as pause:
            return pause
        return None

    async def _request(self, batch: dict[int, str], *, alone: bool) -> dict[int, list[float]]:
        """Asked once; what the answer lacks is simply not in the result."""
        positions, inputs = list(batch), list(batch.values())
        tokens = sum(map(self.size_of, inputs))
        account = active_account() or Account()
        async with account.reserved(*self._prices.ceiling(self._endpoint.model, tokens, 0, account, PURPOSE)):
            answer = await self._pool.ask(inputs, tokens, alone=alone)
            charge = self._prices.charge(self._endpoint.model, PURPOSE, uuid.uuid4().hex, answer.tokens, 0)
            account.charge(charge)
            metrics.model_paid(charge.model, PURPOSE, charge.tokens_in, 0, charge.usd)
        return {positions[place]: vector for place, vector in answer.vectors.items()}

    async def _send(self, inputs: list[str], tokens: int) -> Answer:
        """One request for the pool."""
        answer = await self._answer(inputs, tokens)
        data = [entry for entry in answer.data or [] if 0 <= entry.index < len(inputs)]
        vectors = await asyncio.to_thread(lambda: [self._unit(entry.embedding) for entry in data])
        used = int(getattr(answer.usage, "prompt_tokens", 0) or tokens)
        return Answer({entry.index: vector for entry, vector in zip(data, vectors, strict=True)}, used)

    async def _answer(self, inputs: list[str], tokens: int) -> Any:
        """One turn at the endpoint. Raises the error of a call that failed."""
        endpoint = self._endpoint
        extra = {"dimensions": endpoint.dimension} if endpoint.send_dimension else {}
        timeout = endpoint.timeout + endpoint.timeout_per_1000_tokens * tokens / 1_000
        client = await self._client.open()
        call = _call_of(inputs)
        async with self._limits.grant(self._lane, tokens, call) as grant:
            with model_call(endpoint.model, PURPOSE) as seen:
                try:
                    async with asyncio.timeout(timeout):
                        wired = self.wired(inputs)
                        answer = await client.embeddings.create(
                            model=endpoint.model, input=inputs, timeout=timeout, extra_body=wired, **extra
                        )
                except Exception as error:
                    trouble = self._client.trouble(error, f"{endpoint.model} at {endpoint.base_url}")
                    seen.outcome = trouble.kind
                    kind, wait = "ok" if trouble.kind == "refused" else trouble.kind, trouble.retry_after
                    grant.verdict = Verdict(
                        kind=kind, retry_after=wait, reason=trouble.reason, call=call, spread=random.random()
                    )
                    raise trouble.error from None
                grant.verdict = Verdict(kind="ok")
                seen.outcome = "ok"
        return answer

    def _unit(self, vector: Sequence[float]) -> list[float]:
        if len(vector) != self.dimension:
            raise ConfigurationError(
                "misconfigured", f"{self.name} answered with {len(vector)} dimensions, {self.dimension} are configured."
            )
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not math.isfinite(length) or length < 1e-12:
            raise TransientError("unavailable", f"{self.name} answered with a vector that has no direction.")
        return array.array("f", [value / length for value in vector]).tolist()


def _call_of(inputs: Iterable[str]) -> str:
    """What tells this request from others."""
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()
