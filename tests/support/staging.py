"""A library whose documents fall ill: real runs of a real stack, broken while it is down.

Files are removed or renamed, vectors removed, keys of pictures removed, and rows of the database restored from a copy
that was taken when the document had just been uploaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
from msgspec.structs import replace

from shared.adapters.lancedb_vectors import LanceVectors
from shared.adapters.wordllama_embedder import DIMENSION, NAME
from shared.document import Document
from tests.support.pdfs import pictured_pdf

STATES = ("null_pointer", "orphaned_chunks", "missing_links", "not_processed", "healthy")
FINER = ("stale_generation", "counts_differ", "missing_twin", "hash_mismatch")


class Patient(NamedTuple):
    """A document, its place among those of its state, and its row as it was right after the upload."""

    document_id: str
    number: int
    early: bytes


class Staging:
    """One library in the data folder of a stack."""

    def __init__(self, data_dir: Path, library: str) -> None:
        self.data_dir, self.library = data_dir, library
        self.patients: dict[str, list[Patient]] = {}

    def upload(self, http: httpx.Client, each: int, finer: int) -> None:
        """Process `each` documents for every state and `finer` for every finer one; wait for all jobs."""
        wanted = [(state, at) for state in STATES for at in range(each)]
        wanted += [(state, at) for state in FINER for at in range(finer)]
        for number, (state, at) in enumerate(wanted):
            name = f"{state}-{at} report.pdf"
            answer = http.post(
                "/api/jobs",
                files={"file": (name, pictured_pdf(number), "application/pdf")},
                data={"libraryId": self.library, "batchId": self.library},
            )
            assert answer.status_code == 202, answer.text
            document_id = answer.json()["documentId"]
            self.patients.setdefault(state, []).append(Patient(document_id, at, self._row(document_id)))
        end = time.monotonic() + 60 + 10 * len(wanted)
        while not (batch := http.get(f"/api/batches/{self.library}").json())["finished"]:
            assert time.monotonic() < end, batch
            time.sleep(0.2)
        assert batch["counts"] == {"completed": len(wanted)}

    def fall_ill(self) -> None:
        """Break every document as its state asks; the stack must be down."""
        asyncio.run(self._break())

    @property
    def states(self) -> dict[str, str]:
        """What a diagnosis has to say."""
        return {patient.document_id: state for state, patients in self.patients.items() for patient in patients}

    def everything(self) -> str:
        """A hash over all stored files, the rows of documents and jobs, and the counts of vectors."""
        digest = hashlib.sha256()
        for path in sorted((self.data_dir / "twins").rglob("*")):
            if path.is_file():
                digest.update(str(path).encode() + path.read_bytes())
        with self._database() as database:
            for table in ("documents", "jobs"):
                for row in database.execute(f"SELECT * FROM {table} ORDER BY 1"):
                    digest.update(repr(row).encode())
        digest.update(repr(asyncio.run(self._counts())).encode())
        return digest.hexdigest()

    async def _break(self) -> None:
        vectors = self._vectors()
        await vectors.open()
        try:
            for state, patients in self.patients.items():
                if state == "healthy":
                    continue
                breaking: Callable[[Patient, Document, LanceVectors], Any] = getattr(self, f"_{state}")
                for patient in patients:
                    await breaking(patient, self._document(patient.document_id), vectors)
        finally:
            await vectors.close()

    async def _null_pointer(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        self._path(document).unlink()
        await vectors.delete_document(document.document_id)
        if patient.number % 2:
            self._restore(patient)

    async def _orphaned_chunks(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        """Half of the files are gone; the others lie under another key: encoded, or without their folder."""
        path = self._path(document)
        if patient.number % 2:
            path.unlink()
        elif patient.number % 4:
            path.rename(path.with_name(document.name.replace(" ", "%20")))
        else:
            path.rename(self.data_dir / "twins" / self.library / document.name)

    async def _missing_links(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        """Files of pictures are gone: one, or all; or the record has no pointer to their list."""
        images = sorted((self._path(document).parent / "images").iterdir())
        assert len(images) == 2
        if patient.number % 3 == 2:
            kept = {role: file for role, file in document.artefacts.items() if role != "images"}
            self._store(replace(document, artefacts=kept))
        else:
            for path in images[patient.number % 3 :]:
                path.unlink()

    async def _not_processed(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        await vectors.delete_document(document.document_id)
        if patient.number % 2:
            self._restore(patient)

    async def _stale_generation(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        self._restore(patient)

    async def _counts_differ(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        rows = [row async for row in vectors.rows_of(document.document_id, "chunk")]
        assert len(rows) > 1
        await vectors._rows.delete(vectors._is("row_id", rows[0].row_id))

    async def _missing_twin(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        self._path(document, "transcript").unlink()

    async def _hash_mismatch(self, patient: Patient, document: Document, vectors: LanceVectors) -> None:
        self._path(document, "transformation").write_bytes(b"not what was written")

    async def _counts(self) -> dict[str, Any]:
        vectors = self._vectors()
        await vectors.open()
        try:
            return await vectors.census(dict.fromkeys(sorted(self.states), ""))
        finally:
            await vectors.close()

    def _vectors(self) -> LanceVectors:
        return LanceVectors(self.data_dir / "vectors", NAME, DIMENSION, upkeep=False)

    def _path(self, document: Document, role: str = "source") -> Path:
        return self.data_dir / "twins" / document.artefacts[role].key

    def _document(self, document_id: str) -> Document:
        return msgspec.msgpack.decode(self._row(document_id), type=Document)

    def _row(self, document_id: str) -> bytes:
        with self._database() as database:
            found = database.execute("SELECT body FROM documents WHERE documentId = ?", (document_id,)).fetchone()
        body: bytes = found[0]
        return body

    def _restore(self, patient: Patient) -> None:
        self._store(msgspec.msgpack.decode(patient.early, type=Document))

    def _store(self, document: Document) -> None:
        with self._database() as database:
            database.execute(
                "UPDATE documents SET body = ?, revision = ? WHERE documentId = ?",
                (msgspec.msgpack.encode(document), document.revision, document.document_id),
            )
            database.commit()

    def _database(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.data_dir / "shadowtwin.db", timeout=30))
