"""The ingest phase: twin in storage -> chunks in storage and vectors in the index, under a new generation.

The twin is read from storage only (checklist A3.5). Nothing a search can see changes here: the gateway moves the
document's generation when it accepts the final report.
"""

from __future__ import annotations

import asyncio
import time

from services.ingestor import laws
from services.ingestor.boxes import page_boxes
from services.ingestor.chunks import Chunk, plan_body
from services.ingestor.kept_vectors import KeptVectors
from services.ingestor.linking import ANALYSES, INPUTS, Linking, gathered, read_inputs
from services.ingestor.links.texts import spot
from services.ingestor.pictures import PictureRun
from services.ingestor.provenance import made_by
from services.ingestor.run import Parts, Run
from services.ingestor.settings import IngestorSettings
from services.ingestor.tokens import Tokenizer
from shared import frontmatter, reading
from shared.anchors import split_pages
from shared.document import Document
from shared.gates import Verdict, fingerprint, ingest_gate, judge_verified
from shared.image_index import ImageIndex
from shared.job import Artefact, StepName
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Embedder, ImageEmbedder, Storage, VectorStore
from shared.ticket import Outcome, Ticket

ROWS = "rows-6"
"""Which kinds of rows an ingestion writes, and how; raise it when that changes, so that vectors are made anew."""
CHUNKS_PERCENT, ALL_PERCENT = 58.0, 94.0
"""Of the step's progress: where chunks end and pictures begin, and where pictures end. Neither is a mark of the
source's log (shared.commands.MARKS)."""


