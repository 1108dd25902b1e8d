"""The offline analyzer as a port: its rules run in a child process, because the text they read is hostile."""

from __future__ import annotations

from typing import Any

import msgspec

from services.transformer.analyzer import Answer
from services.transformer.chapter_checks import Checked
from services.transformer.discovery.records import Discovery, Hint, Options
from services.transformer.offline import ANALYZER
from services.transformer.records.found import Finds, Refined
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Material, Work
from services.transformer.task import Task
from shared.child import ChildFailed, Children, Limits
from shared.errors import DocumentError, TransientError
from shared.record_schema import RecordSchema
from shared.records import Record
from shared.templates import Template


class OfflineAnalyzer:
    """Deterministic, without any account (services.transformer.offline)."""

    name = ANALYZER

    def __init__(self, children: Children, settings: TransformerSettings) -> None:
        self._children = children
        self._limits = Limits(
            memory_bytes=settings.child_memory_bytes,
            wall_seconds=settings.child_seconds,
            idle_seconds=settings.child_seconds,
        )

    async def describe(self, material: Material, template: Template, work: Work) -> Answer:
        """See Analyzer."""
        task = Task(transcript=material.body, info=material.info, pages=material.pages, template=template)
        return msgspec.convert(await self.call("transform", msgspec.to_builtins(task)), Answer)

    async def check_chapters(self, material: Material, chapters: list[dict[str, Any]]) -> Checked:
        """What a model has named as chapters, held against the document."""
        plain = msgspec.to_builtins(material)
        return msgspec.convert(await self.call("check_chapters", {"material": plain, "chapters": chapters}), Checked)

    async def discover(self, material: Material, work: Work, options: Options) -> Discovery:
        """See Analyzer: by rules over index, outline, headings, labels and tables."""
        return await self.discover_with(material, work.ticket.document.document_id, options, [])

    async def discover_with(
        self, material: Material, document_id: str, options: Options, hints: list[Hint], *, only: bool = False
    ) -> Discovery:
        """Discovery with the hints of somebody else, which are held against the same pages."""
        given = {"document_id": document_id, "options": msgspec.to_builtins(options), "only": only}
        given |= {"material": msgspec.to_builtins(material), "hints": msgspec.to_builtins(hints)}
        return msgspec.convert(await self.call("discover", given), Discovery)

    async def extract_records(self, material: Material, schema: RecordSchema, work: Work, rep: int = 1) -> Finds:
        """See Analyzer: rows of tables that have the schema's fields as columns. Reading again finds nothing else."""
        if rep > 1:
            return Finds([])
        given = {"body": material.body, "schema": msgspec.to_builtins(schema)}
        return msgspec.convert(await self.call("table_records", given), Finds)

    async def refine_records(
        self, material: Material, schema: RecordSchema, records: list[Record], work: Work
    ) -> tuple[list[Refined], list[str]]:
        """See Analyzer: rules have nothing to add to what a table says."""
        return [], ["records: the offline analyzer refines nothing; refinement needs a model"]

    async def call(self, function: str, args: Any) -> Any:
        """Run one function of `child_transform` in a child of its own."""
        try:
            return await self._children.run(
                f"services.transformer.child_transform:{function}", args, self._limits, _ignore
            )
        except ChildFailed as failed:
            if failed.kind == "lost":
                raise TransientError("unavailable", "The analyzer's process was lost.") from failed
            raise DocumentError("worker_failed", f"The analysis ended badly ({failed.kind}).") from failed


async def _ignore(message: Any) -> None:
    return None
