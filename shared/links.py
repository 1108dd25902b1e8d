"""The records of links.jsonl: what belongs together, how much, and why (seed 001, stage 4C)."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import msgspec

ROLE, FILE = "links", "links.jsonl"
LinkKind = Literal["image-product", "chunk-product", "image-chunk"]
KINDS: tuple[LinkKind, ...] = ("image-product", "chunk-product", "image-chunk")
Reason = Literal["same_page", "box_distance", "name_mention", "similarity"]
Bbox = tuple[float, float, float, float]


class Link(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One link. Of the three ids the two that its kind names are set. `relevancy` is 0-1; `reason` says what speaks for
    it most and `detail` in a few words what exactly. `image` is the row of images.jsonl that is meant (one place of a
    picture), with its `page` and box in points from the sheet's top left; a link of a chunk has only a page."""

    link_id: str
    kind: LinkKind
    relevancy: float
    reason: Reason
    detail: str = ""
    page: int = 0
    bbox: Bbox | None = None
    image_id: str = ""
    image: str = ""
    chunk_id: str = ""
    product_id: str = ""


def link_id(kind: LinkKind, *ends: str) -> str:
    """The id of a link: the same whenever the same two things are linked."""
    digest = hashlib.sha256("\0".join((kind, *ends)).encode(errors="replace"))
    return f"lnk-{digest.hexdigest()[:24]}"


def check(link: Link) -> None:
    """Raise ValueError unless the link has its two ends, a relevancy of 0-1 and a box of numbers."""
    ends = {"image": link.image_id, "chunk": link.chunk_id, "product": link.product_id}
    wanted = set(link.kind.split("-"))
    if {name for name, end in ends.items() if end} != wanted:
        raise ValueError(f"a link {link.kind} has other ends")
    if not 0 <= link.relevancy <= 1:
        raise ValueError("a relevancy that is not between 0 and 1")
    if link.bbox is not None and not all(map(math.isfinite, link.bbox)):
        raise ValueError("a box without numbers")
