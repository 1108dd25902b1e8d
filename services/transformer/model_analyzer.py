"""The analyzer that asks a model: a template's questions about the text, chapters checked against the real pages.

A document that fits is asked about in one question. A longer one is read in windows of whole pages: the template's
questions go to the first, the chapters of every window are asked for side by side. Where an answer cannot be used, or
names no chapters, the offline rules answer, and a warning says so.
"""

from __future__ import annotations

import asyncio
from typing import Any

from services.transformer.analyzer import Answer
from services.transformer.answer_schema import schema_of
from services.transformer.discovery.model import ModelDiscovery
from services.transformer.discovery.records import Discovery, Options
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.records import questions
from services.transformer.records.found import Finds, Found, Refined
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Material, Work
from shared.account import Account
from shared.anchors import anchor, split_pages
from shared.errors import DocumentError, ModelAnswerError
from shared.models import DataBlock, ModelRequest, Models
from shared.record_schema import RecordSchema
from shared.records import Record
from shared.templates import Template

VERSION = "model-1"
_TASK = """Answer the following questions about the document, each under its name:
{questions}

The document's pages begin with anchors of the form "--- Seite N ---"; page numbers are the N of the anchors."""
_ROLE = (
    """You index documents. Use only what the text says. Unknown text: "". Unknown number: null. Unknown list: []."""
)
_CHAPTERS = (
    "chapters: only real headings that start on the given pages, in the order of the text; title exactly as printed, "
    "level 1 to 3, startPage, endPage or null, startEvidence (at most 160 characters copied from the start page), "
    "summary (at most 1000 characters), keywords (5 to 12)"
)
OUTPUT_TOKENS = 8_192


class ModelAnalyzer:
    """An Analyzer over the model port, with the offline one behind it."""

    def __init__(self, models: Models, offline: OfflineAnalyzer, settings: TransformerSettings) -> None:
        self.name = f"{VERSION}/{models.name}"
        self._models, self._offline, self._window = models, offline, settings.analysis_chars
        self._discovery = ModelDiscovery(models, offline, settings)

    async def describe(self, material: Material, template: Template, work: Work) -> Answer:
        """See Analyzer. Raises Paused, BudgetExceeded, TransientError of the model client."""
        account = work.report.account
        language = work.ticket.parameters.target_language
        windows = await asyncio.to_thread(_windows, material.body, self._window)
        asked = dict(template.asked)
        wanted = asked.pop("chapters", None)
        if len(windows) == 1 and wanted is not None:
            asked["chapters"] = wanted
        warnings: list[str] = []
        try:
            value = await self._ask("metadata", asked, template, language, windows[0], account)
        except ModelAnswerError as error:
            answer = await self._offline.describe(material, template, work)
            answer.warnings.insert(0, f"{error.code}: {error.message} The offline rules have answered instead.")
            return answer
        if len(windows) > 1:
            warnings.append(f"the document is long: its fields were asked of the first {windows[0].label}")
        chapters: list[dict[str, Any]] = []
        if wanted is not None:
            found = value.pop("chapters", None)
            if found is None:
                found = await self._chapters(template, language, windows, account, warnings)
            checked = await self._offline.check_chapters(material, found)
            chapters, warnings = checked.chapters, warnings + checked.warnings
            if not chapters:
                ruled = await self._offline.describe(material, template, work)
                chapters = ruled.chapters
                warnings += ["the model named no chapters; these are from outline and headings"] if chapters else []
        values = {name: value.get(name) for name in template.asked if name != "chapters"}
        return Answer(values=values, chapters=chapters, warnings=warnings)

    async def discover(self, material: Material, work: Work, options: Options) -> Discovery:
        """See Analyzer (services.transformer.discovery.model)."""
        return await self._discovery.discover(material, options, work)

    async def extract_records(self, material: Material, schema: RecordSchema, work: Work, rep: int = 1) -> Finds:
        """See Analyzer. Every window is asked for its own records, side by side."""
        windows = await asyncio.to_thread(_windows, material.body, self._window)
        warnings: list[str] = []

        async def asked(window: DataBlock) -> list[Found]:
            try:
                answer = await self._models.ask(questions.find(schema, window, rep), work.report.account)
                return questions.found(answer.value)
            except ModelAnswerError as error:
                warnings.append(f"records of {window.label}: {error.message}")
                return []

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asked(window)) for window in windows]
        if len(warnings) == len(windows):
            raise DocumentError("worker_failed", f"No part of the document could be read for records: {warnings[0]}")
        return Finds([found for task in tasks for found in task.result()], warnings)

    async def refine_records(
        self, material: Material, schema: RecordSchema, records: list[Record], work: Work
    ) -> tuple[list[Refined], list[str]]:
        """See Analyzer. Each record is shown with the window that its citation stands in, the others with the first."""
        windows = await asyncio.to_thread(_windows, material.body, self._window)
        shares: list[list[Record]] = [[] for _ in windows]
        for record in records:
            mark = anchor(record.citation.page)
            shares[next((at for at, window in enumerate(windows) if mark in window.text), 0)].append(record)
        warnings: list[str] = []

        async def asked(window: DataBlock, share: list[Record]) -> list[Refined]:
            try:
                answer = await self._models.ask(questions.refine(schema, window, share), work.report.account)
                return questions.refined(answer.value)
            except ModelAnswerError as error:
                warnings.append(f"refinement of {window.label}: {error.message}")
                return []

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asked(w, share)) for w, share in zip(windows, shares, strict=True) if share]
        return [refined for task in tasks for refined in task.result()], warnings

    async def _ask(
        self,
        purpose: str,
        asked: dict[str, str],
        template: Template,
        language: str,
        window: DataBlock,
        account: Account,
    ) -> dict[str, Any]:
        asking = "\n".join(f"- {name}: {question or name}" for name, question in asked.items())
        request = ModelRequest(
            purpose=purpose,
            system=(template.systemprompt or _ROLE).replace("{target_language}", language),
            instructions=_TASK.format(questions=asking),
            data=[window],
            schema=schema_of(asked),
            max_output_tokens=OUTPUT_TOKENS,
        )
        value: dict[str, Any] = (await self._models.ask(request, account)).value
        return value

    async def _chapters(
        self, template: Template, language: str, windows: list[DataBlock], account: Account, warnings: list[str]
    ) -> list[dict[str, Any]]:
        async def asked(window: DataBlock) -> list[dict[str, Any]]:
            try:
                question = {"chapters": _CHAPTERS}
                found: list[dict[str, Any]] = (
                    await self._ask("chapters", question, template, language, window, account)
                )["chapters"]
                return found
            except ModelAnswerError as error:
                warnings.append(f"chapters of {window.label}: {error.message}")
                return []

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asked(window)) for window in windows]
        return [chapter for task in tasks for chapter in task.result()]


def _windows(body: str, most: int) -> list[DataBlock]:
    """Whole pages of at most about `most` characters together; a longer page is cut."""
    preamble, pages = split_pages(body)
    windows: list[DataBlock] = []
    texts: list[str] = [preamble[:most]] if preamble else []
    first = last = pages[0].number if pages else 1
    size = 0
    for page in pages:
        text = f"{anchor(page.number)}\n{page.text[:most]}"
        if size and size + len(text) > most:
            windows.append(DataBlock(f"pages {first} to {last}", "\n".join(texts)))
            texts, size, first = [], 0, page.number
        texts.append(text)
        size += len(text)
        last = page.number
    windows.append(DataBlock(f"pages {first} to {last}", "\n".join(texts)))
    return windows
