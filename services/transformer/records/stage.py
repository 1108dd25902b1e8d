"""Stages `extract_records` and `refine_records` (seed 002): they share one file, so they run as one.

Extraction is skipped by its status alone: zero records are a valid result, and a changed prompt makes nothing stale.
It runs again when it is forced or when the metadata before it has run. Extraction inserts only, refinement updates
only; records that a person has edited or deleted are never changed, and nothing is ever deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from services.transformer.analyzer import Analyzer
from services.transformer.records.citations import Pages
from services.transformer.records.found import Found, Refined
from services.transformer.stage import NOT_ASKED, Done, Work
from shared import dedup, reading, records
from shared.errors import RequestError
from shared.gates import Verdict, fingerprint
from shared.job import StepName, StepStatus
from shared.ports import Embedder, Storage
from shared.record_schema import RecordSchema
from shared.records import Record
from shared.shelf import SchemaShelf
from shared.similarity import jaccard
from shared.skipping import COMPLETED, should_refine, should_run_step_status_only
from shared.ticket import Ticket

REPORTED_MOST = 5


class Records:
    """The stage of extraction; refinement is shown as a row of its own."""

    step = StepName.RECORDS
    roles: tuple[str, ...] = (records.ROLE, records.SCHEMA)

    def __init__(self, storage: Storage, analyzer: Analyzer, embedder: Callable[[], Embedder]) -> None:
        """`embedder` is only called for jobs that compare by embeddings."""
        self._storage, self._analyzer, self._embedder = storage, analyzer, embedder
        self._shelf = SchemaShelf(storage)

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        """Runs when extraction or refinement does (checklist A2.6, A2.7, A2.15)."""
        if not ticket.parameters.records.schema:
            return Verdict(False, NOT_ASKED, records.ROLE in ticket.document.artefacts)
        verdict = self._extraction(ticket, upstream)
        if verdict.run or not ticket.parameters.records.refine:
            return verdict
        refinement = should_refine(len(await self._stored(ticket)), True, ticket.document.document_id).verdict
        return replace(refinement, reason="refinement") if refinement.run else verdict

    async def made_from(self, ticket: Ticket) -> str:
        """The schema's name: whoever changes its text decides by `force` whether to extract again (A2.31)."""
        return fingerprint("records", ticket.parameters.records.schema)

    async def run(self, work: Work) -> Done:
        """Extract, refine, and write all records with the schema they were made by."""
        ticket, options = work.ticket, work.ticket.parameters.records
        document = ticket.document
        schema = await self._shelf.load(document.library_id, options.schema)
        rows, warnings = await self._stored(ticket), list[str]()
        made = {"recordsInserted": 0, "recordsDuplicate": 0, "recordsUpdated": 0}
        material = await work.material()
        pages = await asyncio.to_thread(Pages, material.body)
        if self._extraction(ticket, work.upstream).run:
            for rep in range(1, options.reps + 1):
                finds = await self._analyzer.extract_records(material, schema, work, rep)
                fresh, refused = _usable(finds.found, schema)
                warnings += finds.warnings + refused
                kept = await self._new(fresh, rows, schema, ticket)
                made["recordsDuplicate"] += kept.duplicates
                made["recordsInserted"] += len(kept.indices)
                rows = rows + self._made([fresh[at] for at in kept.indices], rows, schema, ticket, pages)
        if options.refine:
            rows, updated, said = await self._refined(rows, schema, work)
            made["recordsUpdated"] = updated
            warnings += said
        unverified = sum(not row.citation.verified for row in rows)
        if unverified:
            warnings.append(f"records: the quoted words of {unverified} of {len(rows)} stand on no page")
        lost = await work.write_rows("records.jsonl", rows, records.ROLE)
        text = await self._shelf.text(document.library_id, options.schema)
        await work.outputs.write("record_schema.json", text.encode(), records.SCHEMA)
        return Done(
            made_from=await self.made_from(ticket),
            counts={"records": len(rows), **made},
            warnings=[*({"code": "records", "message": message} for message in warnings), *lost],
        )

    def _extraction(self, ticket: Ticket, upstream: bool) -> Verdict:
        options, document = ticket.parameters.records, ticket.document
        if not options.extract:
            return Verdict(False, "phase_off", records.ROLE in document.artefacts)
        done = document.made_from.get(self.step) == fingerprint("records", options.schema)
        status = COMPLETED if done else None
        return should_run_step_status_only(status, options.force or None, document.document_id, upstream).verdict

    async def _stored(self, ticket: Ticket) -> list[Record]:
        if records.ROLE not in ticket.document.artefacts:
            return []
        return records.read_rows(await reading.read(self._storage, ticket.document, records.ROLE))

    async def _edits(self, ticket: Ticket) -> list[records.Edit]:
        if records.EDITS not in ticket.document.artefacts:
            return []
        return records.read_edits(await reading.read(self._storage, ticket.document, records.EDITS))

    async def _new(
        self, fresh: Sequence[Found], rows: list[Record], schema: RecordSchema, ticket: Ticket
    ) -> dedup.Kept:
        """Compared with what the machine has found and with what people have made of it, deleted ones included."""
        options = ticket.parameters.records
        existing = [row.values for row in rows]
        existing += [row.values for row in records.shown(rows, await self._edits(ticket)) if row.edited]
        embed = self._embedder().embed if options.method == "embedding" else None
        new = [found.values for found in fresh]
        similarity = await dedup.embedded(new, existing, schema.unique, embed) if embed else jaccard
        return await asyncio.to_thread(
            dedup.keep, new, existing, schema.unique, threshold=options.threshold, similarity=similarity
        )

    def _made(
        self, fresh: Sequence[Found], rows: Sequence[Record], schema: RecordSchema, ticket: Ticket, pages: Pages
    ) -> list[Record]:
        known = {row.record_id for row in rows}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        made = []
        for found in fresh:
            identity = records.record_id(ticket.document.document_id, found.values, found.quote)
            if identity in known:  # the same find under another wording of its key was kept before
                identity = records.record_id(ticket.document.document_id, {**found.values, "": len(known)}, found.quote)
            known.add(identity)
            made.append(
                Record(
                    record_id=identity,
                    values=found.values,
                    citation=pages.cite(found.page, found.quote),
                    schema=schema.name,
                    prompt_hash=fingerprint(schema.digest, self._analyzer.name),
                    made_at=now,
                    run=ticket.process_id,
                )
            )
        return made

    async def _refined(
        self, rows: list[Record], schema: RecordSchema, work: Work
    ) -> tuple[list[Record], int, list[str]]:
        """Updates only, and never what a person has touched (A2.22, A2.36)."""
        touched = records.touched(await self._edits(work.ticket))
        open_rows = [row for row in rows if row.record_id not in touched]
        if not open_rows:
            work.report.stage(StepName.REFINE, StepStatus.COMPLETED, "no_records", skipped=True)
            return rows, 0, []
        work.report.stage(StepName.REFINE, StepStatus.RUNNING)
        answers, warnings = await self._analyzer.refine_records(await work.material(), schema, open_rows, work)
        better = {answer.record_id: answer for answer in answers}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        result, updated = [], 0
        for row in rows:
            answer = better.get(row.record_id) if row.record_id not in touched else None
            changed = _improved(row, answer, schema, now) if answer else None
            updated += changed is not None
            result.append(changed or row)
        work.report.stage(StepName.REFINE, StepStatus.COMPLETED, f"{updated} of {len(open_rows)} updated")
        return result, updated, warnings


def _usable(found: Sequence[Found], schema: RecordSchema) -> tuple[list[Found], list[str]]:
    """Candidates that fit the schema; one that does not loses only itself, visibly."""
    usable, refused = [], []
    for candidate in found:
        try:
            values = schema.values(candidate.values)
        except RequestError as error:
            refused.append(error.message)
            continue
        if any(value not in (None, "", []) for value in values.values()):
            usable.append(msgspec.structs.replace(candidate, values=values))
    warnings = [f"records: {len(refused)} did not fit the schema: {refused[:REPORTED_MOST]}"] if refused else []
    return usable, warnings


def _improved(row: Record, answer: Refined, schema: RecordSchema, now: str) -> Record | None:
    """The record with the answer's filled values; None when that changes nothing or does not fit."""
    given = {k: v for k, v in answer.values.items() if k in schema.fields and v not in (None, "", [])}
    try:
        values = schema.values({**row.values, **given})
    except RequestError:
        return None
    return None if values == row.values else replace(row, values=values, refined_at=now, before=row.values)
