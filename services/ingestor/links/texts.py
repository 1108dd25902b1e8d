"""Links of chunks: to the products they speak of, and to the pictures they stand with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.ingestor.boxes import Box
from services.ingestor.chunks import Chunk
from services.ingestor.links.decoration import has_box
from services.ingestor.links.materials import ImageRow, Materials
from services.ingestor.links.naming import Mentions
from services.ingestor.links.regions import gap
from services.ingestor.segments import Part
from shared.links import Link, link_id
from shared.mentions import fold
from shared.pictures import without_references

ON_PAGES, NAMED = 0.7, 0.3
"""What the share of a chunk that stands on a product's own sheets counts, and what naming the product adds."""
NAMED_ELSEWHERE = 0.4
"""Of a chunk on other sheets that names the product."""
LEAST = 0.15
CAPTION, REACH = 1.0, 150.0
"""Relevancy of the chunk that holds the picture's caption; points at which nearness has fallen to 1/e."""
CAPTION_LEAST = 8
"""Letters and digits of a caption that is looked for."""
CLOSE_MOST, PAGE_ONLY = 0.9, 0.4
CHUNKS_MOST = 3
"""Chunks that one place of a picture is linked to."""


class Spot(NamedTuple):
    """What links need of a small chunk."""

    chunk_id: str
    parts: Sequence[Part]
    boxes: Sequence[Box]
    text: str


def spot(chunk: Chunk) -> Spot:
    """A chunk without what links do not need."""
    return Spot(chunk.chunk_id, chunk.parts, chunk.boxes, chunk.text)


def chunk_products(materials: Materials, mentions: Mentions, chunks: Iterable[Spot]) -> list[Link]:
    """Chunk-product links: by the share of the chunk on the product's sheets, and by whether it is named."""
    owners: dict[int, list[str]] = defaultdict(list)
    for product in materials.products:
        for page in product.pages:
            owners[page].append(product.product_id)
    links = []
    for chunk in chunks:
        total = sum(part.end - part.start for part in chunk.parts) or 1
        named = mentions.of(without_references(chunk.text))
        shares: dict[str, float] = defaultdict(float)
        for part in chunk.parts:
            own = owners.get(part.page, [])
            said = [product_id for product_id in own if product_id in named] or own
            for product_id in said:
                shares[product_id] += (part.end - part.start) / total / len(said)
        for product_id in dict.fromkeys([*shares, *named]):
            share = min(shares.get(product_id, 0.0), 1.0)
            relevancy = ON_PAGES * share + (NAMED if product_id in named else 0) if share else NAMED_ELSEWHERE
            if relevancy < LEAST:
                continue
            word = named[product_id].word if product_id in named else ""
            by_page = ON_PAGES * share >= NAMED or not word
            links.append(
                Link(
                    link_id=link_id("chunk-product", chunk.chunk_id, product_id),
                    kind="chunk-product",
                    relevancy=round(min(relevancy, 1.0), 3),
                    reason="same_page" if by_page else "name_mention",
                    detail=f"{share:.0%} of its text on the product's pages" if by_page else f"names {word}"[:200],
                    page=chunk.parts[0].page if chunk.parts else 0,
                    chunk_id=chunk.chunk_id,
                    product_id=product_id,
                )
            )
    return links


def image_chunks(materials: Materials, images: Iterable[ImageRow], chunks: Iterable[Spot]) -> list[Link]:
    """Image-chunk links: to the chunk that holds the caption, and to those whose text stands nearest."""
    by_page: dict[int, list[tuple[Spot, str]]] = defaultdict(list)
    for chunk in chunks:
        folded = fold(chunk.text)
        for page in {part.page for part in chunk.parts}:
            by_page[page].append((chunk, folded))
    links = []
    for image in images:
        caption = fold(image.caption)
        found = [_near(materials, image, caption, chunk, folded) for chunk, folded in by_page.get(image.page, [])]
        links += sorted(found, key=lambda link: (-link.relevancy, link.chunk_id))[:CHUNKS_MOST]
    return links


def _near(materials: Materials, image: ImageRow, caption: str, chunk: Spot, folded: str) -> Link:
    own = [box.bbox for box in chunk.boxes if box.page == image.page and has_box(image.bbox)]
    gaps = [gap(image.bbox, bbox) for bbox in own]
    relevancy, detail = PAGE_ONLY, f"page {image.page}"
    reason = "same_page"
    if len(caption) >= CAPTION_LEAST and caption in folded:
        relevancy, reason, detail = CAPTION, "name_mention", "holds the caption"
    elif gaps:
        relevancy, reason, detail = CLOSE_MOST * math.exp(-min(gaps) / REACH), "box_distance", f"{min(gaps):.0f} pt"
    return Link(
        link_id=link_id("image-chunk", materials.document_id, image.name, chunk.chunk_id),
        kind="image-chunk",
        relevancy=round(relevancy, 3),
        reason=reason,  # type: ignore[arg-type]
        detail=detail,
        page=image.page,
        bbox=image.bbox,
        image_id=materials.id_of(image),
        image=image.name,
        chunk_id=chunk.chunk_id,
    )
