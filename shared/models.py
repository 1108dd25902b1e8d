"""The port to language and vision models: a question with its material, an answer of the form that was asked for.

    request = ModelRequest(purpose="metadata", instructions=..., data=[DataBlock("page 1", text)], schema=...)
    answer = await models.ask(request, report.account)

Who asks states a purpose, never how or where: model, limits, retries, cache and prices are the client's.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from shared.account import Account

MOST_OUTPUT_TOKENS = 4_096
BLOCK_MOST = 1_000_000
"""Characters of one block that are sent; the rest is cut off."""

_PURPOSE = re.compile(r"[a-z0-9_]{1,40}")


class DataBlock(msgspec.Struct, frozen=True):
    """Text of the document, given to the model as data, never as instructions; `label` says what it is ("page 12")."""

    label: str
    text: str


class ImageBlock(msgspec.Struct, frozen=True):
    """An image for a vision model: the file's bytes, its MIME type, and what it is."""

    content: bytes
    mime: str
    label: str = ""


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One question.

    `purpose` ([a-z0-9_], at most 40) names the kind of question: in the ledger, in limits and for choosing the model.
    `system` and `instructions` are ours (or a template's); everything that comes from a document goes into `data` and
    `images`. `schema` is the JSON schema of the answer, an object; without one the answer is plain text. `model` is
    only given to overrule the configured one. Raises ValueError for a malformed question.
    """

    purpose: str
    instructions: str
    system: str = ""
    data: list[DataBlock] = []
    images: list[ImageBlock] = []
    schema: dict[str, Any] | None = None
    model: str = ""
    max_output_tokens: int = MOST_OUTPUT_TOKENS

    def __post_init__(self) -> None:
        if not _PURPOSE.fullmatch(self.purpose):
            raise ValueError(f"A purpose is made of a-z, 0-9 and _: {self.purpose!r}.")
        if self.schema is not None and self.schema.get("type") != "object":
            raise ValueError("The schema of an answer describes an object.")
        if self.max_output_tokens < 1:
            raise ValueError("An answer has at least one token.")


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`value` fits the schema (plain text without one). Tokens and USD are what this question cost now: nothing when
    it was `cached`; `usd` is None while nobody knows the model's price."""

    value: Any
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    cached: bool = False


class LaneState(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How calls of one model at one endpoint fare: `breaker` is closed, open or half_open; seconds until it may be
    tried again; why it opened; calls under way in all processes."""

    endpoint: str
    model: str
    breaker: str
    retry_seconds: float = 0.0
    reason: str = ""
    in_flight: int = 0


class Models(Protocol):
    """The one way to a model. An instance serves a whole process and any number of questions at once."""

    name: str
    """Which models answer: part of the fingerprint of everything made with them."""

    async def ask(self, request: ModelRequest, account: Account) -> ModelAnswer:
        """The answer, at the account's cost.

        Raises ModelAnswerError (the answer cannot be used: go on without it), BudgetExceeded, Paused and
        TransientError (let them through: the worker gives its step back or is tried again), ConfigurationError.
        """

    async def prepare(self) -> None:
        """Load beforehand what the first question would otherwise wait for; nothing is called."""

    async def states(self) -> list[LaneState]:
        """Every model that was called lately."""

    async def close(self) -> None:
        """Close connections."""
