"""Chunks of a twin: small and large ones from one tokenisation, streamed, with exact places in body and pages.

Pages are tokenised one after another and only the tokens of the widest window are kept, so memory does not grow with
the document. A large chunk comes first and then the small ones within its core, its children. The work is plain CPU:
run the iterator in a thread, never in the event loop.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.ingestor.boxes import Box, PageBoxes
from services.ingestor.chapters import ChapterPlan, plan_chapters
from services.ingestor.segments import NO_PAGE, Part, Segment, segments
from services.ingestor.structure import Passage, families
from services.ingestor.tokens import Tokenizer, Tokens
from services.ingestor.windows import LARGE, SMALL, Cursor, Shape, Window, small_per_large
from shared.anchors import page_count, split_pages

PIECE = 20_000
"""Most characters tokenised in one call."""
CHUNKERS = ("windows", "structure")
_BREAK = re.compile(r"\s(?=\S)")


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a segment. Offsets are characters of the twin's body, `[start, end)`.

    `text` is the whole piece: the stretches `parts`, one a page, joined by a blank line; anchors lie between them.
    The cores `[core_start, core_end)` of one scale never overlap within a segment and together cover it.
    `position` counts chunks of the scale in the document; `large_position` and `parent_id` are those of the large
    chunk with this core (a large chunk is its own). `boxes` are the blocks of the pages that the text touches.
    `header` (document title, chapter path, and what else the text stands under) is embedded with it, but not text.
    `chunk_type` is ocr where any of the text was recognised in a picture of its page (checklist A0.36), with the lowest
    `ocr_confidence` (0-1) of these pages, else text; `image_index`, `image_key` (below the document's folder) and
    `image_size` (WxH in pixels) name the picture that the first of these pages was recognised in, if it is stored.
    """

    chunk_id: str
    scale: str
    position: int
    large_position: int
    parent_id: str
    text: str
    header: str
    chapter: tuple[str, ...]
    pages: list[int]
    parts: list[Part]
    boxes: list[Box]
    start: int
    end: int
    core_start: int
    core_end: int
    tokens: int
    chunk_type: str = "text"
    ocr_confidence: float | None = None
    image_index: int | None = None
    image_key: str = ""
    image_size: str = ""

    @property
    def embedding_text(self) -> str:
        """What is embedded: the context header above the text."""
        return f"{self.header}\n\n{self.text}" if self.header else self.text


def make_chunks(
    body: str,
    meta: Mapping[str, Any],
    document_id: str,
    *,
    tokenizer: Tokenizer,
    small: Shape = SMALL,
    large: Shape = LARGE,
    plan: ChapterPlan | None = None,
    boxes: PageBoxes | None = None,
    chunker: str = "windows",
) -> Iterator[Chunk]:
    """The chunks of both scales, each scale in the order of the text; a blank body has none.

    `meta` is the frontmatter; `plan` (from `plan_body`) saves making it twice. `chunker` is one of CHUNKERS. The same
    arguments always give the same chunks and ids. Raises ConfigurationError when the large core is no multiple of the
    small one.
    """
    ratio = small_per_large(small, large)
    preamble, pages = split_pages(body)
    plan = plan or plan_chapters(meta, pages, page_count(body, meta.get("pages")))
    title = meta.get("title")
    maker = _Maker(body, document_id, title.strip() if isinstance(title, str) else "", boxes or PageBoxes({}))
    for segment in segments(body, preamble, pages, plan):
        if chunker == "structure":
            yield from maker.passages(segment, tokenizer, small, large)
        else:
            yield from maker.windows(segment, tokenizer, small, large, ratio)


def plan_body(body: str, meta: Mapping[str, Any]) -> ChapterPlan:
    """The chapters of a body, repaired, with what is to be logged about them."""
    return plan_chapters(meta, split_pages(body)[1], page_count(body, meta.get("pages")))


def chunk_id(document_id: str, scale: str, position: int, text: str) -> str:
    """The deterministic id: repeated text, other documents and other scales all get ids of their own."""
    digest = hashlib.sha256(f"{document_id}\0{scale}\0{position}\0{text}".encode("utf-8", "surrogatepass"))
    return f"chunk-{scale}-{digest.hexdigest()[:24]}"


