"""`Models` over any OpenAI-compatible endpoint: the one model client of the system.

A question goes: stored answer? -> equal question under way? -> budget -> turn (limits and breaker shared by all
processes) -> call -> parse and validate, one second try -> store -> charge -> answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import random
import sys
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from shared import metrics
from shared.account import Account
from shared.adapters import model_dialect
from shared.adapters.model_cache import AnswerCache, StoredAnswer, now
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_flights import Flight, Flights
from shared.adapters.model_lane import Verdict
from shared.adapters.model_limits import Grant, ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.model_prompt import Prompt, prompt_of, size_of
from shared.adapters.model_tokens import estimate_tokens
from shared.adapters.openai_client import OpenAIClient, Trouble
from shared.answers import Unfit, fit, read_answer
from shared.costs import Charge
from shared.errors import ModelAnswerError, Paused
from shared.models import LaneState, ModelAnswer, ModelRequest
from shared.observed import model_call
from shared.ports import Storage

logger = logging.getLogger("models")

LARGE = 1 << 18
"""Questions and answers from this size on are read beside the event loop."""

LIMITED_MOST = 20
LIMITED_SECONDS = 30.0
"""How often one call may be told to slow down; then its work is given back for so many seconds."""

QUOTED_MOST = 20_000
"""Characters of a useless answer that are shown to the model again."""


class Reply(NamedTuple):
    """What came back, and what it cost."""

    text: str
    refused: bool
    truncated: bool
    charge: Charge


class OpenAIModels:
    """One instance a process: it holds the limits, the cache of answers and what is under way."""

    def __init__(
        self,
        endpoint: ModelEndpoint,
        limits: ModelLimits,
        storage: Storage | None = None,
        prices: Prices | None = None,
    ) -> None:
        self._endpoint, self._limits = endpoint, limits
        self._client = OpenAIClient(endpoint.base_url, endpoint.api_key)
        self._cache = AnswerCache(storage)
        self._prices = prices or Prices()
        self._flights = Flights[ModelAnswer]()
        self.name = endpoint.name

    async def close(self) -> None:
        """Give up calls under way, close connections."""
        await self._flights.close()
        await self._client.close()
        await self._limits.close()

    async def prepare(self) -> None:
        """See shared.models.Models: the SDK and the validator take seconds to import."""
        await self._ready()
        await self._client.open()

    async def states(self) -> list[LaneState]:
        """See shared.models.Models."""
        return await self._limits.states()

    async def ask(self, request: ModelRequest, account: Account) -> ModelAnswer:
        """See shared.models.Models."""
        model = self._endpoint.model_for(request)
        await self._ready()
        large = size_of(request) > LARGE
        prompt = await asyncio.to_thread(prompt_of, request, model) if large else prompt_of(request, model)
        question = _Question(self, prompt, model, request.max_output_tokens, account)
        key = (account.folder, prompt.key, account.use_cache or account.run)
        answer, first = await self._flights.join(key, question.answer)
        return answer if first else replace(answer, cached=True, usd=0.0, tokens_in=0, tokens_out=0)

    async def _ready(self) -> None:
        """The validator takes a while to import: beside the event loop."""
        if "jsonschema" not in sys.modules:
            await asyncio.to_thread(importlib.import_module, "jsonschema")


class _Question:
    """One question on its way to an answer; knows its client's parts."""

    def __init__(self, client: OpenAIModels, prompt: Prompt, model: str, tokens: int, account: Account) -> None:
        self._endpoint, self._limits, self._cache = client._endpoint, client._limits, client._cache
        self._client, self._prices = client._client, client._prices
        self._prompt, self._model, self._tokens, self._account = prompt, model, tokens, account
        self._lane = self._endpoint.lane(model)
        self._where = f"{model} at {self._endpoint.base_url}"
        self._charges: list[Charge] = []

    async def answer(self, flight: Flight[ModelAnswer]) -> ModelAnswer:
        """From the cache, or paid."""
        stored = await self._cache.read(self._account.folder, self._prompt.key)
        own = stored is not None and bool(self._account.run) and stored.run == self._account.run
        if stored is not None and own:
            for charge in stored.charges:
                self._account.charge(charge)
            if stored.error:
                raise ModelAnswerError(stored.error, stored.message)
        if stored is not None and not stored.error and (own or self._account.use_cache):
            try:
                value = fit(stored.value, self._prompt.schema) if self._prompt.schema else str(stored.value)
                return ModelAnswer(value=value, model=stored.model, cached=True)
            except Unfit:
                logger.warning("a stored answer does not fit its schema", extra={"key": self._prompt.key})
        return await self._pay(flight)

    async def _pay(self, flight: Flight[ModelAnswer]) -> ModelAnswer:
        """Ask; once more with more room if the answer was cut off, once more if it cannot be used."""
        more: list[dict[str, Any]] = []
        tokens, enlarged = self._tokens, False
        while True:
            async with self._call(more, tokens, flight) as reply:
                if reply.refused:
                    await self._useless("model_refused")
                if reply.truncated:
                    if enlarged or tokens >= self._endpoint.output_tokens_most:
                        await self._useless("model_truncated")
                    tokens, enlarged = min(tokens * 3, self._endpoint.output_tokens_most), True
                    continue
                try:
                    value = await self._read(reply.text)
                except Unfit as unfit:
                    if more:
                        await self._useless("model_answer_invalid", unfit.problems[0])
                    more = _once_more(reply.text, unfit.problems)
                    continue
                await self._cache.write(self._account.folder, self._stored(value=value))
                break
        usd = [charge.usd for charge in self._charges if charge.usd is not None]
        return ModelAnswer(
            value=value,
            model=self._model,
            tokens_in=sum(charge.tokens_in for charge in self._charges),
            tokens_out=sum(charge.tokens_out for charge in self._charges),
            usd=sum(usd) if usd else None,
        )

    async def _read(self, text: str) -> Any:
        if len(text) > LARGE:
            return await asyncio.to_thread(read_answer, text, self._prompt.schema)
        return read_answer(text, self._prompt.schema)

    async def _useless(self, code: str, why: str = "") -> None:
        """Remember that this question was paid in vain, and say so."""
        error = ModelAnswerError(code)
        message = f"{error.message} ({self._prompt.purpose}{': ' + why if why else ''})"
        await self._cache.write(self._account.folder, self._stored(error=code, message=message))
        raise ModelAnswerError(code, message)

    def _stored(self, **content: Any) -> StoredAnswer:
        return StoredAnswer(
            key=self._prompt.key,
            run=self._account.run,
            purpose=self._prompt.purpose,
            model=self._model,
            prompt_hash=self._prompt.prompt_hash,
            input_hash=self._prompt.input_hash,
            charges=self._charges,
            at=now(),
            **content,
        )

    @contextlib.asynccontextmanager
    async def _call(self, more: list[dict[str, Any]], tokens: int, flight: Flight[ModelAnswer]) -> AsyncIterator[Reply]:
        """One paid call, tried again as long as that is sensible. Raises what `ask` raises. Its turn lasts until the
        caller has stored the reply: whoever is killed pays again for no more calls than were allowed at once."""
        read = self._prompt.tokens + sum(estimate_tokens(message["content"]) for message in more)
        ceiling = self._prices.ceiling(
            self._model, read, tokens, self._account, self._prompt.purpose, self._endpoint.budget_usd
        )
        async with self._account.reserved(*ceiling):
            failures = limited = 0
            tried: list[str] = []
            while True:
                async with self._limits.grant(self._lane, read + tokens, self._prompt.key) as grant:
                    flight.depart()
                    quirks = sorted({*grant.quirks, *tried})
                    reply, trouble = await self._send(more, quirks, read, tokens, grant)
                    if reply is not None:
                        for learnt in set(tried) - set(grant.quirks):
                            await self._limits.learn(self._lane, learnt)
                        yield reply
                        return
                assert trouble is not None
                different = model_dialect.next_quirk(self._prompt, quirks, trouble.status, trouble.detail)
                if different is not None:
                    tried.append(different)
                    continue
                if trouble.kind == "refused":
                    raise trouble.error
                limited += trouble.kind == "limited"
                failures += trouble.kind != "limited"
                if limited > LIMITED_MOST:
                    raise Paused(self._where, "it keeps asking to slow down", LIMITED_SECONDS * random.uniform(1, 1.5))
                if failures >= self._endpoint.attempts:
                    await self._limits.check(self._lane, self._prompt.key)
                    raise trouble.error
                if trouble.kind != "limited" and trouble.retry_after is None:
                    await asyncio.sleep(min(random.uniform(0.25, 0.75) * 2.0 ** (failures - 1), 10.0))

    async def _send(
        self, more: list[dict[str, Any]], quirks: list[str], read: int, tokens: int, grant: Grant
    ) -> tuple[Reply | None, Trouble | None]:
        """One request, as a span and counted."""
        with model_call(self._model, self._prompt.purpose) as call:
            reply, trouble = await self._request(more, quirks, read, tokens, grant)
            call.outcome = trouble.kind if trouble is not None else "ok"
        return reply, trouble

    async def _request(
        self, more: list[dict[str, Any]], quirks: list[str], read: int, tokens: int, grant: Grant
    ) -> tuple[Reply | None, Trouble | None]:
        """Asked once; its verdict goes into the grant."""
        seconds = self._endpoint.deadline(read, tokens)
        client = await self._client.open()
        try:
            async with asyncio.timeout(seconds):
                completion = await client.chat.completions.create(
                    model=self._model,
                    messages=[*model_dialect.messages(self._prompt, quirks), *more],
                    timeout=seconds,
                    **model_dialect.arguments(self._prompt, quirks, tokens),
                )
            reply = self._reply(completion, read)
        except Exception as error:
            trouble = self._client.trouble(error, self._where)
            kind = "ok" if trouble.kind == "refused" else trouble.kind
            grant.verdict = Verdict(
                kind=kind,
                tokens=-(read + tokens),
                retry_after=trouble.retry_after,
                reason=trouble.reason,
                call=self._prompt.key,
                spread=random.random(),
            )
            logger.info("model call failed", extra={"reason": trouble.reason, "purpose": self._prompt.purpose})
            return None, trouble
        used = reply.charge.tokens_in + reply.charge.tokens_out
        grant.verdict = Verdict(kind="ok", tokens=used - (read + tokens))
        return reply, None

    def _reply(self, completion: Any, read: int) -> Reply:
        """The reply in a completion, charged; raises ValueError for what is none."""
        try:
            choice = completion.choices[0]
            text, refusal = choice.message.content or "", getattr(choice.message, "refusal", None)
            finish = choice.finish_reason
        except (AttributeError, IndexError, TypeError) as error:
            raise ValueError("no completion") from error
        if not isinstance(text, str):
            raise ValueError("no text")
        usage = completion.usage
        tokens_in = int(getattr(usage, "prompt_tokens", 0) or read)
        tokens_out = int(getattr(usage, "completion_tokens", 0) or estimate_tokens(text))
        call = f"{self._prompt.key[:32]}.{len(self._charges)}"
        charge = self._prices.charge(self._model, self._prompt.purpose, call, tokens_in, tokens_out)
        self._charges.append(charge)
        self._account.charge(charge)
        metrics.model_paid(self._model, self._prompt.purpose, tokens_in, tokens_out, charge.usd)
        return Reply(text, bool(refusal) or finish == "content_filter", finish == "length", charge)


def _once_more(text: str, problems: list[str]) -> list[dict[str, Any]]:
    """The useless answer, and what was wrong with it."""
    wrong = "\n".join(f"- {problem}" for problem in problems)
    asked = f"This answer cannot be used:\n{wrong}\nAnswer again, with one complete JSON object that fits the schema."
    return [{"role": "assistant", "content": text[:QUOTED_MOST] or "(empty)"}, {"role": "user", "content": asked}]
