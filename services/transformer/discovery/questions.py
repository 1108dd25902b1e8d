"""The questions to a model about a catalogue: which products it shows (0A), what is said of one (0B), its entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.transformer.discovery.records import NAME_MOST, Hint, Product
from shared.anchors import anchor
from shared.models import DataBlock, ModelRequest

_ROLE = "You read product catalogues. Use only what the text says; names, numbers and codes exactly as printed."
_SCAN = """These are the first pages of a document. If it is a catalogue, list every product it shows: `name`
as printed, `startPage` and `endPage` of the pages that are about it, `confidence` 0 to 1. Not the index, not
certificates, not spare words. Page numbers are the N of the anchors "--- Seite N ---". A document without
products: an empty list."""
_PRODUCT = """The text holds the pages of one product; its name is given as data. Give everything the text says of it.
Unknown text: "". Unknown list: []. `variants`: one row for each article number. `description`: three
sentences at most."""
_ENTITIES = """List what these pages of a catalogue state beside its products: certificates (with number, validity and
standard), logos of certification marks, specifications (property as `name`, standard, value), and claims such as
renewable electricity. `name` as printed, `page` is the N of the anchor "--- Seite N ---" above it."""

_TEXT: dict[str, Any] = {"type": ["string", "null"], "maxLength": 500}
_TEXTS: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "string", "maxLength": 200}, "maxItems": 200}
_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_PAGE: dict[str, Any] = {"type": ["integer", "null"]}

METADATA: dict[str, dict[str, Any]] = {
    "designer": _TEXT,
    "collection": _TEXT,
    "year": _PAGE,
    "dimensions": _TEXTS,
    "materials": _TEXTS,
    "colours": _TEXTS,
    "finishes": _TEXTS,
    "weight": _TEXT,
    "application": _TEXTS,
    "origin": _TEXT,
    "inspiration": _TEXT,
    "description": {"type": ["string", "null"], "maxLength": 2_000},
}
"""The keys of a product's metadata (discovery.labels), as a model fills them."""

VARIANT: dict[str, dict[str, Any]] = {
    "sku": {"type": "string", "maxLength": 80},
    "dimension": _TEXT,
    "colour": _TEXT,
    "finish": _TEXT,
    "thicknessMm": _NUMBER,
    "price": _NUMBER,
    "currency": {"type": ["string", "null"], "maxLength": 8},
}
ENTITY: dict[str, dict[str, Any]] = {
    "kind": {"type": "string", "enum": ["certificate", "logo", "specification", "claim"]},
    "name": {"type": "string", "maxLength": NAME_MOST},
    "page": {"type": "integer"},
    "description": _TEXT,
    "number": _TEXT,
    "validUntil": _TEXT,
    "standard": _TEXT,
    "value": _TEXT,
}
_NAMED: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "maxLength": NAME_MOST},
    "startPage": _PAGE,
    "endPage": _PAGE,
    "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
}


def scan(pages: Mapping[int, str], window: int, most: int, model: str) -> ModelRequest:
    """What asks for the products of the first `window` pages, of together at most `most` characters."""
    return ModelRequest(
        purpose="index_scan",
        system=_ROLE,
        instructions=_SCAN,
        data=[text_of(pages, range(1, window + 1), most)],
        schema=_listed("products", _NAMED, ["name", "startPage", "endPage"], 2_000),
        max_output_tokens=8_192,
        model=model,
    )


def product(named: Product, pages: Mapping[int, str], most: int, model: str) -> ModelRequest:
    """What asks about one product, on exactly its pages."""
    properties = {**METADATA, "variants": _rows(VARIANT, ["sku"], 2_000)}
    return ModelRequest(
        purpose="product",
        system=_ROLE,
        instructions=_PRODUCT,
        data=[DataBlock("name of the product", named.name), text_of(pages, named.pages, most)],
        schema={"type": "object", "properties": properties, "required": list(properties)},
        max_output_tokens=8_192,
        model=model,
    )


def entities(pages: Mapping[int, str], wanted: Sequence[int], most: int, model: str) -> ModelRequest:
    """What asks for the entities on these pages."""
    return ModelRequest(
        purpose="entities",
        system=_ROLE,
        instructions=_ENTITIES,
        data=[text_of(pages, wanted, most)],
        schema=_listed("entities", ENTITY, ["kind", "name", "page"], 2_000),
        max_output_tokens=8_192,
        model=model,
    )


def hints(answer: Mapping[str, Any]) -> list[Hint]:
    """The products that a model has named, to be held against the pages. What its numbers count is for these to say."""
    return [
        Hint(
            name=row["name"],
            start=row.get("startPage"),
            end=row.get("endPage"),
            source="model",
            confidence=float(row.get("confidence") or 0.5),
        )
        for row in answer["products"]
    ]


def text_of(pages: Mapping[int, str], wanted: Sequence[int], most: int) -> DataBlock:
    """These pages under their anchors; pages that are too long together are all cut to the same length."""
    there = [number for number in wanted if number in pages]
    cut = most // max(len(there), 1)
    if sum(len(pages[number]) for number in there) <= most:
        cut = most
    text = "\n".join(f"{anchor(number)}\n{pages[number][:cut]}" for number in there)
    label = f"pages {there[0]} to {there[-1]}" if there else "no pages"
    return DataBlock(label, text)


def _rows(properties: Mapping[str, Any], required: Sequence[str], most: int) -> dict[str, Any]:
    row = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "array", "items": row, "maxItems": most}


def _listed(name: str, properties: Mapping[str, Any], required: Sequence[str], most: int) -> dict[str, Any]:
    rows = _rows(properties, required, most)
    return {"type": "object", "properties": {name: rows}, "required": [name]}
