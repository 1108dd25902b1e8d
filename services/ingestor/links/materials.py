"""What links are made from: products, entities and pictures of the document, and the sheets' blocks of text.

Read from the artefacts that the phases before have stored. A row that cannot be read loses only itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.anchors import PageText, unescape_anchors
from shared.imaging import image_id
from shared.jsonl import Lost, decoded

Bbox = tuple[float, float, float, float]
SHEET = (595.0, 842.0)
"""Points of a sheet whose size nobody has told."""


class ProductRow(msgspec.Struct, frozen=True, rename="camel"):
    """What links need of a row of products.jsonl."""

    product_id: str
    name: str
    pages: list[int]
    metadata: dict[str, Any] = {}
    variants: list[dict[str, Any]] = []

    @property
    def articles(self) -> list[str]:
        """Its article numbers."""
        return [str(row["sku"]) for row in self.variants if row.get("sku")]


class EntityRow(msgspec.Struct, frozen=True, rename="camel"):
    """What links need of a row of entities.jsonl."""

    kind: str
    name: str
    page: int
    image: str = ""


class ImageRow(msgspec.Struct, frozen=True):
    """A row of images.jsonl: one place of a picture. `name` is that of the row, `file` the one with the bytes."""

    page: int
    name: str
    bbox: Bbox
    sha256: str
    size: int = 0
    width: int = 0
    height: int = 0
    caption: str = ""
    duplicate_of: str = ""

    @property
    def file(self) -> str:
        """The file in images/ that holds its bytes."""
        return self.duplicate_of or self.name


class TextBlock(NamedTuple):
    """A block of text on a sheet: its box in points from the top left, its kind and its text."""

    bbox: Bbox
    kind: str
    text: str


class Sheet(NamedTuple):
    """A sheet: width and height in points, and its blocks in reading order."""

    size: tuple[float, float]
    blocks: list[TextBlock]


class Materials(NamedTuple):
    """Everything that links are made from but chunks and vectors. `pages` is how many sheets the document has."""

    document_id: str
    pages: int
    products: list[ProductRow]
    entities: list[EntityRow]
    images: list[ImageRow]
    sheets: dict[int, Sheet]

    def id_of(self, image: ImageRow) -> str:
        """The id of the picture that a row shows."""
        return image_id(self.document_id, image.sha256)


class _Block(msgspec.Struct):
    kind: str
    bbox: Bbox
    start: int
    end: int


class _PageRow(msgspec.Struct):
    number: int
    width: float = SHEET[0]
    height: float = SHEET[1]
    blocks: list[_Block] = []


def rows(content: bytes, kind: type[Any], lost: list[Lost]) -> list[Any]:
    """The rows of an artefact; see shared.jsonl.decoded."""
    return list(decoded(content, kind, lost))


def sheets(content: bytes, pages: Sequence[PageText]) -> dict[int, Sheet]:
    """The sheets of pages.jsonl by number, with the texts of their blocks from the body's pages. Rows that cannot be
    read are left out, blocks of a page whose text has changed have no text."""
    texts = {page.number: page.text for page in pages}
    found = {}
    for row in decoded(content, _PageRow, []):
        text = texts.get(row.number, "")
        same = bool(row.blocks) and len(text) == max(block.end for block in row.blocks)
        same = same and unescape_anchors(text) == text
        found[row.number] = Sheet((row.width, row.height), _blocks(row.blocks, text if same else ""))
    return found


def _blocks(blocks: Iterable[_Block], text: str) -> list[TextBlock]:
    return [
        TextBlock(block.bbox, block.kind, text[block.start : block.end]) for block in blocks if block.kind != "image"
    ]
