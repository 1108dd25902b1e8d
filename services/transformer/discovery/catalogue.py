"""Product discovery over a catalogue's stored artefacts: names, page ranges, metadata, variants, entities, page plan.

Rules only, deterministic; the PDF is never read again (checklist A1.3, A1.4, A1.19). A candidate becomes a product
only if its own sheets show one: labels that only products have, or a table of articles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from services.transformer.discovery import entities, hints, names, plan, ranges, starts
from services.transformer.discovery.facts import Facts, gather
from services.transformer.discovery.labels import Label, describe
from services.transformer.discovery.quantities import DIMENSION, sku_stem
from services.transformer.discovery.ranges import Extent
from services.transformer.discovery.records import Discovery, Hint, Options, Product, Variant, product_id
from services.transformer.discovery.view import View
from services.transformer.discovery.vocabulary import TELLING
from shared.mentions import Names

DISCOVERY = "discovery-1"
"""Name and version of the rules; part of every result's fingerprint, so raise it when answers change."""
PRODUCTS_MOST = 2000
_SOURCE_WORTH = {"outline": 0.2, "index": 0.2, "heading": 0.2, "running": 0.1, "captions": 0.05, "model": 0.2}


def discover(
    view: View, document_id: str, options: Options, extra: Sequence[Hint] = (), *, only: bool = False
) -> Discovery:
    """The products and entities of a document; `extra` are hints of somebody else, held against the same pages. With
    `only` it is they that say which products there are, and the rules read what the pages print about these.

    A document that is no catalogue has no products, unless the options ask for them.
    """
    if options.products is False:
        return _nothing(view)
    if options.products == "auto" and not only and not _may_be(view):
        return _nothing(view)
    given = hints.check(view, extra, printed=True)
    sheets = names.index_sheets(view)
    checked = given if only else hints.joined(hints.check(view, names.named(view, sheets)), given)
    shown = names.display_names([each.hint for each in checked.placed])
    index = {sheet.number for sheet in sheets}
    facts = gather(view, Names(shown.values()), shown)
    listing = index | _overviews(facts, index)
    candidates = starts.find(facts, checked.placed, shown, listing)
    shown = dict(shown) | {start.key: start.name for start in candidates}
    facts = gather(view, Names(shown.values()), shown)
    refused: list[starts.Start] = []
    if only:
        candidates = [start for start in candidates if start.placed]
    else:
        candidates, refused = _believed(candidates, facts, listing, view.total)
    extents = ranges.extents(candidates, facts, listing, view.total)
    products = _products(view, facts, extents, document_id)
    warnings = list(checked.warnings)
    if not _is_catalogue(products) and options.products == "auto" and not only:
        return _nothing(view)
    named = sorted(
        {start.name for start in refused if any(s == "outline" or s.startswith("index") for s in start.sources)}
    )
    if named:
        warnings.append(f"products: {len(named)} names of the outline or the index lead to no product: {named[:5]}")
    pages = [page for product in products for page in product.pages]
    found = entities.find(view, facts, pages, document_id)
    kinds = {n: "index" if n in index else "overview" for n in listing}
    kinds |= {entity.page: entity.kind + "s" for entity in found if entity.kind in ("certificate", "specification")}
    planned = plan.plan_pages(products, view.total, focused=options.focused_extraction, kinds=kinds)
    planned = replace(planned, dropped=sorted({*planned.dropped, *checked.dropped}))
    if planned.dropped:
        warnings.append(f"products: pages that do not exist were dropped: {planned.dropped[:20]}")
    return Discovery(
        catalogue=bool(products) if only else _is_catalogue(products),
        products=products,
        entities=found,
        plan=planned,
        warnings=warnings,
    )


def _may_be(view: View) -> bool:
    """Whether anything in the document looks like a product: most documents end here."""
    return any(fact.groups or fact.articles for fact in gather(view, Names(()), ()).values())


def _nothing(view: View) -> Discovery:
    """No catalogue: every page is worked on, whatever the focus."""
    return Discovery(catalogue=False, products=[], entities=[], plan=plan.plan_pages([], view.total, focused=False))


def _overviews(facts: Mapping[int, Facts], index: Collection[int]) -> set[int]:
    """Sheets that mention a good part of all names and describe none."""
    known = {key for fact in facts.values() for key in fact.mentions}
    least = max(3, 0.4 * len(known))
    return {
        number
        for number, fact in facts.items()
        if number not in index and len(fact.mentions) >= least and not fact.groups
    }


def _believed(
    candidates: Sequence[starts.Start], facts: Mapping[int, Facts], listing: Collection[int], total: int
) -> tuple[list[starts.Start], list[starts.Start]]:
    """Candidates whose sheets show a product, and the others. The extents of all are looked at first; without those
    that show nothing the rest may reach further, so what remains is looked at again by the caller."""
    kept: list[starts.Start] = []
    refused: list[starts.Start] = []
    for extent in ranges.extents(candidates, facts, listing, total):
        (kept if _signs(extent, facts) else refused).append(extent.start)
    return kept, refused


def _signs(extent: Extent, facts: Mapping[int, Facts]) -> int:
    """How many things on a product's own lines only products have."""
    labels, articles = _own(extent, facts)
    keys = {label.key for label in labels} & TELLING
    if not articles and len(keys) < 2:
        return 0
    return len(keys) + len(articles)


