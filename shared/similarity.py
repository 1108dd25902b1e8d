"""How alike two values of a record are (seed 002, checklist A2.25-A2.29). Pure functions."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

TRIGRAM = 3


def canonical(value: object) -> str | None:
    """The text that is compared: NFC, lower case, trimmed; None for a value that is not filled."""
    if value is None or value == "" or value == [] or value == {}:
        return None
    text = value if isinstance(value, str) else _plain(value)
    return unicodedata.normalize("NFC", text).lower().strip()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(sorted(part for each in value if (part := canonical(each)) is not None))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {canonical(value[key])}" for key in sorted(value, key=str))
    return str(value)


def jaccard(a: object, b: object, n: int = TRIGRAM) -> float:
    """Similarity of the sets of character n-grams. Texts shorter than n: 1 if equal, else 0; both empty 1, one empty 0;
    null 0."""
    if a is None or b is None:
        return 0.0
    one, other = canonical(a) or "", canonical(b) or ""
    if not one and not other:
        return 1.0
    if not one or not other:
        return 0.0
    if len(one) < n or len(other) < n:
        return float(one == other)
    left, right = _grams(one, n), _grams(other, n)
    return len(left & right) / len(left | right)


@lru_cache(maxsize=50_000)  # every new record meets every stored one
def _grams(text: str, n: int) -> frozenset[str]:
    return frozenset(text[at : at + n] for at in range(len(text) - n + 1))


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Cosine of two vectors, 0 when either is zero; ValueError for different lengths."""
    if len(a) != len(b):
        raise ValueError(f"The vectors differ in length: {len(a)} and {len(b)}.")
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0