class _Maker:
    """Counts positions over the segments of one document and turns windows and passages into chunks."""

    def __init__(self, body: str, document_id: str, title: str, boxes: PageBoxes) -> None:
        self.body, self.document_id, self.title, self.boxes = body, document_id, title, boxes
        self.positions = {"small": 0, "large": 0}

    def windows(
        self, segment: Segment, tokenizer: Tokenizer, small: Shape, large: Shape, ratio: int
    ) -> Iterator[Chunk]:
        """The windows of one segment, as soon as a large one and all small ones in its core are complete."""
        cursor = Cursor(large, max(large.left, small.left), max(large.right, small.right))
        tokens = Tokens()
        # one piece is held back: only after the last one is known that no token follows
        for piece, final in _with_last(_pieces(self.body, segment.parts)):
            tokens.add(piece.start, tokenizer.spans(self.body[piece.start : piece.end]))
            for window in cursor.ready(tokens.count, final=final):
                parent = self._window("large", window, tokens, segment, "")
                yield parent
                first = window.core_start // small.core
                for index in range(first, first + ratio):
                    if index * small.core < window.core_end:
                        child = small.window(index, tokens.count)
                        yield self._window("small", child, tokens, segment, parent.chunk_id)
            tokens.forget_before(cursor.first_needed)

    def passages(self, segment: Segment, tokenizer: Tokenizer, small: Shape, large: Shape) -> Iterator[Chunk]:
        """Whole paragraphs, lists, tables and sections, a large chunk before the small ones that it is made of."""
        for children in families(self.body, segment.parts, tokenizer, small, large):
            first, last = children[0], children[-1]
            whole = Passage(first.start, last.end, sum(child.tokens for child in children), first.headings, "")
            parent = self._passage("large", whole, segment, "")
            yield parent
            for child in children:
                yield self._passage("small", child, segment, parent.chunk_id)

    def _window(self, scale: str, window: Window, tokens: Tokens, segment: Segment, parent: str) -> Chunk:
        start, end = tokens.span(window.start)[0], tokens.span(window.end - 1)[1]
        core = tokens.span(window.core_start)[0], tokens.border(window.core_end)
        return self._chunk(scale, segment, (start, end), core, window.end - window.start, (), parent)

    def _passage(self, scale: str, passage: Passage, segment: Segment, parent: str) -> Chunk:
        core = passage.start, passage.end
        place = passage.start, passage.start + len(self.body[slice(*core)].rstrip())
        under = (*passage.headings, passage.columns)
        return self._chunk(scale, segment, place, core, passage.tokens, under, parent)

    def _chunk(
        self,
        scale: str,
        segment: Segment,
        place: tuple[int, int],
        core: tuple[int, int],
        tokens: int,
        under: Sequence[str],
        parent: str,
    ) -> Chunk:
        position = self.positions[scale]
        self.positions[scale] += 1
        parts = _within(segment.parts, *place)
        text = "\n\n".join([self.body[part.start : part.end] for part in parts])
        name = chunk_id(self.document_id, scale, position, text)
        confidence, picture = self.boxes.confidence(parts), self.boxes.picture(parts)
        return Chunk(
            chunk_id=name,
            scale=scale,
            position=position,
            large_position=self.positions["large"] - 1,
            parent_id=parent or name,
            text=text,
            header=_header(self.title, segment.path, under),
            chapter=segment.path,
            pages=sorted({part.page for part in parts} - {NO_PAGE}),
            parts=parts,
            boxes=self.boxes.of(parts),
            start=place[0],
            end=place[1],
            core_start=core[0],
            core_end=core[1],
            tokens=tokens,
            chunk_type="text" if confidence is None else "ocr",
            ocr_confidence=confidence,
            image_index=picture.number if picture else None,
            image_key=picture.key if picture else "",
            image_size=f"{picture.width}x{picture.height}" if picture else "",
        )


def _header(title: str, path: Sequence[str], under: Sequence[str]) -> str:
    """Title, chapters and headings, each once."""
    return " > ".join(dict.fromkeys(name for name in (title, *path, *under) if name))


def _within(parts: list[Part], start: int, end: int) -> list[Part]:
    """The parts, cut to `[start, end)`; the parts of a segment are ascending."""
    first = max(bisect_right(parts, start, key=_start) - 1, 0)
    found: list[Part] = []
    for part in parts[first:]:
        if part.start >= end:
            break
        if part.end > start:
            found.append(Part(part.page, max(part.start, start), min(part.end, end)))
    return found


def _start(part: Part) -> int:
    return part.start


def _pieces(body: str, parts: list[Part]) -> Iterator[Part]:
    """The parts in pieces of at most PIECE characters, cut before white space where there is some."""
    for part in parts:
        start = part.start
        while part.end - start > PIECE:
            cut = start + PIECE
            breaks = [match.start() for match in _BREAK.finditer(body, cut - 500, cut)]
            cut = breaks[-1] if breaks else cut
            yield Part(part.page, start, cut)
            start = cut
        yield Part(part.page, start, part.end)


def _with_last(pieces: Iterator[Part]) -> Iterator[tuple[Part, bool]]:
    held = next(pieces, None)
    while held is not None:
        following = next(pieces, None)
        yield held, following is None
        held = following
