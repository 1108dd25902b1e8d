"""Embeddings from any OpenAI-compatible endpoint, through the openai SDK with our own batching and retries.

A call is cut into batches (inputs and estimated tokens), the batches run a few at a time, and only what failed or is
missing from an answer is asked for again. The SDK's own retries are off: they would repeat whole batches unseen.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from shared.errors import ConfigurationError, ShadowtwinError, TransientError

MOST_INPUTS = 2_048
MOST_TOKENS = 300_000
"""Limits of the API for one request; the SDK does not enforce them (FACTS 6)."""


class EmbeddingEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to embed. Times in seconds. `send_dimension` asks the model for shortened vectors.

    `batch_inputs` stays below the API's limit because the SDK decodes answers in the event loop (256 x 1,536: 10 ms).
    """

    base_url: str
    api_key: str
    model: str
    dimension: int
    send_dimension: bool = False
    batch_inputs: int = 256
    batch_tokens: int = 250_000
    concurrency: int = 4
    attempts: int = 5
    longest_wait: float = 30.0
    timeout: float = 20.0
    timeout_per_1000_tokens: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.batch_inputs <= MOST_INPUTS and 0 < self.batch_tokens <= MOST_TOKENS):
            raise ConfigurationError("misconfigured", f"A batch holds 1-{MOST_INPUTS} inputs, 1-{MOST_TOKENS} tokens.")
        if self.dimension < 1 or self.attempts < 1 or self.concurrency < 1:
            raise ConfigurationError("misconfigured", "dimension, attempts and concurrency must be at least 1.")

    def __repr__(self) -> str:
        return f"EmbeddingEndpoint({self.base_url}, {self.model}@{self.dimension})"


class OpenAIEmbedder:
    """`Embedder` port. One instance a process: it holds the one client and the one limit on concurrent requests."""

    def __init__(self, endpoint: EmbeddingEndpoint) -> None:
        self._endpoint = endpoint
        self.name = f"{endpoint.model}@{endpoint.dimension}"
        self.dimension = endpoint.dimension
        self._limit = asyncio.Semaphore(endpoint.concurrency)
        self._opening = asyncio.Lock()
        self._sdk: Any = None
        self._client: Any = None
        self._resume_at = 0.0

    async def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One unit vector a text, in order.

        Raises TransientError (rate_limited with `retry_after`, unavailable) when the attempts are used up, and
        ConfigurationError when the endpoint refuses or answers with vectors of another dimension.
        """
        await self._open()
        vectors: list[list[float]] = [[] for _ in texts]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._settle(batch)) for batch in self._batches(texts)]
        first_error: ShadowtwinError | None = None
        for task in tasks:
            found, error = task.result()
            first_error = first_error or error
            for position, vector in found.items():
                vectors[position] = vector
        if first_error is not None:
            raise first_error
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[dict[int, str]]:
        """Texts by position; a blank one becomes a dot, because the API refuses empty input."""
        batch: dict[int, str] = {}
        tokens = 0
        for position, text in enumerate(texts):
            size = estimate_tokens(text)
            full = len(batch) >= self._endpoint.batch_inputs or tokens + size > self._endpoint.batch_tokens
            if batch and full:
                yield batch
                batch, tokens = {}, 0
            batch[position] = text.encode("utf-8", "replace").decode() if text.strip() else "."
            tokens += size
        if batch:
            yield batch

    async def _settle(self, batch: dict[int, str]) -> tuple[dict[int, list[float]], ShadowtwinError | None]:
        """The vectors of a batch, asking again for what is missing; with the error that ended it, if one did."""
        found: dict[int, list[float]] = {}
        for attempt in range(1, self._endpoint.attempts + 1):
            missing = {position: text for position, text in batch.items() if position not in found}
            try:
                found |= await self._request(missing)
            except ConfigurationError as error:
                return found, error
            except TransientError as error:
                if attempt == self._endpoint.attempts or (error.retry_after or 0) > self._endpoint.longest_wait:
                    return found, error
                self._resume_at = max(self._resume_at, self._now() + self._pause(attempt, error.retry_after))
            if len(found) == len(batch):
                return found, None
        return found, TransientError("unavailable", "The embedding endpoint keeps leaving out vectors.")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _pause(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after
        return min(random.uniform(0.25, 0.75) * 2.0 ** (attempt - 1), self._endpoint.longest_wait)

    async def _request(self, batch: dict[int, str]) -> dict[int, list[float]]:
        """One request; what the answer lacks is simply not in the result."""
        positions, inputs = list(batch), list(batch.values())
        tokens = sum(map(estimate_tokens, inputs))
        extra = {"dimensions": self._endpoint.dimension} if self._endpoint.send_dimension else {}
        timeout = self._endpoint.timeout + self._endpoint.timeout_per_1000_tokens * tokens / 1_000
        try:
            async with self._limit:
                # what one batch was told holds for all: the endpoint asked this client to wait
                await asyncio.sleep(max(self._resume_at - self._now(), 0))
                answer = await self._client.embeddings.create(
                    model=self._endpoint.model, input=inputs, timeout=timeout, **extra
                )
        except self._sdk.OpenAIError as error:
            raise self._translated(error) from None
        except ValueError:
            raise TransientError(
                "unavailable", f"The answer of {self._endpoint.base_url} is no list of embeddings."
            ) from None
        data = [entry for entry in answer.data or [] if 0 <= entry.index < len(positions)]
        vectors = await asyncio.to_thread(lambda: [self._unit(entry.embedding) for entry in data])
        return {positions[entry.index]: vector for entry, vector in zip(data, vectors, strict=True)}

    def _unit(self, vector: Sequence[float]) -> list[float]:
        if len(vector) != self.dimension:
            raise ConfigurationError(
                "misconfigured", f"{self.name} answered with {len(vector)} dimensions, {self.dimension} are configured."
            )
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not math.isfinite(length) or length < 1e-12:
            raise TransientError("unavailable", f"{self.name} answered with a vector that has no direction.")
        return [value / length for value in vector]

    def _translated(self, error: Any) -> ShadowtwinError:
        """Our error for the SDK's; its text stays out, because it may quote the input or the key."""
        status = getattr(error, "status_code", None)
        where = f"{self._endpoint.model} at {self._endpoint.base_url}"
        if status == 429 and getattr(error, "code", None) == "insufficient_quota":
            return ConfigurationError("misconfigured", f"The account's quota for {where} is used up.")
        if status == 429:
            return TransientError("rate_limited", retry_after=_retry_after(error.response.headers))
        if status is None or status >= 500 or status in (408, 409):
            seen = f"HTTP {status}" if status else type(error).__name__
            headers = error.response.headers if status else {}
            return TransientError(
                "unavailable", f"No embeddings from {where} ({seen}).", retry_after=_retry_after(headers)
            )
        return ConfigurationError(
            "misconfigured", f"{where} refuses to embed (HTTP {status}): check key, model and URL."
        )

    async def _open(self) -> None:
        async with self._opening:
            if self._client is None:
                self._sdk = await asyncio.to_thread(importlib.import_module, "openai")
                endpoint = self._endpoint
                self._client = self._sdk.AsyncOpenAI(
                    base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0, timeout=endpoint.timeout
                )


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: one for three bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass")) // 3 + 1


def _retry_after(headers: Any) -> float | None:
    """Seconds that the endpoint asks to wait; None if it names none (or a date, which no known endpoint sends)."""
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return seconds if 0 <= seconds < 86_400 else None
