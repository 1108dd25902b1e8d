"""Which new records are new: each is compared, field by field, with all stored and all accepted ones (A2.24-A2.30)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.similarity import canonical, cosine, jaccard

THRESHOLD = 0.9
Values = Mapping[str, Any]
Embed = Callable[[list[str]], Awaitable[list[list[float]]]]


class Kept(NamedTuple):
    """Indices of the new records that are kept, and how many were duplicates."""

    indices: list[int]
    duplicates: int


Similarity = Callable[[str, str], float]


def keep(
    new: Sequence[Values],
    existing: Sequence[Values],
    unique: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    similarity: Similarity = jaccard,
) -> Kept:
    """Records that equal none that is stored and none accepted before them; every compared field must reach the
    threshold. It compares all with all, so it belongs into a thread."""
    seen = [_key(record, unique) for record in existing]
    exact = {key for key in seen if None not in key}
    indices: list[int] = []
    for at, record in enumerate(new):
        key = _key(record, unique)
        if key in exact or any(_same(key, other, similarity, threshold) for other in seen):
            continue
        indices.append(at)
        seen.append(key)
        if None not in key:
            exact.add(key)
    return Kept(indices, len(new) - len(indices))


Key = tuple[str | None, ...]


def _key(record: Values, unique: Sequence[str]) -> Key:
    return tuple(canonical(record.get(name)) for name in unique)


def _same(one: Key, other: Key, similarity: Similarity, threshold: float) -> bool:
    """All fields that are filled on both sides reach the threshold; with nothing to compare they differ."""
    compared = False
    for a, b in zip(one, other, strict=True):
        if a is None or b is None:
            continue
        if a != b and similarity(a, b) < threshold:
            return False
        compared = True
    return compared


async def embedded(
    new: Sequence[Values], existing: Sequence[Values], unique: Sequence[str], embed: Embed
) -> Similarity:
    """The cosine of the embeddings of all texts that `keep` may compare."""
    texts = sorted({text for record in (*new, *existing) for text in _key(record, unique) if text is not None})
    vectors = dict(zip(texts, await embed(texts), strict=True)) if texts else {}
    return lambda a, b: cosine(vectors[a], vectors[b])
