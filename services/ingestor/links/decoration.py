"""Pictures that belong to no product: running logos, repeated symbols, marks of certificates, portraits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.ingestor.links.materials import Bbox, ImageRow, Materials
from shared.mentions import fold

REPEATED, LEAST = 0.25, 4
"""A picture on so large a share of the sheets, and on so many, is furniture (as in the analysis of pictures)."""
MARGIN = 0.1
"""Share of the sheet's height at top and bottom where running heads and feet stand."""
PRODUCTS_MOST = 2
"""Products on whose pages a picture may repeat before it is a symbol."""
PORTRAIT = 0.6
"""Share of a caption that a person's name takes when the picture shows the person."""


def furniture(materials: Materials) -> set[str]:
    """Hashes of the pictures that run along: on many sheets, at the edge of several, or for several products; and of
    those that stand at one place of the margin whatever their bytes are."""
    places: dict[str, list[ImageRow]] = defaultdict(list)
    spots: dict[tuple[float, ...], list[ImageRow]] = defaultdict(list)
    for image in materials.images:
        places[image.sha256].append(image)
        if _at_edge(image.bbox, materials, image.page):
            spots[tuple(round(number / 4) for number in image.bbox)].append(image)
    most = max(LEAST, REPEATED * materials.pages)
    owners = _owners(materials)
    found = set()
    for sha256, rows in places.items():
        pages = {row.page for row in rows}
        edge = len(pages) > 1 and all(_at_edge(row.bbox, materials, row.page) for row in rows)
        products = set().union(*(owners.get(page, set()) for page in pages))
        own = any(owners.get(page, set()) for page in pages)
        symbol = len(pages) > PRODUCTS_MOST and own and len(products) > PRODUCTS_MOST
        if len(pages) >= most or edge or symbol:
            found.add(sha256)
    for rows in spots.values():
        if len({row.page for row in rows}) >= most:
            found.update(row.sha256 for row in rows)
    return found


def marks(materials: Materials) -> set[str]:
    """Names of the files that show a certificate or a logo: the entities say so, or the caption is just its name."""
    marks = [entity for entity in materials.entities if entity.kind in ("certificate", "logo")]
    files = {entity.image for entity in marks if entity.image}
    names = {fold(entity.name) for entity in marks} - {""}
    shown = [image for image in materials.images if image.name in files or fold(image.caption) in names]
    return files | {image.file for image in shown}


def people(materials: Materials) -> set[str]:
    """Who has designed the products, folded."""
    found = set()
    for product in materials.products:
        for value in _texts(product.metadata.get("designer")):
            found.add(fold(value))
    return found - {""}


def is_portrait(caption: str, designers: set[str]) -> bool:
    """Whether a caption begins with a designer, as sentences about people do, or says little else."""
    said = fold(caption)
    return any(said.startswith(name) or (name in said and len(name) >= PORTRAIT * len(said)) for name in designers)


def has_box(bbox: Bbox) -> bool:
    """Whether anybody has told where the picture stands: foreign workers do not."""
    return bbox[2] > bbox[0] and bbox[3] > bbox[1]


def _owners(materials: Materials) -> dict[int, set[str]]:
    owners: dict[int, set[str]] = defaultdict(set)
    for product in materials.products:
        for page in product.pages:
            owners[page].add(product.product_id)
    return owners


def _at_edge(bbox: Bbox, materials: Materials, page: int) -> bool:
    sheet = materials.sheets.get(page)
    if sheet is None or not has_box(bbox):
        return False
    height = sheet.size[1]
    return bbox[3] <= MARGIN * height or bbox[1] >= (1 - MARGIN) * height


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
