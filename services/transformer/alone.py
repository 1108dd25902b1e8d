"""Pieces of work that may fail alone: one picture, one product. What is wrong with the whole attempt goes through."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from shared.errors import BudgetExceeded, ConfigurationError, Paused, ShadowtwinError, TransientError

R = TypeVar("R")


async def alone(work: Awaitable[R]) -> R | ShadowtwinError:
    """Its result, or the error that concerns only it. A resting endpoint, a used up budget and a wrong setting are
    raised."""
    try:
        return await work
    except (Paused, BudgetExceeded, ConfigurationError):
        raise
    except ShadowtwinError as error:
        return error


def check_passing(results: Sequence[object], attempt: int) -> None:
    """Raise a passing failure among the results while another attempt may have more luck: in the first one (what is
    paid for is not paid again), and whenever nothing at all has succeeded because of it."""
    passing = [result for result in results if isinstance(result, TransientError)]
    if passing and (attempt == 1 or len(passing) == len(results)):
        raise passing[0]
