"""Stage `discover_products` (seed 001, stages 0 and 1): products, entities and the page plan of a catalogue.

The stored transcript is all that is read. By itself ("auto") it runs whenever the metadata are made anew, and gives
products only where the document is a catalogue; what it found is recorded either way, so that it is not asked again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.transformer.analyzer import Analyzer
from services.transformer.discovery.catalogue import DISCOVERY
from services.transformer.discovery.records import Discovery, Options
from services.transformer.stage import NOT_ASKED, PLAN, Done, Work, current
from shared.gates import Verdict, fingerprint, judge
from shared.job import StepName
from shared.ticket import Ticket

CHECKPOINT = "PRODUCTS_DETECTED"
"""The log entry that says that the products of a document are known (checklist A1.5)."""
SHOWN_MOST = 200
"""Products whose names the document record shows."""


class ProductDiscovery:
    """Discovery, whoever's rules or model it is; its results are three files of the twin."""

    step = StepName.DISCOVER
    roles: tuple[str, ...] = ("products", "entities", PLAN)

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        """Skipped while the products are made from the present transcript; "auto" never starts the phase by itself."""
        parameters = ticket.parameters
        recorded = await current(ticket, self)
        unasked = parameters.products == "auto" and not upstream and not recorded
        if parameters.products is False or unasked:
            return Verdict(False, NOT_ASKED, recorded)
        return judge(parameters.policies.metadata, parameters.phases.template, recorded, "products_current")

    async def made_from(self, ticket: Ticket) -> str:
        """Transcript, pages and pictures, who discovers, and what is asked for."""
        artefacts, parameters = ticket.document.artefacts, ticket.parameters
        found = [artefacts[role].sha256 for role in ("transcript", "pages", "images") if role in artefacts]
        asked = (parameters.products, parameters.focused_extraction, parameters.discovery_model)
        return fingerprint(DISCOVERY, self._analyzer.name, *asked, *found)

    async def run(self, work: Work) -> Done:
        """Find the products, store what is found, and tell the stages that wait for the page plan."""
        parameters = work.ticket.parameters
        options = Options(products=parameters.products, focused_extraction=parameters.focused_extraction)
        found = await self._analyzer.discover(await work.material(), work, options)
        lost = await work.write_rows("products.jsonl", list(found.products), "products")
        lost += await work.write_rows("entities.jsonl", list(found.entities), "entities")
        await work.outputs.write("plan.json", msgspec.json.encode(found.plan), PLAN)
        work.announce(found.plan)
        counts = {
            "products": len(found.products),
            "variants": sum(len(product.variants) for product in found.products),
            "entities": len(found.entities),
            "pagesSkipped": len(found.plan.skipped),
        }
        if found.products or parameters.products is True:
            work.report.mark(CHECKPOINT, _sentence(found), **counts)
            sure = sum(product.confidence for product in found.products)
            counts["productConfidencePercent"] = round(100 * sure / max(1, len(found.products)))
        return Done(
            made_from=await self.made_from(work.ticket),
            counts=counts,
            metadata=_shown(found),
            warnings=[*_warnings(found), *lost],
            skipped="" if found.products or parameters.products is True else "no_catalogue",
        )


def _sentence(found: Discovery) -> str:
    pages = len({page for product in found.products for page in product.pages})
    return f"{len(found.products)} products on {pages} of {found.plan.total_pages} pages"


def _shown(found: Discovery) -> dict[str, Any]:
    return {"products": [product.name for product in found.products[:SHOWN_MOST]]} if found.products else {}


def _warnings(found: Discovery) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = [{"code": "products", "message": message} for message in found.warnings]
    if found.plan.warning:
        message = "products: no page belongs to a product, and the focus leaves all others out"
        warnings.append({"code": found.plan.warning, "message": message})
    return warnings
