"""Conservation laws of an ingestion: nothing is lost on the way, and what is not so fails with the numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from services.ingestor.segments import NO_PAGE
from shared.anchors import split_pages
from shared.errors import ShadowtwinError
from shared.imaging import SPACES
from shared.pictures import without_references


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What one ingestion has counted: chunks by scale, vectors by kind, and the pages that its chunks name."""

    pages: Collection[int]
    made: Mapping[str, int]
    embedded: Mapping[str, int]
    stored: Mapping[str, int]
    written: Mapping[str, int]
    readable: Mapping[str, int]


def check(body: str, counts: Counts, *, embed_large: bool) -> None:
    """Pages with text = pages with chunks; made = embedded = stored for each scale; written = readable back for each
    kind. Raises ShadowtwinError conservation_violated."""
    missing = sorted(pages_with_text(body).difference(counts.pages))
    if missing:
        raise _violated(f"{len(missing)} pages have text but no chunk: {', '.join(map(str, missing[:20]))}")
    for scale, made in counts.made.items():
        wanted = made if scale == "small" or embed_large else 0
        embedded, stored = counts.embedded[scale], counts.stored[scale]
        if not wanted == embedded == stored:
            raise _violated(
                f"{made} {scale} chunks were made, {wanted} were to be embedded, {embedded} were, {stored} were stored"
            )
    for kind, written in counts.written.items():
        if counts.readable[kind] != written:
            raise _violated(f"{written} {kind} vectors were written, {counts.readable[kind]} can be read back")


def check_pictures(pictures: int, embedded: int, lost: int, unreadable: int, written: int, readable: int) -> None:
    """Distinct pictures = those with vectors + those that cannot be read; of the former each that no store has refused
    has a row in every space, and all of these can be read back. More can be, if an earlier attempt at the same content
    could read a picture that this one could not. Raises ShadowtwinError conservation_violated."""
    if embedded + unreadable != pictures:
        raise _violated(f"{pictures} pictures, {embedded} with vectors, {unreadable} unreadable")
    wanted = (embedded - lost) * len(SPACES)
    if not wanted == written <= readable <= pictures * len(SPACES):
        raise _violated(f"{wanted} image vectors were to be written, {written} were, {readable} can be read back")


def check_links(made: Mapping[str, int], lost: Mapping[str, int], readable: Mapping[str, int], loose: int) -> None:
    """Links made = lost (and told) + readable back, for each kind; and both ends of each exist."""
    for kind in sorted({*made, *lost, *readable}):
        counts = made.get(kind, 0), lost.get(kind, 0), readable.get(kind, 0)
        if counts[0] != counts[1] + counts[2]:
            raise _violated(f"{counts[0]} {kind} links were made, {counts[1]} lost, {counts[2]} can be read back")
    if loose:
        raise _violated(f"{loose} links lead to what is not there")


def has_text(body: str) -> bool:
    """Whether there is anything to be chunked."""
    return bool(split_pages(body)[0].strip()) or bool(pages_with_text(body))


def pages_with_text(body: str) -> set[int]:
    """Numbers of the pages that hold more than pictures; a page 0 counts as none."""
    return {page.number for page in split_pages(body)[1] if without_references(page.text).strip()} - {NO_PAGE}


def _violated(numbers: str) -> ShadowtwinError:
    return ShadowtwinError("conservation_violated", f"{numbers}.")
