"""The year of publication: title page and copyright line first, the file's creation date last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.transformer.reading import Block, Reading

EARLIEST, LATEST = 1450, 2099

_YEAR = re.compile(r"(?<![\d.,/$€£#-])(?:1[4-9]|20)\d\d(?![\d%]|[.,]\d|[–-]\d)")
_ARXIV = re.compile(r"arXiv:\s?(\d\d)\d\d\.\d{4,5}|arXiv:\S{1,30}.{0,40}?\b((?:19|20)\d\d)\b", re.IGNORECASE)
_COPYRIGHT = re.compile(r"(?:copyright|©|\(c\)|\bcopr\.).{0,80}", re.IGNORECASE)
_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|février|mar(?:ch)?|märz|mars|apr(?:il)?|avril|ma[iy]|june?|juni"
    r"|juin|july?|juli"
    r"|juillet|aug(?:ust)?|août|sep(?:t|tember|tembre)?|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?|de[cz](?:ember"
    r"|embre)?|décembre"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|gennaio|febbraio"
    r"|aprile|maggio"
    r"|giugno|luglio|settembre|ottobre|dicembre|januari|februari|maart|mei|augustus)"
)
_DATE = re.compile(
    rf"\b{_MONTH}\b\.?,?\s+(?:\d{{1,2}}(?:st|nd|rd|th)?(?:[–-]\d{{1,2}})?,?\s+)?(?:de\s+)?((?:1[4-9]|20)\d\d)\b"
    r"|\b((?:19|20)\d\d)[-./]\d{1,2}[-./]\d{1,2}\b|\b\d{1,2}[-./]\d{1,2}[-./]((?:19|20)\d\d)\b"
    r"|((?:19|20)\d\d)\s?[年년]",
    re.IGNORECASE,
)
_EXPIRY = re.compile(r"expir|valid until|gültig bis|valable jusqu|effective|deadline", re.IGNORECASE)
_STAMP = re.compile(r"D?:?((?:1[4-9]|20)\d\d)")


def year(reading: Reading, title: str) -> int | None:
    """Year of publication, 1450-2099, or None; evidence in falling order of trust."""
    first = [block for sheet in reading.front(2) for block in sheet.blocks[:60]]
    early = [block for sheet in reading.front(8) for block in sheet.blocks]
    edges = [*first[:60], *(b for sheet in reading.front(1) for b in sheet.blocks[-12:]), *reading.margins]
    for found in (
        _arxiv(edges),
        _dated(first[:30]),
        _copyright(early),
        _dated(reading.margins),
        _in(title),
        _bare(first[:20]),
        _dated([block for sheet in reading.front(4) for block in sheet.blocks[:60]]),
        _created(reading),
    ):
        value = next(found, None)
        if value is not None:
            return value
    return None


def is_date(text: str) -> bool:
    """Whether a line is a date and little else."""
    match = _DATE.search(text)
    return match is not None and len(text) - len(match.group()) <= 12


def _arxiv(blocks: list[Block]) -> Iterator[int]:
    for block in blocks:
        match = _ARXIV.search(block.text[:2000])
        if match and match.group(2):
            yield int(match.group(2))
        elif match:
            yield 2000 + int(match.group(1)) if int(match.group(1)) < 90 else 1900 + int(match.group(1))


def _dated(blocks: list[Block]) -> Iterator[int]:
    """Full dates and month-year dates in short lines."""
    for former, block in zip([None, *blocks], blocks, strict=False):
        expiry = _EXPIRY.search(block.text) or (former is not None and _EXPIRY.search(former.text[-40:]))
        if len(block.text) <= 200 and not expiry and "..." not in block.text and _tells(block):
            for match in _DATE.finditer(block.text):
                yield int(next(filter(None, match.groups())))


def _tells(block: Block) -> bool:
    """Whether a block may date the document: `31. Mai 2022` reads as a list item, other list items tell of events."""
    return block.kind in ("heading", "text") or (block.kind == "list" and is_date(block.text))


def _in(text: str) -> Iterator[int]:
    for match in _YEAR.finditer(text):
        yield int(match.group())


def _copyright(blocks: list[Block]) -> Iterator[int]:
    """The latest year of the first copyright line."""
    for block in blocks:
        for match in _COPYRIGHT.finditer(block.text[:4000]):
            years = [int(found.group()) for found in re.finditer(r"(?<!\d)(?:1[4-9]|20)\d\d(?!\d)", match.group())]
            if years:
                yield max(years)


def _bare(blocks: list[Block]) -> Iterator[int]:
    """A year in a short line of the title page."""
    for block in blocks:
        if len(block.text) <= 100 and block.kind in ("heading", "text"):
            yield from _in(block.text)


def _created(reading: Reading) -> Iterator[int]:
    match = _STAMP.match(reading.metadata.get("creationDate", ""))
    if match and int(match.group(1)) > 1980:
        yield int(match.group(1))
