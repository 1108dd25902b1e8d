"""A sheet that several products share: which of them a picture stands with, by the blocks of text around it.

A product's region begins at its anchor, the block that names it first (a heading before any other), and goes down to
the next anchor of its column. What stands above the first anchor belongs to the product that goes on from the sheet
before. In documents whose pictures lead their headings, one right above an anchor belongs to that anchor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from services.ingestor.links.materials import Bbox, Sheet, TextBlock
from services.ingestor.links.naming import Mentions

SHORT = 120
"""Characters of a block that can be a heading."""
CLOSE = 2.0
"""Points by which boxes that touch may overlap."""
COLUMN = 0.25
"""Share of the sheet's width by which the headings of two columns are apart."""
LEADS = 60.0
"""Points between a picture, and perhaps its caption, and the heading that it leads."""
ROW = 20.0
"""Points within which headings stand in one row."""


class Placed(NamedTuple):
    """The product that a picture stands with, points to its nearest block, and whether none is nearer."""

    product_id: str
    distance: float
    nearest: bool


def place(
    bbox: Bbox,
    sheet: Sheet,
    products: Collection[str],
    going_on: Collection[str],
    mentions: Mentions,
    *,
    leading: bool = False,
) -> Placed | None:
    """The product of `products` that the picture at `bbox` stands with; None where no block names one.

    `going_on` are those that the sheet before shows as well; `leading` says that pictures stand over their headings."""
    named = _named(sheet.blocks, products, mentions)
    anchors = _anchors(named)
    if not anchors:
        return None
    distances = {
        product_id: min(gap(bbox, block.bbox) for block in blocks) for product_id, blocks in named.items() if blocks
    }
    chosen = _chosen(
        bbox,
        _columns(anchors, sheet.size[0]),
        [product for product in going_on if product in products],
        leading=leading,
    )
    distance = distances.get(chosen, sheet.size[1])
    return Placed(chosen, distance, distance <= min(distances.values(), default=distance))


def gap(one: Bbox, other: Bbox) -> float:
    """Points between two boxes; 0 where they touch."""
    across = max(other[0] - one[2], one[0] - other[2], 0.0)
    down = max(other[1] - one[3], one[1] - other[3], 0.0)
    return float((across**2 + down**2) ** 0.5)


def _named(blocks: Sequence[TextBlock], products: Collection[str], mentions: Mentions) -> dict[str, list[TextBlock]]:
    named: dict[str, list[TextBlock]] = {product_id: [] for product_id in products}
    for block in blocks:
        if block.kind == "caption":
            continue
        for product_id in mentions.of(block.text):
            if product_id in named:
                named[product_id].append(block)
    return named


def _anchors(named: Mapping[str, Sequence[TextBlock]]) -> dict[str, Bbox]:
    anchors = {}
    for product_id, blocks in named.items():
        ranked = sorted(blocks, key=lambda block: (block.kind != "heading", len(block.text) > SHORT, block.bbox[1]))
        if ranked:
            anchors[product_id] = ranked[0].bbox
    return anchors


def _columns(anchors: Mapping[str, Bbox], width: float) -> dict[str, Bbox]:
    """The anchors as wide as their columns: a short heading stands over everything up to the next column's."""
    widened = {}
    for product, (x0, y0, x1, y1) in anchors.items():
        others = [at[0] for at in anchors.values() if at[0] >= max(x1, x0 + COLUMN * width)]
        widened[product] = (x0, y0, max(x1, min(others, default=width) - CLOSE), y1)
    return widened


def _chosen(bbox: Bbox, anchors: Mapping[str, Bbox], going_on: Sequence[str], *, leading: bool) -> str:
    column = {product: at for product, at in anchors.items() if _level(bbox, at)}
    beside = not column
    if beside:
        column = dict(anchors)
    # text beside a picture begins anywhere along it, text below it not before its end
    line = (bbox[1] + bbox[3]) / 2 if beside else bbox[1]
    ordered = sorted(column, key=lambda product: (column[product][1] // ROW, -_across(bbox, column[product])))
    above = [product for product in ordered if column[product][1] <= line + CLOSE]
    below = [product for product in ordered if product not in above]
    if leading and below and not beside and leads(bbox, column[below[0]]):
        return below[0]
    if above:
        return above[-1]
    return going_on[0] if going_on else below[0]


def leads(picture: Bbox, heading: Bbox) -> bool:
    """Whether a picture stands right over a heading."""
    return _level(picture, heading) and -CLOSE <= heading[1] - picture[3] <= LEADS


def headings(sheet: Sheet, products: Collection[str], mentions: Mentions) -> dict[str, Bbox]:
    """The headings of the sheet that name one of the products, by product."""
    named = _named([block for block in sheet.blocks if block.kind == "heading"], products, mentions)
    return _anchors(named)


def _level(one: Bbox, other: Bbox) -> bool:
    return other[0] < one[2] and one[0] < other[2]


def _across(one: Bbox, other: Bbox) -> float:
    return max(other[0] - one[2], one[0] - other[2], 0.0)
