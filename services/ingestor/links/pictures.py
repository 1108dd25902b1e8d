"""Image-product links: which product a picture shows.

In this order: what its caption names; the only product of its sheet; on a shared sheet the one it stands with; on any
other sheet the product whose picture it repeats. Furniture and portraits show none, certificates' marks only
what their caption names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from services.ingestor.links import decoration, regions
from services.ingestor.links.materials import SHEET, Bbox, ImageRow, Materials, Sheet
from services.ingestor.links.naming import Mentions
from shared.links import Link, Reason, link_id

NAMED, NAMED_ELSEWHERE, NAMED_BESIDE = 1.0, 0.9, 0.6
"""Relevancy of a caption that names the product: on its own sheet, on another, and of a second product it names."""
ALONE, STANDS, NEAR, AMONG = 0.8, 0.75, 0.6, 0.4
"""Of the only product of the sheet; of the one it stands with, nearest or not; of each of several that nothing tells
apart."""
SAME, ALIKE = 0.7, 0.5
"""Of the same bytes, and of a look that can hardly be told apart."""
ALIKE_LEAST = 0.995
"""Cosine of each of the vectors below from which on two pictures are versions of one."""
COMPARED = ("visual", "colour", "texture", "application")

Looks = Mapping[str, Mapping[str, Any]]


class _Claim(NamedTuple):
    product_id: str
    relevancy: float
    reason: Reason
    detail: str


class PictureRules:
    """The rules over one document. `looks` are vectors by the hash of the picture's bytes, then by space."""

    def __init__(self, materials: Materials, mentions: Mentions, looks: Looks) -> None:
        self._materials, self._mentions, self._looks = materials, mentions, looks
        self._known: tuple[list[str], dict[str, Any]] | None = None
        self._furniture = decoration.furniture(materials)
        self._marks, self._people = decoration.marks(materials), decoration.people(materials)
        self._products: dict[int, list[str]] = defaultdict(list)
        for product in materials.products:
            for page in product.pages:
                self._products[page].append(product.product_id)
        self._leading = self._pictures_lead()

    def is_decoration(self, image: ImageRow) -> bool:
        """Whether it runs along, or is a mark or a portrait."""
        if image.sha256 in self._furniture or image.file in self._marks:
            return True
        return decoration.is_portrait(image.caption, self._people)

    def runs_along(self, image: ImageRow) -> bool:
        """Whether it is furniture of the sheets, such as the publisher's logo in the margin."""
        return image.sha256 in self._furniture

    def links(self) -> list[Link]:
        """One link for each place of a picture and product, in the order of the document."""
        claims = {image.name: self._claims(image) for image in self._materials.images}
        known: dict[str, set[str]] = defaultdict(set)
        for image in self._materials.images:
            known[image.sha256].update(claim.product_id for claim in claims[image.name])
        return [
            self._link(image, claim)
            for image in self._materials.images
            for claim in claims[image.name] or self._repeated(image, known)
        ]

    def _claims(self, image: ImageRow) -> list[_Claim]:
        named = self._named(image)
        if named or self.is_decoration(image):
            return named
        products = self._products.get(image.page, [])
        if len(products) == 1:
            return [_Claim(products[0], ALONE, "same_page", f"the only product of page {image.page}")]
        return self._shared(image, products) if products else []

    def _named(self, image: ImageRow) -> list[_Claim]:
        """What the caption names. A caption along furniture is not its own, one about a person tells of the person."""
        if image.sha256 in self._furniture or decoration.is_portrait(image.caption, self._people):
            return []
        found = self._mentions.of(image.caption)
        own = [product for product in found if product in self._products.get(image.page, [])]
        main = own[0] if len(own) == 1 else self._mentions.first(image.caption)
        claims = []
        for product_id in sorted(found, key=lambda product_id: product_id != main):
            relevancy = NAMED if product_id in own else NAMED_ELSEWHERE
            relevancy = relevancy if product_id == main else NAMED_BESIDE
            claims.append(_Claim(product_id, relevancy, "name_mention", f"caption: {found[product_id].word}"))
        return claims

    def _shared(self, image: ImageRow, products: Sequence[str]) -> list[_Claim]:
        sheet = self._materials.sheets.get(image.page, Sheet(SHEET, []))
        before = set(self._products.get(image.page - 1, ()))
        going_on = [product for product in products if product in before]
        placed = None
        if decoration.has_box(image.bbox):
            placed = regions.place(image.bbox, sheet, products, going_on, self._mentions, leading=self._leading)
        if placed is None:
            return [
                _Claim(each, AMONG, "same_page", f"{len(products)} products on page {image.page}") for each in products
            ]
        relevancy = STANDS if placed.nearest else NEAR
        return [_Claim(placed.product_id, relevancy, "box_distance", f"{placed.distance:.0f} pt to its text")]

    def _pictures_lead(self) -> bool:
        """Whether pictures stand over the headings of products, rather than under them, on most sheets that have
        both."""
        boxes: dict[int, list[Bbox]] = defaultdict(list)
        for image in self._materials.images:
            if decoration.has_box(image.bbox) and not self.is_decoration(image):
                boxes[image.page].append(image.bbox)
        votes = []
        for page, pictures in boxes.items():
            sheet = self._materials.sheets.get(page)
            if sheet is not None:
                found = regions.headings(sheet, self._products.get(page, ()), self._mentions)
                votes += [any(regions.leads(box, heading) for box in pictures) for heading in found.values()]
        return sum(votes) * 2 > len(votes)

    def _repeated(self, image: ImageRow, known: Mapping[str, set[str]]) -> list[_Claim]:
        """The one product whose picture this is again, as the same bytes or to the eye; never a sheet's own guess."""
        if self.is_decoration(image) or self._products.get(image.page):
            return []
        same = known.get(image.sha256, set())
        if len(same) == 1:
            return [_Claim(next(iter(same)), SAME, "similarity", "the same bytes elsewhere")]
        if same:
            return []
        alike = self._looking_alike(image.sha256, known)
        return [_Claim(alike, ALIKE, "similarity", "looks like a picture of it")] if alike else []

    def _looking_alike(self, sha256: str, known: Mapping[str, set[str]]) -> str:
        """The one product whose pictures look like this one; "" for none or several."""
        looks = self._looks.get(sha256)
        if looks is None:
            return ""
        if self._known is None:
            hashes = [each for each, owners in known.items() if owners and each in self._looks]
            spaces = {space: np.array([self._looks[each][space] for each in hashes]) for space in COMPARED}
            self._known = hashes, spaces
        hashes, spaces = self._known
        if not hashes:
            return ""
        nearness = np.min([matrix @ np.array(looks[space]) for space, matrix in spaces.items()], axis=0)
        owners = set().union(*(known[hashes[at]] for at in np.flatnonzero(nearness >= ALIKE_LEAST)))
        return owners.pop() if len(owners) == 1 else ""

    def _link(self, image: ImageRow, claim: _Claim) -> Link:
        return Link(
            link_id=link_id("image-product", self._materials.document_id, image.name, claim.product_id),
            kind="image-product",
            relevancy=claim.relevancy,
            reason=claim.reason,
            detail=claim.detail[:200],
            page=image.page,
            bbox=image.bbox,
            image_id=self._materials.id_of(image),
            image=image.name,
            product_id=claim.product_id,
        )
