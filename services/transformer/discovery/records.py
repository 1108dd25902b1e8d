"""Records of product discovery: what is found, what is believed of it, and which pages are worked on.

Pages are sheets counted from 1, as in the transcript's anchors; a folio is the number printed on a sheet. Outside
(products.jsonl, entities.jsonl, plan.json, the API) names are in camelCase and every field is present.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from services.transformer.titles import fold

NAME_MOST = 200
EntityKind = Literal["certificate", "logo", "specification", "claim"]
Basis = Literal["sheet", "folio", "unknown"]


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the records."""


class Options(Row, frozen=True):
    """What a job asks of discovery: products at all ("auto": only of a catalogue), and the focus on their pages."""

    products: Literal["auto"] | bool = "auto"
    focused_extraction: bool = False


class Hint(Row, frozen=True):
    """A product somebody names, not yet believed: a model, an index page, an outline, a heading.

    `basis` says what `start` and `end` count; "unknown" is decided by what the pages print. `source` is shown as
    evidence. `metadata` and `variants` go with a product that is kept.
    """

    name: str
    start: int | None = None
    end: int | None = None
    basis: Basis = "unknown"
    source: str = ""
    confidence: float = 0.5
    metadata: dict[str, Any] = {}
    variants: list[dict[str, Any]] = []


class Variant(Row, frozen=True):
    """One row of a SKU table: the cells as printed, thickness in mm and price as numbers; `page` where it stands first.
    `values` holds the cells whose column has no field, by header."""

    sku: str
    page: int
    dimension: str = ""
    colour: str = ""
    finish: str = ""
    thickness_mm: float | None = None
    price: float | None = None
    currency: str = ""
    price_unit: str = ""
    values: dict[str, str] = {}


class Product(Row, frozen=True):
    """One product. `pages` are the sheets that belong to it, in order (a shared sheet belongs to each of its products);
    `metadata` has canonical keys (discovery.labels), `labels` the printed lines as they stand; `evidence` names the
    sources, such as "index p. 3"; `confidence` is 0-1."""

    product_id: str
    name: str
    pages: list[int]
    page_start: int
    page_end: int
    folio_start: int | None = None
    folio_end: int | None = None
    metadata: dict[str, Any] = {}
    labels: dict[str, str] = {}
    variants: list[Variant] = []
    confidence: float = 0.0
    evidence: list[str] = []


class Entity(Row, frozen=True):
    """Something a catalogue states beside its products. `image` is the name of the nearest picture (images.jsonl)."""

    entity_id: str
    kind: EntityKind
    name: str
    page: int
    description: str = ""
    number: str = ""
    valid_until: str = ""
    standard: str = ""
    value: str = ""
    image: str = ""
    confidence: float = 0.0


class PlannedPage(Row, frozen=True):
    """One sheet of the plan; `reason` is a stable word: product, shared, index, overview, certificates, specifications,
    no_product, not_focused."""

    page: int
    processed: bool
    reason: str
    products: list[str] = []


class PagePlan(Row, frozen=True):
    """Which sheets the later stages work on (checklist A1.7). `dropped` are pages somebody named that do not exist."""

    focused: bool
    total_pages: int
    pages: list[PlannedPage]
    dropped: list[int] = []
    warning: str = ""

    @property
    def processed(self) -> list[int]:
        """The sheets that are worked on, in order."""
        return [row.page for row in self.pages if row.processed]

    @property
    def skipped(self) -> list[int]:
        """The sheets that are left out, in order."""
        return [row.page for row in self.pages if not row.processed]


class Discovery(Row, frozen=True):
    """What discovery gave. `catalogue` says whether the document is one, `warnings` are sentences."""

    catalogue: bool
    products: list[Product]
    entities: list[Entity]
    plan: PagePlan
    warnings: list[str] = []


def product_id(document_id: str, name: str, first_page: int) -> str:
    """The id of a product: the same whenever the same document names it on the same page."""
    return _identity("prd", document_id, fold(name), first_page)


def entity_id(document_id: str, kind: EntityKind, name: str, page: int, detail: str = "") -> str:
    """The id of an entity; `detail` (its number or standard) tells two of one name on one page apart."""
    return _identity("ent", document_id, kind, fold(name), page, detail)


def _identity(prefix: str, *parts: object) -> str:
    return f"{prefix}-" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]
