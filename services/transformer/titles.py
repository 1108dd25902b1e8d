"""The title: what is printed large on the first pages; PDF metadata and outline are evidence, and distrusted."""

from __future__ import annotations

import re

from services.transformer.reading import Block, Reading, Sheet
from shared.mentions import fold as fold
from shared.mentions import words as words

LONGEST = 300

_JUNK = re.compile(
    r"(?:microsoft\s|powerpoint|untitled|unbenannt|sans titre|sin título|senza titolo|document\d*$|dokument\d*$"
    r"|presentation\d*$"
    r"|présentation|presentación de|präsentation\d*$|slide \d|page \d|layout \d|title$|titel$|no title|noname|none$"
    r"|null$|doc\d*$"
    r"|scan\w*$|新規文書|無題|제목 ?없음|문서\d*$|文档\d*$|未命名|template|latex|default)",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"[^\s]{1,200}\.(?:pdf|docx?|odt|indd|qxd|tex|dvi|pptx?|xlsx?|rtf|ps|eps|p65|pmd|html?|ai|cdr)\Z", re.IGNORECASE
)
_GENERIC = re.compile(
    r"(?:[\divxlc]{1,5}[.)]?\s+)?(?:table of )?(?:contents|abstract|introduction|preface|foreword|summary|cover"
    r"|index|purpose"
    r"|inhalt|inhaltsverzeichnis|einleitung|einführung|vorwort|zusammenfassung|sommaire|table des matières|résumé"
    r"|índice|indice"
    r"|resumen|sommario|inhoud|innehåll|目次|目录|目錄|차례|목차|概要|摘要|المحتويات|keywords|references|appendix|note|notes"
    r"|proposed rules|notices|effective date)\s*:?\Z",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:table|figure|fig\.|tabelle|abbildung|tableau|exhibit|page|seite|표|表)\s*(?:[A-Z]{0,3}[-.]?\d|[IVX]+\b)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[(（\[][^()（）]*[)）\]]")
_SECTION = re.compile(r"(?:\d{1,2}(?:\.\d{1,2}){1,3}\.?|\d{1,2}\.|1?\d)\s+\D")  # "32 Track Recorder" is none
_ADDRESS = re.compile(r"https?://|www\.|@|arxiv:|\bisbn\b|\bissn\b|\bdoi\b|\bvol(?:ume)?\.", re.IGNORECASE)
_CONTENTS = re.compile(
    r"(?:table of )?contents|inhalt(?:sverzeichnis)?|table des matières|sommaire|índice|indice|sommario"
    r"|inhoud(?:sopgave)?|innehåll"
    r"|spis treści|содержание|оглавление|目次|目录|目錄|차례|목차|المحتويات|תוכן",
    re.IGNORECASE,
)


def find(reading: Reading) -> str:
    """The title on one line, at most 300 characters; empty when nothing on the first pages is one."""
    stated = reading.metadata.get("title", "")
    stated = "" if is_junk(stated) else stated
    front = reading.front(3)
    printed = _printed(reading, front, stated)
    if stated and (_stands_in(stated, front[:2]) and len(words(stated)) >= max(2, len(words(printed)) - 1)):
        return stated[:LONGEST]
    if printed:
        return printed[:LONGEST]
    return (stated or _outlined(reading) or _first_line(front))[:LONGEST]


def is_junk(title: str) -> bool:
    """Whether a metadata title says nothing: an application's default, a file name, a code, a number."""
    text = title.strip()
    letters = sum(c.isalpha() for c in text)
    if letters < 2 or _JUNK.match(text) or _FILE.search(text.replace(" ", "_")):
        return True
    if " " not in text and ("_" in text or any(c.isdigit() for c in text)):
        return True
    return letters < 0.5 * sum(not c.isspace() for c in text)


def is_generic(text: str) -> bool:
    """Whether a heading names a part that every document has (contents, abstract), a table, a figure or a page."""
    return bool(_GENERIC.match(text) or _NUMBERED.match(text))


