"""What the extractor gives: pages, their blocks, images and what is known of the document."""

from __future__ import annotations

import msgspec

Box = tuple[float, float, float, float]


class Block(msgspec.Struct, frozen=True):
    """A piece of a page: where it stands on the sheet and where in the page's Markdown."""

    kind: str  # heading|paragraph|list|table|caption|code|footnote|form|image
    bbox: Box
    start: int
    end: int
    level: int = 0


class Escalation(msgspec.Struct, frozen=True):
    """That `auto` tried another method than `fast` for a page, why, and whether its result was the better one."""

    to: str  # ocr|layout
    reason: str
    kept: bool


class Page(msgspec.Struct, frozen=True):
    """One sheet read; `number` counts sheets from 1, `label` is the folio printed on it, `method` read it."""

    number: int
    markdown: str
    chars: int
    confidence: float
    language: str
    width: float
    height: float
    rotation: int
    blocks: list[Block]
    header: str = ""
    footer: str = ""
    label: str = ""
    warnings: list[str] = []
    error: str = ""
    preview: str = ""  # file name below previews/, when one was asked for
    method: str = "fast"
    escalation: Escalation | None = None


class Image(msgspec.Struct, frozen=True):
    """A picture of a page, embedded or drawn; `duplicate_of` names the first image with the same bytes."""

    page: int
    index: int
    name: str
    width: int
    height: int
    bbox: Box
    ext: str
    sha256: str
    size: int
    caption: str
    duplicate_of: str = ""
    kind: str = "image"  # image: embedded in the PDF | figure: drawn by it, rendered


class OutlineEntry(msgspec.Struct, frozen=True):
    """A bookmark: its depth from 1, its title and the sheet it leads to (0 when it leads nowhere)."""

    level: int
    title: str
    page: int


class Permissions(msgspec.Struct, frozen=True):
    """What the document's owner allows."""

    copy: bool = True
    print: bool = True
    modify: bool = True
    annotate: bool = True
    accessibility: bool = True


class DocumentInfo(msgspec.Struct, frozen=True):
    """What is known of a document without reading its pages."""

    pages: int
    metadata: dict[str, str]
    outline: list[OutlineEntry]
    encrypted: bool
    permissions: Permissions
    warnings: list[str] = []
    repaired: bool = False  # the file was damaged; MuPDF rebuilt its table of objects
