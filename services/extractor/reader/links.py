"""Web addresses behind the text of a page, written as Markdown links.

Only addresses that lead out to the web, to mail or to a phone become links: a click on `javascript:`, `file:` or
`data:` would do something else than open a page. Where the text is itself the address it is left bare.
"""

from __future__ import annotations

import re

import pymupdf
from pymupdf import mupdf

from services.extractor.reader.piece import Piece
from services.extractor.reader.sheet import Link, Sheet
from services.extractor.reader.text import clean

_SAFE = re.compile(r"^(?:https?://|ftps?://|mailto:|tel:)[^\s]", re.I)
_UNSAFE_SIGN = re.compile(r"[\x00-\x20\x7f-\xa0<>()\[\]\\\"`{}|^\u2028\u2029\ufffd]")
_TOKEN = re.compile(r"[^\s()<>]*[^\s()<>.,;:]")
_SPACE = re.compile(r"\s+")
_CROP = 0.35  # of a link's height, above and below: its box often reaches into the next lines
LINK_LIMIT = 500
_LENGTH_LIMIT = 2000


def safe_uri(uri: str) -> str:
    """`uri` fit to stand in a Markdown link, or "" when it must not become one."""
    if len(uri) > _LENGTH_LIMIT or not _SAFE.match(uri):
        return ""
    return _UNSAFE_SIGN.sub(lambda sign: "".join(f"%{byte:02X}" for byte in sign.group().encode()), uri)


def read_links(page: pymupdf.Page, stext: mupdf.FzStextPage, sheet: Sheet) -> None:
    """Put the links of `page` that lead out of the document on `sheet`, in the order of their annotations."""
    link = mupdf.fz_load_links(page.this)
    seen = 0
    while link.m_internal and seen < LINK_LIMIT:
        seen += 1
        uri, box = link.m_internal.uri, link.m_internal.rect
        link = link.next()
        if not uri or not (uri := safe_uri(uri)):
            continue
        crop = _CROP * (box.y1 - box.y0)
        inner = mupdf.FzRect(box.x0 + 0.5, box.y0 + crop, box.x1 - 0.5, box.y1 - crop)
        text = _SPACE.sub(" ", clean(mupdf.fz_copy_rectangle(stext, inner, 0))).strip()
        if len(text) > 1 and len(text) < _LENGTH_LIMIT:
            middle = sheet.point_turned((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
            sheet.links.append(Link(*middle, text, uri))


def links_of(piece: Piece, links: list[Link]) -> list[Link]:
    """Those of `links` that lie on `piece`, in reading order."""
    inside = [link for link in links if piece.x0 - 2 < link.x < piece.x1 + 2 and piece.y0 - 2 < link.y < piece.y1 + 2]
    return sorted(inside, key=lambda link: place_of(piece, link)) if len(inside) > 1 else inside


def place_of(piece: Piece, link: Link) -> float:
    """About how many characters of `piece` stand before `link`."""
    passed = 0
    for row in piece.rows:
        if row.y0 - 1 <= link.y <= row.y1 + 1 and row.x0 - 2 <= link.x <= row.x1 + 2:
            return passed + len(row.text) * (link.x - row.x0) / max(1.0, row.x1 - row.x0)
        passed += len(row.text) + 1
    return float(passed)


def with_links(text: str, links: list[Link], places: list[float]) -> str:
    """`text` with `links` put on their words, near the character each is expected at; what is not found is left out."""
    spans: list[tuple[int, int, str]] = []
    start = 0
    for link, place in zip(links, places, strict=True):
        at, end = _find(text, link.text, start, place - len(link.text) / 2)
        if at < 0:
            continue
        token = _TOKEN.match(text, end)
        if token and _same(text[at : token.end()], link.uri):
            end = token.end()  # the annotation covers only the first part of the address
        if spans and spans[-1][2] == link.uri and not text[spans[-1][1] : at].strip():
            spans[-1] = (spans[-1][0], end, link.uri)  # a link that was broken over two lines
        else:
            spans.append((at, end, link.uri))
        start = end
    parts, done = [], 0
    for at, end, uri in spans:
        parts += [text[done:at], _marked(text[at:end], uri)]
        done = end
    return "".join(parts) + text[done:]


def _find(text: str, words: str, start: int, near: float) -> tuple[int, int]:
    """Where `words` stand in `text` from `start` on, closest to `near`; (-1, -1) when nowhere."""
    for form in (words, words[:-1] if words[-1] in "-\u2010\u00ad" else "", words.rstrip(".,;")):
        places: list[int] = []
        at = text.find(form, start) if len(form) > 1 else -1
        while at >= 0 and len(places) < 20:
            places.append(at)
            at = text.find(form, at + 1)
        if places:
            best = min(places, key=lambda place: abs(place - near))
            return best, best + len(form)
    loose = re.compile(r"\s?".join(map(re.escape, words.replace(" ", "")[:200])))
    found = loose.search(text, start)  # the two ways to read the page differ in the spaces between letters
    return found.span() if found else (-1, -1)


def _marked(words: str, uri: str) -> str:
    """`words` as a link to `uri`, or bare when they are the address themselves."""
    bare = words.replace(" ", "").replace("\\", "")
    tail = bare[len(bare.rstrip(".,;")) :]
    if _same(bare.rstrip(".,;"), uri):
        return bare.rstrip(".,;") + tail
    words = words.rstrip(".,;") if tail and "/" in bare and " " not in words else words
    tail = tail if not words.endswith(tail) else ""
    label = words.replace("[", "\\[").replace("]", "\\]")
    return f"[{label}]({uri}){tail}"


def _same(words: str, uri: str) -> bool:
    """Whether a reader of `words` finds the address in them without a link."""
    if not words.casefold().startswith(("http", "www.", "ftp")) and "@" not in words:
        return False
    short = uri.removeprefix("mailto:").rstrip("/").casefold()
    words = words.rstrip("/").casefold()
    return short == words or (words.startswith("www.") and short.split("//", 1)[-1] == words)
