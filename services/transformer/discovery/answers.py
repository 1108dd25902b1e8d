"""A model's answers about products and entities, held against the pages they were read from, and merged.

Nothing is believed that its pages do not print: article numbers and names are looked for in the text. What rules have
found stays where the model says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from services.transformer.discovery.questions import METADATA
from services.transformer.discovery.records import Entity, Product, Variant, entity_id
from services.transformer.titles import fold

TEXT_MOST = 500
DESCRIBED_WORTH = 0.1
"""What an answer about a product adds to the confidence in it."""

_SPACE = re.compile(r"\s+")


def described(product: Product, answer: Mapping[str, Any], pages: Mapping[int, str]) -> tuple[Product, list[str]]:
    """The product with what a model says of it, and what was dropped of that, as sentences."""
    metadata = dict(product.metadata)
    for key in METADATA:
        value = answer.get(key)
        if value not in (None, "", []):
            metadata[key] = _tidy(value)
    texts = {page: _SPACE.sub(" ", pages.get(page, "")) for page in product.pages}
    rows = {row.sku: row for row in product.variants}
    invented: list[str] = []
    for given in answer.get("variants") or []:
        sku = _tidy(given["sku"])
        page = next((page for page, text in texts.items() if sku and sku in text), None)
        if page is None:
            invented.append(sku[:40])
            continue
        rows[sku] = _filled(rows.get(sku) or Variant(sku=sku, page=page), given)
    warnings = []
    if invented:
        warnings.append(f"{product.name}: {len(invented)} articles do not stand on its pages: {invented[:5]}")
    better = replace(
        product,
        metadata=metadata,
        variants=list(rows.values()),
        confidence=round(min(product.confidence + DESCRIBED_WORTH, 0.99), 2),
        evidence=[*product.evidence, f"model on pages {product.page_start}-{product.page_end}"],
    )
    return better, warnings


def with_stated(
    found: Sequence[Entity], answer: Sequence[Mapping[str, Any]], pages: Mapping[int, str], document_id: str
) -> tuple[list[Entity], list[str]]:
    """The entities of the rules, and those that only a model names and their page prints, in the order of the pages."""
    rows = list(found)
    texts = {page: fold(text) for page, text in pages.items()}
    known = {(row.kind, fold(row.name), row.page) for row in rows}
    invented: list[str] = []
    for given in answer:
        name, page, kind = _tidy(given["name"]), given["page"], given["kind"]
        key = fold(name)
        if not key or key not in texts.get(page, ""):
            invented.append(f"{name[:40]} (page {page})")
            continue
        if (kind, key, page) in known:
            continue
        known.add((kind, key, page))
        detail = {field: _tidy(given.get(outside) or "")[:TEXT_MOST] for field, outside in _DETAILS.items()}
        identity = entity_id(document_id, kind, name, page, detail["number"] or detail["standard"])
        rows.append(Entity(entity_id=identity, kind=kind, name=name, page=page, confidence=0.6, **detail))
    warnings = []
    if invented:
        warnings.append(f"entities: {len(invented)} do not stand on their pages and were dropped: {invented[:5]}")
    return sorted(rows, key=lambda row: row.page), warnings


_DETAILS = {
    "description": "description",
    "number": "number",
    "valid_until": "validUntil",
    "standard": "standard",
    "value": "value",
}


def _filled(row: Variant, given: Mapping[str, Any]) -> Variant:
    """The row with what the model adds; printed cells that rules have read stay."""
    names = {"dimension": "dimension", "colour": "colour", "finish": "finish", "currency": "currency"}
    texts = {field: _tidy(given.get(key) or "") for field, key in names.items() if not getattr(row, field)}
    numbers: dict[str, Any] = {}
    for field, key in (("thickness_mm", "thicknessMm"), ("price", "price")):
        if getattr(row, field) is None and given.get(key) is not None:
            numbers[field] = float(given[key])
    return replace(row, **{field: text for field, text in texts.items() if text}, **numbers)


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return _SPACE.sub(" ", value).strip()
    if isinstance(value, list):
        return list(dict.fromkeys(text for each in value if (text := _SPACE.sub(" ", str(each)).strip())))
    return value