class Ingestion:
    """The phase's gate and work (shared.phase.Phase). Without an index of pictures they get no vectors; links are made
    all the same."""

    step = StepName.INGEST

    def __init__(
        self,
        storage: Storage,
        vectors: VectorStore,
        embedder: Embedder,
        tokenizer: Tokenizer,
        settings: IngestorSettings,
        images: ImageIndex | None = None,
        image_embedder: ImageEmbedder | None = None,
    ) -> None:
        self._storage, self._settings = storage, settings
        self._parts = Parts(vectors=vectors, embedder=embedder, tokenizer=tokenizer, settings=settings)
        self._images = (images, image_embedder) if images is not None and image_embedder is not None else None

    async def gate(self, ticket: Ticket) -> Verdict:
        """`gateIngestRag`: skip only if the doc exists AND chunkCount >= 1, made from the current twin."""
        parameters = ticket.parameters
        document = ticket.document
        recorded = ingest_gate(document, self._made_from(ticket))
        present = recorded
        if recorded:
            present = await self._parts.vectors.get_doc(document.document_id) is not None
        policies, phases = parameters.policies, parameters.phases
        return judge_verified(policies.ingest, phases.ingest, recorded, present, "ingest_exists")

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Chunk, embed, link, store, count what can be read back."""
        document = ticket.document
        role = _twin(document)[0]
        meta, body = frontmatter.parse((await reading.read(self._storage, document, role)).decode())
        plan = await asyncio.to_thread(plan_body, body, meta)
        report.mark("ingest_rag", f"policy {ticket.parameters.policies.ingest}, reading the {role}")
        report.mark("ingest_start", f"pages={document.pages} chapters={len(plan.chapters)}", pages=document.pages)
        for note in plan.notes:
            report.mark(note.phase, note.message)
        analyses = _sha256(document, ANALYSES)
        generation = fingerprint(*self._vector_parts(ticket), body, meta.get("title"), meta.get("chapters"), analyses)
        contents = await read_inputs(self._storage, document)
        pages = (await asyncio.to_thread(split_pages, body))[1]
        rows, pictures = contents["pages"].splitlines(), contents["images"].splitlines()
        boxes = await asyncio.to_thread(page_boxes, rows, pages, pictures)
        linking = await asyncio.to_thread(gathered, document, pages, contents)
        percent = CHUNKS_PERCENT if linking.materials.images and self._images else ALL_PERCENT
        embedder = KeptVectors(self._storage, self._parts.embedder, report.account, time.time())
        run = Run(self._parts, embedder, ticket, report, meta, body, plan, boxes, generation, percent)
        outputs = Outputs(self._storage, ticket.output_prefix)

        def take(chunk: Chunk) -> None:
            if linking.wanted and chunk.scale == "small":
                linking.spots.append(spot(chunk))

        await outputs.write("chunks.jsonl", run.rows(take), "chunks")
        await run.index_summaries()
        await self._read_back(run, document.document_id)
        if linking.materials.products:
            report.mark("CHUNKS_CREATED", f"{run.made['small']} chunks of {len(run.pages)} pages", **run.counts())
        made = await self._pictures(run, linking, document, report)
        if linking.wanted:
            await self._link(linking, outputs, made, report)
        await run.embedder.tidy()
        made_with = await asyncio.to_thread(made_by, self._parts, self._images[1].name if self._images else "", ROWS)
        return self._outcome(run, linking, made, ticket, await outputs.seal(made_with))

    async def _pictures(self, run: Run, linking: Linking, document: Document, report: Report) -> PictureRun | None:
        """Vectors of the distinct pictures; None where there are none, or no index for them."""
        if self._images is None or not linking.materials.images:
            return None
        pictures = await asyncio.to_thread(linking.pictures)
        index, embedder = self._images
        made = PictureRun(self._storage, index, embedder)

        async def progress(done: int, total: int) -> None:
            percent = CHUNKS_PERCENT + (ALL_PERCENT - CHUNKS_PERCENT) * done / max(total, 1)
            await report.progress(percent, f"picture {done} of {total}", checkpoint=run.checkpoint())

        await made.run(document, run.generation, pictures, progress)
        counts = made.counts
        laws.check_pictures(
            counts.pictures, counts.embedded, counts.lost, counts.unreadable, counts.written, counts.readable
        )
        said = f"{counts.embedded} of {counts.pictures} pictures, {counts.readable} vectors ({embedder.name})"
        report.mark("IMAGES_EXTRACTED", said, pictures=counts.pictures, vectors=counts.readable)
        return made

    async def _link(self, linking: Linking, outputs: Outputs, pictures: PictureRun | None, report: Report) -> None:
        await linking.write(self._storage, outputs, pictures.looks if pictures else {})
        laws.check_links(linking.made, linking.lost, linking.readable, linking.loose)
        counts = linking.counts()
        products = len(linking.materials.products)
        report.mark("PRODUCTS_CREATED", f"{products} products, {counts['links']} links", **counts)

    async def _read_back(self, run: Run, document_id: str) -> None:
        """Count what can be read back and check the laws."""
        written = {"chunk": run.searchable, "summary": run.summaries}
        vectors = self._parts.vectors
        readable = {kind: await vectors.count(document_id, run.generation, kind) for kind in written}
        counts = laws.Counts(
            pages=run.pages,
            made=run.made,
            embedded=run.embedded,
            stored=run.stored,
            written=written,
            readable=readable,
        )
        await asyncio.to_thread(laws.check, run.body, counts, embed_large=self._settings.embed_large)

    def _outcome(
        self, run: Run, linking: Linking, pictures: PictureRun | None, ticket: Ticket, outputs: dict[str, Artefact]
    ) -> Outcome:
        """The report: counts, log entries, and warnings that say what is not searchable and why."""
        images = pictures.counts.readable if pictures else 0
        counts = run.counts()
        if pictures:
            counts |= {"imagesEmbedded": pictures.counts.embedded, "imageVectors": images}
        if linking.wanted:
            counts |= linking.counts()
        return Outcome(
            outputs=outputs,
            entries=run.entries(images),
            warnings=[*run.warnings(), *(pictures.warnings() if pictures else []), *linking.warnings],
            counts=counts,
            facts={
                "madeFrom": self._made_from(ticket),
                "generation": run.generation,
                "embedder": run.embedder.name,
                "embedderVersion": run.embedder.version,
                "imageEmbedder": self._images[1].name if pictures and self._images else "",
                "chunkCount": run.searchable,
                "chaptersCount": run.chapters,
                "vectors": run.searchable + run.summaries + images,
            },
        )

    def _made_from(self, ticket: Ticket) -> str:
        """Fingerprint of what the vectors are made from, as known before the twin is read."""
        twin = _twin(ticket.document)[1]
        return fingerprint(twin.sha256 if twin else "", *self._vector_parts(ticket))

    def _vector_parts(self, ticket: Ticket) -> tuple[object, ...]:
        """What decides about chunks, vectors and links beside the text. A quality pass improves analyses afterwards:
        that alone is no reason to ingest anew, so they are left out."""
        settings, parts = self._settings, self._parts
        return (
            ROWS,
            ticket.document.document_id,
            parts.embedder.name,
            parts.embedder.dimension,
            parts.embedder.version,
            parts.tokenizer.name,
            (settings.small_core, settings.small_guard, settings.large_core, settings.large_guard),
            settings.embed_large,
            settings.chunker,
            self._images[1].name if self._images else "",
            *(_sha256(ticket.document, role) for role in INPUTS),
        )


def _sha256(document: Document, role: str) -> str:
    artefact = document.artefacts.get(role)
    return artefact.sha256 if artefact else ""


def _twin(document: Document) -> tuple[str, Artefact | None]:
    """Which file is ingested: the transformation if there is one, else the transcript."""
    role = "transformation" if "transformation" in document.artefacts else "transcript"
    return role, document.artefacts.get(role)
