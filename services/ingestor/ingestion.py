"""The ingest phase: twin in storage -> chunks in storage and vectors in the index, under a new generation.

The twin is read from storage only (checklist A3.5). Nothing a search can see changes here: the gateway moves the
document's generation when it accepts the final report.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from services.ingestor import laws
from services.ingestor.boxes import PageBoxes, page_boxes
from services.ingestor.chapters import ChapterPlan
from services.ingestor.chunks import Chunk, make_chunks, plan_body
from services.ingestor.rows import chunk_row, summary_row
from services.ingestor.settings import IngestorSettings
from services.ingestor.tokens import Tokenizer
from services.ingestor.windows import Shape
from shared import frontmatter, reading
from shared.anchors import split_pages
from shared.document import Document
from shared.gates import Verdict, fingerprint, ingest_gate, judge_verified
from shared.job import Artefact, StepName
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Embedder, Storage, VectorStore
from shared.ticket import Outcome, Ticket

WRITE_BATCH = 256
ROWS = "rows-3"
"""Which kinds of rows an ingestion writes, and how; raise it when that changes, so that vectors are made anew."""


class Ingestion:
    """The phase's gate and work (shared.phase.Phase)."""

    step = StepName.INGEST

    def __init__(
        self,
        storage: Storage,
        vectors: VectorStore,
        embedder: Embedder,
        tokenizer: Tokenizer,
        settings: IngestorSettings,
    ) -> None:
        self._storage, self._vectors, self._embedder = storage, vectors, embedder
        self._tokenizer, self._settings = tokenizer, settings

    async def gate(self, ticket: Ticket) -> Verdict:
        """`gateIngestRag`: skip only if the doc exists AND chunkCount >= 1, made from the current twin."""
        parameters = ticket.parameters
        document = ticket.document
        recorded = ingest_gate(document, self._made_from(ticket))
        present = recorded
        if recorded:
            present = await self._vectors.get_doc(document.document_id) is not None
        policies, phases = parameters.policies, parameters.phases
        return judge_verified(policies.ingest, phases.ingest, recorded, present, "ingest_exists")

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Chunk, embed, store, count what can be read back."""
        document = ticket.document
        role = _twin(document)[0]
        meta, body = frontmatter.parse((await reading.read(self._storage, document, role)).decode())
        plan = await asyncio.to_thread(plan_body, body, meta)
        report.mark("ingest_rag", f"policy {ticket.parameters.policies.ingest}, reading the {role}")
        report.mark("ingest_start", f"pages={document.pages} chapters={len(plan.chapters)}", pages=document.pages)
        for note in plan.notes:
            report.mark(note.phase, note.message)
        generation = fingerprint(*self._vector_parts(ticket), body, meta.get("title"), meta.get("chapters"))
        boxes = await self._boxes(document, body)
        run = _Run(self, ticket, report, meta, body, plan, boxes, generation)
        outputs = Outputs(self._storage, ticket.output_prefix)
        await outputs.write("chunks.jsonl", run.rows(), "chunks")
        await run.index_summaries()
        await self._read_back(run, document.document_id)
        return run.outcome(await outputs.seal())

    async def _boxes(self, document: Document, body: str) -> PageBoxes:
        """Where the blocks of the pages stand; none where no extractor of ours has read them."""
        if "pages" not in document.artefacts:
            return PageBoxes({})
        lines = (await reading.read(self._storage, document, "pages")).splitlines()
        return await asyncio.to_thread(lambda: page_boxes(lines, split_pages(body)[1]))

    async def _read_back(self, run: _Run, document_id: str) -> None:
        """Count what can be read back and check the laws."""
        written = {"chunk": sum(run.stored.values()), "summary": run.summaries}
        readable = {kind: await self._vectors.count(document_id, run.generation, kind) for kind in written}
        counts = laws.Counts(
            pages=run.pages,
            made=run.made,
            embedded=run.embedded,
            stored=run.stored,
            written=written,
            readable=readable,
        )
        await asyncio.to_thread(laws.check, run.body, counts, embed_large=self._settings.embed_large)

    def _made_from(self, ticket: Ticket) -> str:
        """Fingerprint of what the vectors are made from, as known before the twin is read."""
        twin = _twin(ticket.document)[1]
        return fingerprint(twin.sha256 if twin else "", *self._vector_parts(ticket))

    def _vector_parts(self, ticket: Ticket) -> tuple[object, ...]:
        """What decides about chunks and vectors beside the text."""
        settings = self._settings
        return (
            ROWS,
            ticket.document.document_id,
            self._embedder.name,
            self._embedder.dimension,
            self._tokenizer.name,
            (settings.small_core, settings.small_guard, settings.large_core, settings.large_guard),
            settings.embed_large,
            settings.chunker,
            pages.sha256 if (pages := ticket.document.artefacts.get("pages")) else "",
        )


class _Run:
    """One ingestion; its generation is named by the content, so that an attempt repeated after a crash writes the
    same rows again and another content never mixes with them. It streams chunks to the index and to chunks.jsonl and
    counts both."""

    def __init__(
        self,
        phase: Ingestion,
        ticket: Ticket,
        report: Report,
        meta: dict[str, Any],
        body: str,
        plan: ChapterPlan,
        boxes: PageBoxes,
        generation: str,
    ) -> None:
        self._phase, self._ticket, self._report = phase, ticket, report
        self._meta, self.body, self._plan, self._boxes = meta, body, plan, boxes
        self.generation = generation
        self.made = {"small": 0, "large": 0}
        self.embedded = {"small": 0, "large": 0}
        self.stored = {"small": 0, "large": 0}
        self.pages: set[int] = set()
        self.summaries = 0

    async def rows(self) -> AsyncIterator[bytes]:
        """The lines of chunks.jsonl; every batch is in the index before its lines are given on."""
        settings = self._phase._settings
        chunks = make_chunks(
            self.body,
            self._meta,
            self._ticket.document.document_id,
            tokenizer=self._phase._tokenizer,
            small=Shape(settings.small_core, settings.small_guard, settings.small_guard),
            large=Shape(settings.large_core, settings.large_guard, settings.large_guard),
            plan=self._plan,
            boxes=self._boxes,
            chunker=settings.chunker,
        )
        batches = _batched(chunks, settings.embed_batch)
        before = self._stored_before()
        pages = self._ticket.document.pages
        while batch := await asyncio.to_thread(next, batches, None):
            wanted = [chunk for chunk in batch if is_embedded(chunk, settings.embed_large)]
            if sum(self.made.values()) + len(batch) <= before:
                self._count(wanted, self.embedded)
                self._count(wanted, self.stored)
            else:
                await self._index(wanted)
            self._count(batch, self.made)
            for chunk in batch:
                self.pages.update(chunk.pages)
            last = min(max(self.pages, default=0), pages)
            await self._report.progress(
                95 * last / max(pages, 1),
                "embedding",
                last,
                pages,
                checkpoint={"generation": self.generation, "chunks": sum(self.made.values())},
            )
            yield b"".join(msgspec.json.encode(chunk) + b"\n" for chunk in batch)

    @staticmethod
    def _count(chunks: list[Chunk], numbers: dict[str, int]) -> None:
        for chunk in chunks:
            numbers[chunk.scale] += 1

    def _stored_before(self) -> int:
        """Chunks whose vectors an earlier attempt has stored: they are not embedded again. What is read back at the
        end counts them, so a checkpoint that promises too much fails the step instead of losing vectors."""
        checkpoint = self._ticket.checkpoint
        same = checkpoint.get("generation") == self.generation
        return int(checkpoint.get("chunks", 0)) if same else 0

    async def _index(self, chunks: list[Chunk]) -> None:
        if not chunks:
            return
        vectors = await self._phase._embedder.embed([chunk.embedding_text for chunk in chunks])
        pairs = list(zip(chunks, vectors, strict=True))
        self._count(chunks, self.embedded)
        document = self._ticket.document
        for start in range(0, len(pairs), WRITE_BATCH):
            batch = pairs[start : start + WRITE_BATCH]
            await self._phase._vectors.write(
                [chunk_row(document, self.generation, chunk, vector) for chunk, vector in batch]
            )
            self._count([chunk for chunk, _ in batch], self.stored)

    async def index_summaries(self) -> None:
        """A vector for every chapter that has a summary, with or without text of its own (checklist A3.39)."""
        chapters = [chapter for chapter in self._plan.chapters if chapter.summary]
        for start in range(0, len(chapters), WRITE_BATCH):
            batch = chapters[start : start + WRITE_BATCH]
            texts = [f"{' / '.join(chapter.path)}\n{chapter.summary}" for chapter in batch]
            vectors = await self._phase._embedder.embed(texts)
            rows = [
                summary_row(self._ticket.document, self.generation, chapter, start + at, vector)
                for at, (chapter, vector) in enumerate(zip(batch, vectors, strict=True))
            ]
            await self._phase._vectors.write(rows)
            self.summaries += len(rows)

    def outcome(self, outputs: dict[str, Any]) -> Outcome:
        """The report: counts, log entries and, when nothing was searchable, a warning that says why."""
        total = sum(self.made.values())
        searchable = sum(self.stored.values())
        warnings = []
        if not searchable:
            reason = "the twin holds no text" if not laws.has_text(self.body) else "no chunk was made of its text"
            warnings.append({"code": "no_chunks", "message": f"0 chunks, 1 vector (doc meta only): {reason}."})
        entries = [
            {
                "phase": "ingest_chunking_done",
                "message": f"{total} chunks, {searchable + self.summaries + 1} vectors",
                "small": self.made["small"],
                "large": self.made["large"],
            },
            {
                "phase": "ingest_pinecone_upserted",
                "message": f"{searchable + self.summaries} vectors upserted and read back in "
                f"{self._phase._vectors.name}",
                "vectors": searchable + self.summaries,
                "summaries": self.summaries,
            },
        ]
        return Outcome(
            outputs=outputs,
            entries=entries,
            warnings=warnings,
            counts={
                "chunksSmall": self.made["small"],
                "chunksLarge": self.made["large"],
                "summaries": self.summaries,
            },
            facts={
                "madeFrom": self._phase._made_from(self._ticket),
                "generation": self.generation,
                "embedder": self._phase._embedder.name,
                "chunkCount": searchable,
                "chaptersCount": len(self._plan.chapters),
                "vectors": searchable + self.summaries,
            },
        )


def is_embedded(chunk: Chunk, embed_large: bool) -> bool:
    """Whether a chunk gets a vector: small ones always, large ones where the switch says so."""
    return chunk.scale == "small" or embed_large


def _twin(document: Document) -> tuple[str, Artefact | None]:
    """Which file is ingested: the transformation if there is one, else the transcript."""
    role = "transformation" if "transformation" in document.artefacts else "transcript"
    return role, document.artefacts.get(role)


def _batched(chunks: Iterator[Chunk], size: int) -> Iterator[list[Chunk]]:
    while batch := list(itertools.islice(chunks, size)):
        yield batch
