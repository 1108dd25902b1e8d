"""Product discovery by a model: one index scan (0A), then one call a product on its own pages, side by side (0B).

What the model names is held against the pages before anything is built on it. Its answers are believed only as far as
the pages print them; where one cannot be used the rules' finding stays, and a warning says so. No product is lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from services.transformer.alone import alone, check_passing
from services.transformer.discovery import answers, questions
from services.transformer.discovery.plan import index_scan_window
from services.transformer.discovery.records import Discovery, Entity, Hint, Options, Product
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Material, Work
from shared.anchors import split_pages
from shared.errors import ModelAnswerError, ShadowtwinError
from shared.models import ModelAnswer, ModelRequest, Models

SCANNED = 0.4
"""Share of the stage's time that the index scan counts for in the progress shown."""


class ModelDiscovery:
    """Asks a model, with the rules behind it."""

    def __init__(self, models: Models, offline: OfflineAnalyzer, settings: TransformerSettings) -> None:
        self._models, self._offline, self._most = models, offline, settings.analysis_chars

    async def discover(self, material: Material, options: Options, work: Work) -> Discovery:
        """See Analyzer.discover."""
        pages = await asyncio.to_thread(_pages, material.body)
        found = await self._scanned(pages, material, options, work)
        if not found.products:
            work.announce(found.plan)
            await work.advance(SCANNED, "no product named")
            return found
        async with asyncio.TaskGroup() as group:
            described = group.create_task(self._described(found.products, pages, work))
            stated = group.create_task(self._stated(found, pages, work))
            # Behind the questions about the products, which take longest: pictures then stand behind them in line.
            work.announce(found.plan)
            await work.advance(SCANNED, f"{len(found.products)} products named")
        products, said = described.result()
        entities, noted = stated.result()
        warnings = [*found.warnings, *said, *noted]
        return replace(found, products=products, entities=entities, warnings=warnings)

    async def _ask(self, request: ModelRequest, work: Work) -> ModelAnswer:
        return await self._models.ask(request, work.report.account)

    async def _scanned(self, pages: dict[int, str], material: Material, options: Options, work: Work) -> Discovery:
        """The products that the model names and the document prints; those of the rules if it names none of these.
        Unless products are asked for, a model is only asked about what rules take for a catalogue."""
        if options.products == "auto":
            ruled = await self._offline.discover(material, work, options)
            if not ruled.products:
                return ruled
        window = index_scan_window(max(pages, default=0))
        try:
            answer = await self._ask(questions.scan(pages, window, self._most, _model(work)), work)
        except ModelAnswerError as error:
            return await self._ruled(f"{error.code}: {error.message}", material, options, work)
        named = questions.hints(answer.value)
        if not named:
            return await self._ruled("the model has named no product", material, options, work)
        found = await self._named(named, material, options, work)
        if not found.products:
            return await self._ruled("nothing of what the model has named stands there", material, options, work)
        return found

    async def _named(self, named: list[Hint], material: Material, options: Options, work: Work) -> Discovery:
        document_id = work.ticket.document.document_id
        return await self._offline.discover_with(material, document_id, options, named, only=True)

    async def _ruled(self, why: str, material: Material, options: Options, work: Work) -> Discovery:
        """The rules' finding instead, said loudly where it matters."""
        found = await self._offline.discover(material, work, options)
        if not found.products:
            return found
        warning = f"products: {why}; the {len(found.products)} products are those that rules have found"
        return replace(found, warnings=[warning, *found.warnings])

    async def _described(
        self, products: list[Product], pages: dict[int, str], work: Work
    ) -> tuple[list[Product], list[str]]:
        """Every product with what the model says of it; one whose call fails keeps what rules have read."""
        done = 0

        async def one(product: Product) -> ModelAnswer | ShadowtwinError:
            nonlocal done
            answer = await alone(self._ask(questions.product(product, pages, self._most, _model(work)), work))
            done += 1
            share = SCANNED + (1 - SCANNED) * done / len(products)
            await work.advance(share, f"product {done} of {len(products)}")
            return answer

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(product)) for product in products]
        results = [task.result() for task in tasks]
        check_passing(results, work.ticket.attempt)
        better: list[Product] = []
        warnings: list[str] = []
        for product, result in zip(products, results, strict=True):
            if isinstance(result, ShadowtwinError):
                warnings.append(f"{product.name}: {result.message} What rules have read of it stays.")
                better.append(product)
            else:
                row, said = answers.described(product, result.value, pages)
                better.append(row)
                warnings += said
        return better, warnings

    async def _stated(self, found: Discovery, pages: dict[int, str], work: Work) -> tuple[list[Entity], list[str]]:
        """The rules' entities, and what the model names beside them on the pages that are no product's."""
        owned = {page for product in found.products for page in product.pages}
        others = [page for page in sorted(pages) if page not in owned]
        if not others:
            return found.entities, []
        answer: Any = await alone(self._ask(questions.entities(pages, others, self._most, _model(work)), work))
        if isinstance(answer, ShadowtwinError):
            check_passing([answer, None], work.ticket.attempt)
            return found.entities, [f"entities: {answer.message} Those that rules have found stay."]
        document_id = work.ticket.document.document_id
        return answers.with_stated(found.entities, answer.value["entities"], pages, document_id)


def _pages(body: str) -> dict[int, str]:
    texts: dict[int, str] = {}
    for page in split_pages(body)[1]:
        texts[page.number] = f"{texts[page.number]}\n{page.text}" if page.number in texts else page.text
    return texts


def _model(work: Work) -> str:
    """The model that the job asks for; "" for the configured one."""
    return work.ticket.parameters.discovery_model
