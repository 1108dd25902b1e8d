"""Chunks of a twin: small and large token windows from one tokenisation, streamed, with exact places in the body.

Pages are tokenised one after another and only the tokens of the widest window are kept, so memory does not grow with
the document. The work is plain CPU: run the iterator in a thread, never in the event loop.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from services.ingestor.chapters import ChapterPlan, plan_chapters
from services.ingestor.segments import NO_PAGE, Part, Segment, segments
from services.ingestor.windows import LARGE, SMALL, Cursor, Shape, Window, small_per_large
from shared.anchors import page_count, split_pages

PIECE = 20_000
"""Most characters tokenised in one call."""
_BREAK = re.compile(r"\s(?=\S)")


class Tokenizer(Protocol):
    """Cuts text into tokens; `name` tells which, because windows depend on it."""

    name: str

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Character offsets `[start, end)` of each token, ascending."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a segment. Offsets are characters of the twin's body, `[start, end)`.

    `text` is the whole window: the stretches `parts`, one a page, joined by a blank line; anchors lie between them.
    The cores `[core_start, core_end)` of one scale never overlap within a segment and together cover it.
    `position` counts chunks of the scale in the document; `large_position` is that of the large chunk with this core.
    `header` (document title and chapter path) is embedded with the text but not shown as text.
    """

    chunk_id: str
    scale: str
    position: int
    large_position: int
    text: str
    header: str
    chapter: tuple[str, ...]
    pages: list[int]
    parts: list[Part]
    start: int
    end: int
    core_start: int
    core_end: int
    tokens: int

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
) -> Iterator[Chunk]:
    """The chunks of both scales, each scale in the order of the text; a blank body has none.

    `meta` is the frontmatter; `plan` (from `plan_body`) saves making it twice. The same arguments always give the
    same chunks and ids. Raises ConfigurationError when the large core is no multiple of the small one.
    """
    ratio = small_per_large(small, large)
    preamble, pages = split_pages(body)
    plan = plan or plan_chapters(meta, pages, page_count(body, meta.get("pages")))
    title = meta.get("title")
    maker = _Maker(body, document_id, title.strip() if isinstance(title, str) else "", ratio)
    for segment in segments(body, preamble, pages, plan):
        yield from maker.segment(segment, tokenizer, {"small": small, "large": large})


def plan_body(body: str, meta: Mapping[str, Any]) -> ChapterPlan:
    """The chapters of a body, repaired, with what is to be logged about them."""
    return plan_chapters(meta, split_pages(body)[1], page_count(body, meta.get("pages")))


def chunk_id(document_id: str, scale: str, position: int, text: str) -> str:
    """The deterministic id: repeated text, other documents and other scales all get ids of their own."""
    digest = hashlib.sha256(f"{document_id}\0{scale}\0{position}\0{text}".encode("utf-8", "surrogatepass"))
    return f"chunk-{scale}-{digest.hexdigest()[:24]}"


class _Tokens:
    """The tokens of a segment that are still needed, numbered from the segment's first one, piece by piece."""

    def __init__(self) -> None:
        self.count = 0
        self.firsts: list[int] = []
        self.pieces: list[tuple[int, Sequence[tuple[int, int]]]] = []

    def add(self, offset: int, spans: Sequence[tuple[int, int]]) -> None:
        """The tokens of the next piece, which begins at `offset` in the body."""
        if spans:
            self.firsts.append(self.count)
            self.pieces.append((offset, spans))
            self.count += len(spans)

    def span(self, token: int) -> tuple[int, int]:
        """Characters `[start, end)` of the body."""
        index = bisect_right(self.firsts, token) - 1
        offset, spans = self.pieces[index]
        start, end = spans[token - self.firsts[index]]
        return start + offset, end + offset

    def border(self, token: int) -> int:
        """Where the text before a token ends: cores tile, even where several tokens make one character."""
        return self.span(token)[0] if token < self.count else self.span(token - 1)[1]

    def forget_before(self, token: int) -> None:
        """Drop the pieces that hold only tokens before this one."""
        drop = bisect_right(self.firsts, token) - 1
        if drop > 0:
            del self.firsts[:drop], self.pieces[:drop]


class _Maker:
    """Counts positions over the segments of one document and turns windows into chunks."""

    def __init__(self, body: str, document_id: str, title: str, ratio: int) -> None:
        self.body, self.document_id, self.title, self.ratio = body, document_id, title, ratio
        self.positions = {"small": 0, "large": 0}

    def segment(self, segment: Segment, tokenizer: Tokenizer, shapes: dict[str, Shape]) -> Iterator[Chunk]:
        """The chunks of one segment, as soon as their windows are complete."""
        cursors = {scale: Cursor(shape) for scale, shape in shapes.items()}
        large_base = self.positions["large"]
        tokens = _Tokens()
        # one piece is held back: only after the last one is known that no token follows
        for piece, final in _with_last(_pieces(self.body, segment.parts)):
            tokens.add(piece.start, tokenizer.spans(self.body[piece.start : piece.end]))
            for scale, cursor in cursors.items():
                for window in cursor.ready(tokens.count, final=final):
                    large = large_base + (window.core_start // shapes["large"].core)
                    yield self._chunk(scale, window, tokens, segment, large)
            tokens.forget_before(min(cursor.first_needed for cursor in cursors.values()))

    def _chunk(self, scale: str, window: Window, tokens: _Tokens, segment: Segment, large: int) -> Chunk:
        position = self.positions[scale]
        self.positions[scale] += 1
        start, end = tokens.span(window.start)[0], tokens.span(window.end - 1)[1]
        parts = _within(segment.parts, start, end)
        text = "\n\n".join(self.body[part.start : part.end] for part in parts)
        return Chunk(
            chunk_id=chunk_id(self.document_id, scale, position, text),
            scale=scale,
            position=position,
            large_position=large,
            text=text,
            header=" > ".join(name for name in (self.title, *segment.path) if name),
            chapter=segment.path,
            pages=sorted({part.page for part in parts} - {NO_PAGE}),
            parts=parts,
            start=start,
            end=end,
            core_start=tokens.span(window.core_start)[0],
            core_end=tokens.border(window.core_end),
            tokens=window.end - window.start,
        )


def _within(parts: list[Part], start: int, end: int) -> list[Part]:
    """The parts, cut to `[start, end)`; the parts of a segment are ascending."""
    first = max(bisect_right(parts, start, key=lambda part: part.start) - 1, 0)
    found: list[Part] = []
    for part in parts[first:]:
        if part.start >= end:
            break
        if part.end > start:
            found.append(Part(part.page, max(part.start, start), min(part.end, end)))
    return found


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
