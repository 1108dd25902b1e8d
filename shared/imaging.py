"""Vectors of pictures: their spaces, the ids of pictures, and how vectors of other lengths are made to fit. Pure."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

SPACES: dict[str, int] = {"visual": 512, "colour": 512, "texture": 512, "application": 512, "multimodal": 2048}
"""The five vectors of a picture and their lengths (seed 001, stage 3C)."""
WIDE = "multimodal"
"""The space that texts can be searched in, too."""
_ID = re.compile(r"img-([0-9a-f]{24})-[0-9a-f]{16}\Z")


def image_id(document_id: str, sha256: str) -> str:
    """The id of a picture of a document: the same for all places that show the same bytes."""
    return f"img-{document_id.removeprefix('doc-')}-{sha256[:16]}"


def document_of(picture: str) -> str | None:
    """The document of a picture's id; None for what is no such id."""
    match = _ID.match(picture)
    return f"doc-{match.group(1)}" if match else None


def fit(vector: Sequence[float], size: int) -> list[float]:
    """A vector as a unit vector of `size` numbers: a shorter one is filled up with zeros, which changes no angle; a
    longer one is folded by a count sketch (Charikar et al. 2002), which keeps angles nearly. Without any direction it
    is all zeros."""
    folded = [0.0] * size
    if len(vector) <= size:
        folded[: len(vector)] = vector
    else:
        for place, value in enumerate(vector):
            bucket, sign = _sketch(place, size)
            folded[bucket] += sign * value
    length = math.sqrt(math.fsum(value * value for value in folded))
    if not math.isfinite(length) or length < 1e-12:
        return [0.0] * size
    return [value / length for value in folded]


_places: dict[tuple[int, int], tuple[int, float]] = {}


def _sketch(place: int, size: int) -> tuple[int, float]:
    """Bucket and sign of a coordinate: by hash, so that they are the same in every process and version."""
    known = _places.get((place, size))
    if known is None:
        digest = hashlib.sha256(f"{size}:{place}".encode()).digest()
        known = _places[(place, size)] = (int.from_bytes(digest[:4]) % size, 1.0 if digest[4] % 2 else -1.0)
    return known