def _printed(reading: Reading, front: list[Sheet], stated: str) -> str:
    """The best heading of the first sheets, joined with the ones that continue it."""
    best, score = "", 0.0
    for nth, sheet in enumerate(front):
        headings = [
            n for n, block in enumerate(_before_contents(sheet)) if block.kind == "heading" and _usable(block.text)
        ]
        top = min((sheet.blocks[number].level for number in headings), default=1)
        for place, number in enumerate(headings[:8]):
            text = _joined(sheet.blocks, number, stated)
            value = (1.0, 0.45, 0.3)[nth] * (1.0, 0.93, 0.88, 0.8)[min(place, 3)] * _worth(text, stated)
            value /= 1 + 0.25 * (sheet.blocks[number].level - top)
            if value > score:
                best, score = text, value
    if _SECTION.match(best) or not best:
        best = _outlined(reading) or best
    return best if score >= 0.2 else ""


def _worth(text: str, stated: str) -> float:
    """How much a heading reads like a title, 1.0 = neither for nor against."""
    own = words(text)
    value = 1.0 if len(own) > 1 or len(text) > 7 else 0.7
    if _SECTION.match(text) or text[-1] in "$€%":
        value *= 0.6
    if text.isascii() and any(c.isdigit() for c in text) and len(own) <= 4 and text.upper() == text:
        value *= 0.5
    if stated and len(own) > 1 and len(set(own) & set(words(stated))) >= 0.7 * len(set(own)):
        value *= 1.5
    return value


def _before_contents(sheet: Sheet) -> list[Block]:
    """The sheet's blocks above a table of contents."""
    for number, block in enumerate(sheet.blocks):
        if is_contents(block.text):
            return sheet.blocks[:number]
    return sheet.blocks


def is_contents(text: str) -> bool:
    """Whether a line is the heading of a table of contents."""
    return _CONTENTS.fullmatch(text.strip(" :.")) is not None


def _usable(text: str) -> bool:
    letters = sum(c.isalpha() for c in text)
    if letters < 2 or len(text) > LONGEST or _BRACKETED.fullmatch(text) or is_generic(text) or _ADDRESS.search(text):
        return False
    if text[-1] == "." and (len(words(text)) > 15 or text[0].islower()):
        return False
    return letters > 0.45 * sum(not c.isspace() for c in text)


def _joined(blocks: list[Block], number: int, stated: str) -> str:
    """A heading with the directly following ones of its level while it is clearly unfinished or `stated` says so."""
    text = blocks[number].text
    for block in blocks[number + 1 : number + 4]:
        if block.kind != "heading" or not _usable(block.text) or len(text) + len(block.text) > LONGEST:
            break
        longer = f"{text} {block.text}"
        unfinished = text[-1] in ":-–—,&" or block.text[0].islower() or text.split()[-1].lower() in _OPEN_ENDED
        known = bool(stated) and len(words(stated)) > 2 and set(words(longer)) <= set(words(stated))
        if not (known or (block.level == blocks[number].level and unfinished)):
            break
        text = longer
    return text


_OPEN_ENDED = frozenset(
    [
        *("of", "and", "the", "for", "in", "on", "to", "a", "an", "with", "by", "from"),
        *("und", "der", "die", "das", "des", "für", "von", "zu", "im", "mit", "oder"),
        *("et", "de", "la", "le", "les", "du", "pour", "y", "del", "el", "los", "las", "para"),
        *("e", "di", "della", "dei", "per", "van", "het", "een", "voor", "och", "för", "av"),
    ]
)


def _stands_in(title: str, front: list[Sheet]) -> bool:
    wanted = fold(title)
    text = "".join(fold(block.text[:500]) for sheet in front for block in sheet.blocks[:40])
    return len(wanted) > 3 and wanted in text


def _outlined(reading: Reading) -> str:
    """The only top entry of an outline, when it leads to the first page."""
    top = [e for e in reading.outline if e.get("level") == 1 and e.get("page") == 1]
    title = str(top[0].get("title", "")).strip() if len(top) == 1 else ""
    return title if title and not is_junk(title) and not is_generic(title) else ""


def _first_line(front: list[Sheet]) -> str:
    """The first short line with words, where no heading was recognised."""
    for sheet in front[:1]:
        for block in sheet.blocks[:6]:
            if (
                block.kind == "text"
                and 3 <= len(block.text) <= 120
                and _usable(block.text)
                and block.text[-1] not in ".;,"
            ):
                return "" if block.text[0].islower() else block.text
    return ""