def _own(extent: Extent, facts: Mapping[int, Facts]) -> tuple[list[Label], list[Variant]]:
    labels: list[Label] = []
    articles: list[Variant] = []
    for page, (first, behind) in extent.lines.items():
        if page in facts:
            fact = facts[page]
            grouped = {label for group in fact.groups for label in group}
            labels += [
                label for label in fact.labels if first <= label.at < behind and (label in grouped or not fact.section)
            ]
            articles += [article.variant for article in fact.articles if first <= article.at < behind]
    return labels, articles


def _products(view: View, facts: Mapping[int, Facts], extents: Sequence[Extent], document_id: str) -> list[Product]:
    variants = _shared_out(extents, facts)
    products: list[Product] = []
    seen: set[str] = set()
    for extent, own in zip(extents[:PRODUCTS_MOST], variants, strict=False):
        start = extent.start
        labels, _ = _own(extent, facts)
        lines = [
            line
            for page, (first, behind) in extent.lines.items()
            if page in facts
            for line in facts[page].sheet.lines[first:behind]
        ]
        said = describe(labels, lines)
        metadata = dict(said.metadata)
        collection = _subtitle(extent, facts)
        if collection and "collection" not in metadata:
            metadata["collection"] = collection
        _from_variants(metadata, own)
        for placed in start.placed:
            metadata |= {k: v for k, v in placed.hint.metadata.items() if v not in (None, "", []) and k not in metadata}
        identity = product_id(document_id, start.name, extent.pages[0])
        if identity in seen:
            continue
        seen.add(identity)
        products.append(
            Product(
                product_id=identity,
                name=start.name,
                pages=extent.pages,
                page_start=extent.pages[0],
                page_end=extent.pages[-1],
                folio_start=hints.folio_on(view, extent.pages[0]),
                folio_end=hints.folio_on(view, extent.pages[-1]),
                metadata=metadata,
                labels=said.raw,
                variants=own,
                confidence=_confidence(start, labels, own),
                evidence=_evidence(start, labels, own),
            )
        )
    return products


def _shared_out(extents: Sequence[Extent], facts: Mapping[int, Facts]) -> list[list[Variant]]:
    """The articles of each product: those on its own lines, but on a sheet of several and on sheets of none those
    with the stem of its numbers; each number once, as it stands first."""
    stems: dict[str, Counter[int]] = {}
    owners: dict[int, list[int]] = {}
    for at, extent in enumerate(extents):
        for page in extent.pages:
            owners.setdefault(page, []).append(at)
    for page, here in owners.items():
        if len(here) == 1 and page in facts:
            for article in facts[page].articles:
                stems.setdefault(sku_stem(article.variant.sku), Counter())[here[0]] += 1
    sole = {stem: next(iter(counts)) for stem, counts in stems.items() if stem and len(counts) == 1}
    found: list[dict[str, Variant]] = [{} for _ in extents]
    for page in sorted(facts):
        for article in facts[page].articles:
            here = owners.get(page, [])
            owner = here[0] if len(here) == 1 else sole.get(sku_stem(article.variant.sku))
            if owner is None:
                spans = {n: extents[n].lines[page] for n in here}
                owner = next((n for n, (first, behind) in spans.items() if first <= article.at < behind), None)
            if owner is not None:
                found[owner].setdefault(article.variant.sku, article.variant)
    return [list(rows.values()) for rows in found]


def _subtitle(extent: Extent, facts: Mapping[int, Facts]) -> str:
    """A short lower heading right under the product's name: its collection or line."""
    fact = facts.get(extent.start.page)
    if fact is None:
        return ""
    lines = fact.sheet.lines[extent.start.at : extent.start.at + 2]
    if len(lines) == 2 and all(line.kind == "heading" for line in lines) and lines[1].level > lines[0].level:
        return lines[1].text if names.is_name(lines[1].text) else ""
    return ""


def _from_variants(metadata: dict[str, Any], variants: Sequence[Variant]) -> None:
    """Lists that no label gives, from the table of articles."""
    for key, field in (("dimensions", "dimension"), ("colours", "colour"), ("finishes", "finish")):
        values = list(dict.fromkeys(value for row in variants if (value := getattr(row, field))))
        if values and key not in metadata:
            metadata[key] = values
    if "dimensions" in metadata and isinstance(metadata["dimensions"], list):
        metadata["dimensions"] = [
            str(value) for value in metadata["dimensions"] if DIMENSION.search(str(value))
        ] or metadata["dimensions"]


def _confidence(start: starts.Start, labels: Sequence[Label], variants: Sequence[Variant]) -> float:
    kinds = {source.split()[0] for source in start.sources}
    value = 0.25 + sum(_SOURCE_WORTH.get(kind, 0.1) for kind in kinds)
    value += 0.04 * min(len({label.key for label in labels} & TELLING), 4) + (0.15 if variants else 0)
    return round(min(value, 0.99), 2)


def _evidence(start: starts.Start, labels: Sequence[Label], variants: Sequence[Variant]) -> list[str]:
    found = list(start.sources)
    if labels:
        found.append("labels " + ", ".join(dict.fromkeys(label.key for label in labels)))
    if variants:
        found.append(f"{len(variants)} articles from p. {min(row.page for row in variants)}")
    return found


def _is_catalogue(products: Sequence[Product]) -> bool:
    """Two products at least, or one that has labels and articles."""
    if len(products) >= 2:
        return True
    return any(len(set(product.metadata) & TELLING) >= 3 and len(product.variants) >= 2 for product in products)
