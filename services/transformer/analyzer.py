"""The port of analyzers: what turns a transcript into knowledge, by rules (`offline`) or by a model (`openai`)."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from services.transformer.discovery.records import Discovery, Options
from services.transformer.records.found import Finds, Refined
from services.transformer.stage import Material, Work
from shared.record_schema import RecordSchema
from shared.records import Record
from shared.templates import Template


class Answer(msgspec.Struct):
    """What the analysis found: `values` by variable of the template, `chapters` in order, `warnings` as sentences."""

    values: dict[str, Any]
    chapters: list[dict[str, Any]]
    warnings: list[str]


class Analyzer(Protocol):
    """`name` holds kind and version (and the model), and is part of every result's fingerprint."""

    name: str

    async def describe(self, material: Material, template: Template, work: Work) -> Answer:
        """Answer the template's questions and find the chapters. Raises DocumentError, TransientError."""

    async def discover(self, material: Material, work: Work, options: Options) -> Discovery:
        """Products, entities and page plan of a catalogue; none of a document that is no catalogue."""

    async def extract_records(self, material: Material, schema: RecordSchema, work: Work, rep: int = 1) -> Finds:
        """Candidates for records of this schema, in the `rep`-th reading of the text; what is new among them is not the
        analyzer's to say."""

    async def refine_records(
        self, material: Material, schema: RecordSchema, records: list[Record], work: Work
    ) -> tuple[list[Refined], list[str]]:
        """Better values for stored records, and warnings."""
