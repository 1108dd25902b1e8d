"""Records as people see and change them: the machine's rows under what people have said, which no machine overrides."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import Any

import msgspec
from msgspec.structs import replace

from shared import reading, record_schema, records, twin
from shared.document import Document, DocumentStatus
from shared.errors import RequestError, TransientError
from shared.job import utc_now
from shared.ports import DocumentStore, Storage
from shared.record_schema import RecordSchema
from shared.records import Edit, Record, Shown

MOST_RACES = 50
EDITS_MOST = 100_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RecordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `PATCH /api/records/{id}`: fields with new values, or whether the record counts; and who says so."""

    values: dict[str, Any] = {}
    deleted: bool | None = None
    by: str = ""


class RecordBook:
    """Lists, shows, exports and edits records."""

    def __init__(self, documents: DocumentStore, storage: Storage) -> None:
        self._documents, self._storage = documents, storage

    async def all(self, document: Document, *, deleted: bool = False) -> list[Shown]:
        """The records of a document; those that a person has deleted only when asked for."""
        rows, edits = await self._rows(document), await self._edits(document)
        return [row for row in records.shown(rows, edits) if deleted or not row.deleted]

    async def one(self, record_id: str) -> Shown:
        """One record, deleted or not; raises RequestError not_found."""
        document = await self._document(record_id)
        return self._pick(records.shown(await self._rows(document), await self._edits(document)), record_id)

    async def change(self, record_id: str, change: RecordChange) -> Shown:
        """Write down what a person says; raises RequestError not_found, record_invalid, bad_request."""
        if not change.values and change.deleted is None:
            raise RequestError("bad_request", "Say `values`, `deleted`, or both.")
        for _ in range(MOST_RACES):
            document = await self._document(record_id)
            rows, edits = await self._rows(document), await self._edits(document)
            if len(edits) >= EDITS_MOST:
                raise RequestError("conflict", f"A document keeps at most {EDITS_MOST} edits of its records.")
            present = self._pick(records.shown(rows, edits), record_id)
            values = await self._checked(document, present, change.values)
            edit = Edit(
                record_id=record_id,
                at=utc_now().isoformat(timespec="milliseconds"),
                by=change.by[:200],
                values=values,
                deleted=change.deleted,
            )
            if await self._put(document, [*edits, edit]):
                return self._pick(records.shown(rows, [*edits, edit]), record_id)
        raise TransientError("unavailable", "The document record is changed too often at the moment.")

    async def export(self, document: Document, form: str) -> str:
        """The records that count, as `jsonl` or as `csv` (one column a field; cells never start a formula)."""
        rows = await self.all(document)
        if form == "jsonl":
            return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
        schema = await self._schema(document)
        fields = list(schema.fields) if schema else sorted({name for row in rows for name in row.values})
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["recordId", *fields, "page", "quote", "verified", "edited"])
        for row in rows:
            cells = [_cell(row.values.get(name)) for name in fields]
            quote = _cell(row.citation.quote)
            writer.writerow([row.record_id, *cells, row.citation.page, quote, row.citation.verified, row.edited])
        return text.getvalue()

    async def _checked(self, document: Document, present: Shown, given: dict[str, Any]) -> dict[str, Any]:
        """The changed fields, coerced by the schema that the records were made with."""
        schema = await self._schema(document)
        if schema is None or not given:
            return given
        unknown = sorted(set(given) - set(schema.fields))
        if unknown:
            raise RequestError("record_invalid", f"The schema has no field {unknown[0][:100]!r}.")
        fitted = schema.values({**present.values, **given})
        return {name: fitted.get(name) for name in given}

    async def _put(self, document: Document, edits: list[Edit]) -> bool:
        """The new file beside the old one, then the record's swap; whoever loses the race removes only its own."""
        folder = twin.folder(document.library_id, document.document_id)
        content = b"".join(msgspec.json.encode(edit) + b"\n" for edit in edits)
        artefact = await self._storage.write(f"{folder}/record_edits.{uuid.uuid4().hex}.jsonl", content)
        former = document.artefacts.get(records.EDITS)
        artefacts = {**document.artefacts, records.EDITS: artefact}
        stored = await self._documents.put(replace(document, artefacts=artefacts, updated_at=utc_now()))
        gone = artefact if not stored else former
        if gone is not None:
            await self._storage.delete(gone.key)
        return stored

    async def _document(self, record_id: str) -> Document:
        document_id = records.document_of(record_id)
        document = await self._documents.get(document_id) if document_id else None
        if document is None or document.status == DocumentStatus.DELETING:
            raise RequestError("not_found", "There is no such record.")
        return document

    async def _rows(self, document: Document) -> list[Record]:
        if records.ROLE not in document.artefacts:
            return []
        return records.read_rows(await reading.read(self._storage, document, records.ROLE))

    async def _edits(self, document: Document) -> list[Edit]:
        if records.EDITS not in document.artefacts:
            return []
        return records.read_edits(await reading.read(self._storage, document, records.EDITS))

    async def _schema(self, document: Document) -> RecordSchema | None:
        if records.SCHEMA not in document.artefacts:
            return None
        return record_schema.parse((await reading.read(self._storage, document, records.SCHEMA)).decode())

    @staticmethod
    def _pick(rows: list[Shown], record_id: str) -> Shown:
        for row in rows:
            if row.record_id == record_id:
                return row
        raise RequestError("not_found", "There is no such record.")


def _cell(value: object) -> str:
    """Text of a CSV cell; what a spreadsheet would take for a formula is quoted with an apostrophe."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
