"""One ingestion of a text: chunks and summaries, embedded, stored and counted while they stream into chunks.jsonl."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import msgspec

from services.ingestor import laws
from services.ingestor.boxes import PageBoxes
from services.ingestor.chapters import ChapterPlan
from services.ingestor.chunks import Chunk, make_chunks
from services.ingestor.kept_vectors import KeptVectors
from services.ingestor.rows import chunk_row, summary_row
from services.ingestor.settings import IngestorSettings
from services.ingestor.tokens import Tokenizer
from services.ingestor.windows import Shape
from shared.phase import Report
from shared.ports import Embedder, VectorStore
from shared.ticket import Ticket

WRITE_BATCH = 256

T = TypeVar("T")


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What an ingestion works with."""

    vectors: VectorStore
    embedder: Embedder
    tokenizer: Tokenizer
    settings: IngestorSettings


class Run:
    """One ingestion; its generation is named by the content, so that an attempt repeated after a crash writes the
    same rows again and another content never mixes with them. It streams chunks to the index and to chunks.jsonl and
    counts both."""

    def __init__(
        self,
        parts: Parts,
        embedder: KeptVectors,
        ticket: Ticket,
        report: Report,
        meta: dict[str, Any],
        body: str,
        plan: ChapterPlan,
        boxes: PageBoxes,
        generation: str,
        percent: float = 94.0,
    ) -> None:
        self._parts, self._ticket, self._report, self._percent = parts, ticket, report, percent
        self._meta, self.body, self._plan, self._boxes = meta, body, plan, boxes
        self.generation = generation
        self.embedder = embedder
        self.made = {"small": 0, "large": 0}
        self.embedded = {"small": 0, "large": 0}
        self.stored = {"small": 0, "large": 0}
        self.pages: set[int] = set()
        self.summaries = 0
        self.seconds = {"chunking": 0.0, "embedding": 0.0}

    async def rows(self, take: Callable[[Chunk], None]) -> AsyncIterator[bytes]:
        """The lines of chunks.jsonl; every batch is in the index before its lines are given on. Each chunk is shown to
        `take`."""
        settings = self._parts.settings
        chunks = make_chunks(
            self.body,
            self._meta,
            self._ticket.document.document_id,
            tokenizer=self._parts.tokenizer,
            small=Shape(settings.small_core, settings.small_guard, settings.small_guard),
            large=Shape(settings.large_core, settings.large_guard, settings.large_guard),
            plan=self._plan,
            boxes=self._boxes,
            chunker=settings.chunker,
        )
        batches = _batched(chunks, settings.embed_batch)
        before = self._stored_before()
        pages = self._ticket.document.pages
        while batch := await self._timed("chunking", asyncio.to_thread(next, batches, None)):
            wanted = [chunk for chunk in batch if is_embedded(chunk, settings.embed_large)]
            if sum(self.made.values()) + len(batch) <= before:
                self.embedder.keep([chunk.embedding_text for chunk in wanted])
                self._count(wanted, self.embedded)
                self._count(wanted, self.stored)
            else:
                await self._index(wanted)
            self._count(batch, self.made)
            for chunk in batch:
                self.pages.update(chunk.pages)
                take(chunk)
            last = min(max(self.pages, default=0), pages)
            await self._report.progress(
                self._percent * last / max(pages, 1),
                "embedding",
                last,
                pages,
                checkpoint=self.checkpoint(),
            )
            yield b"".join(msgspec.json.encode(chunk) + b"\n" for chunk in batch)

    async def _timed(self, stage: str, work: Awaitable[T]) -> T:
        """The work's result; the time it took counts for the stage."""
        started = time.monotonic()
        try:
            return await work
        finally:
            self.seconds[stage] += time.monotonic() - started

    def checkpoint(self) -> dict[str, Any]:
        """What the next attempt need not do again."""
        return {"generation": self.generation, "chunks": sum(self.made.values())}

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
        texts = [chunk.embedding_text for chunk in chunks]
        vectors = await self._timed("embedding", self.embedder.embed(texts))
        pairs = list(zip(chunks, vectors, strict=True))
        self._count(chunks, self.embedded)
        document = self._ticket.document
        for start in range(0, len(pairs), WRITE_BATCH):
            batch = pairs[start : start + WRITE_BATCH]
            await self._parts.vectors.write(
                [chunk_row(document, self.generation, chunk, vector) for chunk, vector in batch]
            )
            self._count([chunk for chunk, _ in batch], self.stored)

    async def index_summaries(self) -> None:
        """A vector for every chapter that has a summary, with or without text of its own (checklist A3.39)."""
        chapters = [chapter for chapter in self._plan.chapters if chapter.summary]
        for start in range(0, len(chapters), WRITE_BATCH):
            batch = chapters[start : start + WRITE_BATCH]
            texts = [f"{' / '.join(chapter.path)}\n{chapter.summary}" for chapter in batch]
            vectors = await self._timed("embedding", self.embedder.embed(texts))
            rows = [
                summary_row(self._ticket.document, self.generation, chapter, start + at, vector)
                for at, (chapter, vector) in enumerate(zip(batch, vectors, strict=True))
            ]
            await self._parts.vectors.write(rows)
            self.summaries += len(rows)

    @property
    def chapters(self) -> int:
        """Chapters of the text."""
        return len(self._plan.chapters)

    @property
    def searchable(self) -> int:
        """Chunks with a vector."""
        return sum(self.stored.values())

    def entries(self, others: int) -> list[dict[str, Any]]:
        """Log entries; `others` are vectors of pictures."""
        vectors = self.searchable + self.summaries + others
        return [
            {
                "phase": "ingest_chunking_done",
                "message": f"{sum(self.made.values())} chunks, {vectors + 1} vectors",
                "small": self.made["small"],
                "large": self.made["large"],
                **self.embedder.told(),
            },
            {
                "phase": "ingest_pinecone_upserted",
                "message": f"{vectors} vectors upserted and read back in {self._parts.vectors.name}",
                "vectors": vectors,
                "summaries": self.summaries,
            },
        ]

    def warnings(self) -> list[dict[str, Any]]:
        """Why nothing is searchable, if nothing is."""
        if self.searchable:
            return []
        reason = "the twin holds no text" if not laws.has_text(self.body) else "no chunk was made of its text"
        return [{"code": "no_chunks", "message": f"0 chunks, 1 vector (doc meta only): {reason}."}]

    def counts(self) -> dict[str, int]:
        """What the job counts; times (milliseconds, of this attempt) as well (checklist A4.13)."""
        spent = {f"{stage}Ms": round(seconds * 1000) for stage, seconds in self.seconds.items()}
        made = {"chunksSmall": self.made["small"], "chunksLarge": self.made["large"], "summaries": self.summaries}
        return {**made, **spent}


def is_embedded(chunk: Chunk, embed_large: bool) -> bool:
    """Whether a chunk gets a vector: small ones always, large ones where the switch says so."""
    return chunk.scale == "small" or embed_large


def _batched(chunks: Iterator[Chunk], size: int) -> Iterator[list[Chunk]]:
    while batch := list(itertools.islice(chunks, size)):
        yield batch
