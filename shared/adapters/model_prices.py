"""What model calls cost: USD for a million tokens in and out, by model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.account import Account
from shared.costs import Charge
from shared.errors import ConfigurationError

MILLION = 1_000_000.0


class Price(NamedTuple):
    """USD for a million tokens."""

    input: float
    output: float = 0.0

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """USD of one call."""
        return (tokens_in * self.input + tokens_out * self.output) / MILLION


LISTED: dict[str, Price] = {
    "gpt-4o": Price(2.5, 10.0),
    "gpt-4o-mini": Price(0.15, 0.6),
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.4, 1.6),
    "gpt-4.1-nano": Price(0.1, 0.4),
    "text-embedding-3-small": Price(0.02),
    "text-embedding-3-large": Price(0.13),
}
"""List prices of 2025, for orientation: give your own table for what you really pay."""

_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One model in a price table."""

    input: float
    output: float = 0.0


class Prices:
    """The listed prices, overruled by the table given: JSON text or the path of a JSON file,
    `{"model": {"input": 0.15, "output": 0.60}}`. Raises ConfigurationError."""

    def __init__(self, table: str = "") -> None:
        self._prices = {**LISTED, **_read(table)}

    def of(self, model: str) -> Price | None:
        """The model's price, also under its dated name; None if nobody knows it."""
        return self._prices.get(model) or self._prices.get(_DATED.sub("", model))

    def ceiling(
        self, model: str, tokens_in: int, tokens_out: int, account: Account, purpose: str, budget: float | None = None
    ) -> tuple[float, float | None, str]:
        """What a call may cost at most, the budget (the account's own before `budget`), and the call in words: the
        arguments of `Account.reserved`. Raises ConfigurationError when there is a budget but no price."""
        budget = account.budget_usd if account.budget_usd is not None else budget
        price = self.of(model)
        what = f"{purpose} with {model}"
        if price is not None:
            return price.of(tokens_in, tokens_out), budget, what
        message = f"No price is known for {model}: give it in SHADOWTWIN_MODEL_PRICES."
        if budget is not None:
            raise ConfigurationError("misconfigured", f"{message} Without it the job's budget cannot be kept.")
        account.note_once("model_price_unknown", message, model=model)
        return 0.0, None, what

    def charge(self, model: str, purpose: str, call: str, tokens_in: int, tokens_out: int) -> Charge:
        """A paid call for the ledger."""
        price = self.of(model)
        usd = price.of(tokens_in, tokens_out) if price else None
        return Charge(id=call, model=model, purpose=purpose, tokens_in=tokens_in, tokens_out=tokens_out, usd=usd)


def _read(table: str) -> dict[str, Price]:
    text = table.strip()
    try:
        if text and not text.startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        rows = msgspec.json.decode(text or "{}", type=dict[str, Row])
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigurationError("misconfigured", f"SHADOWTWIN_MODEL_PRICES: {error}.") from error
    if any(row.input < 0 or row.output < 0 for row in rows.values()):
        raise ConfigurationError("misconfigured", "SHADOWTWIN_MODEL_PRICES: a price is negative.")
    return {model: Price(row.input, row.output) for model, row in rows.items()}
