"""Ranking of what a vector store found: windows become passages of one page, ordered by both rankings and their words.

A window runs over several pages, but an answer stands on one. So the windows found are cut at page borders and those of
a page are put together; a page is scored by its best window's rank and by BM25 over the passages found, in which words
of headings count more, because a heading says what the rest of its page is about. Pure functions over text; no rule
knows a document or a kind of document.
"""

from __future__ import annotations

import bisect
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.pictures import without_references
from shared.ports import Hit, VectorRow

K1, B = 2.0, 0.75
"""BM25, textbook values: how late a word's count saturates, how much length counts against a passage."""
HEADING, HEADER = 5.0, 0.5
"""What a word counts in a heading of the passage beside its place in the text, and in the context header."""
LEXICAL = 0.5
"""Share of the words in a passage's score; the rest is the store's own ranking of its best window."""
SAME_STEM = 0.7
"""What a word counts that only begins alike (format, formats; designed, designer)."""
CONTENTS = 0.5
"""What a passage counts that is a table of contents: it has the words of all headings, and answers nothing."""
GAP = "\n\n…\n\n"
CONFIDENT = 0.6
"""From here on a hit holds so much of what was asked that it may be taken for an answer."""
EXCERPT, LEAD, SLACK = 200, 100, 30
"""Characters in which the words of an excerpt stand, before them where its sentence begins, and to the last blank."""
_ENTRY = re.compile(r"\.{3}\s*\d{1,4}\s*$")
_SENTENCE = re.compile(r"[.!?:]\s+|[。！？]\s*|\n\s*")
_BLANK = re.compile(r"\s+")
_WORD = re.compile(r"\w+(?:[-./,&]\w+)*")
_PART = re.compile(r"\w+")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s.*$", re.MULTILINE)
_STEM = 4
_FUNCTION_WORDS = frozenset(
    """
    a an the of in on at by for from to with and or is are was were be been do does did has have had what which who
    whom whose where when why how often much many it its this that these those there i you we they can could will
    would should about as not der die das den dem des ein eine einer eines einem einen und oder ist sind war waren
    wird werden hat haben was wer wen wem wessen welche welcher welches welchen wo wann warum wie im am zum zur von
    vom zu mit für auf aus bei nach le la les un une des du de et ou est sont quel quelle quels quelles qui que quoi
    où quand comment pour dans sur avec el los las una uno y o es son qué cuál cuáles quién dónde cuándo cómo para en
    con por il lo gli che chi quale
    """.split()  # noqa: SIM905
)


class Span(NamedTuple):
    """A stretch of a row's text: characters `[start, end)` of the body, and the text itself."""

    start: int
    end: int
    text: str


class Passage(msgspec.Struct, kw_only=True):
    """What was found on one page of a document; `page` is 0 where it is not known. `rows` begins with the best one."""

    page: int
    rows: list[VectorRow]
    spans: list[Span]
    fused: float
    score: float = 0.0
    confidence: float = 0.0

    @property
    def text(self) -> str:
        """The stretches in the order of the page."""
        return GAP.join(span.text.strip() for span in self.spans)


def terms(text: str) -> list[str]:
    """The words of a text, casefolded; a compound like an article number is one word, and its parts are too."""
    found: list[str] = []
    for match in _WORD.finditer(text.casefold()):
        word = match.group()
        found.append(word)
        parts = _PART.findall(word)
        if len(parts) > 1:
            found += parts
    return found


def asked(query: str) -> list[str]:
    """The words of a query that say what is wanted; all of them when none is left."""
    words = list(dict.fromkeys(terms(query)))
    return [word for word in words if word not in _FUNCTION_WORDS] or words


def rank(query: str, hits: Sequence[Hit], *, by_page: bool) -> list[Passage]:
    """The passages of the hits, best first; with `by_page` one for each page of a document."""
    passages = list(_passages(hits, by_page=by_page))
    wanted = asked(query)
    bags = [_bag(passage) for passage in passages]
    scores, shares = _bm25(wanted, bags)
    # who holds more of what was asked comes before who holds one word of it often or in a heading
    lexical = [score * (2 + share) / 3 for score, share in zip(scores, shares, strict=True)]
    most_fused = max((passage.fused for passage in passages), default=0.0) or 1.0
    most_lexical = max(lexical, default=0.0) or 1.0
    for passage, words, share in zip(passages, lexical, shares, strict=True):
        passage.score = (1 - LEXICAL) * passage.fused / most_fused + LEXICAL * words / most_lexical
        if _is_contents(passage.text):
            passage.score *= CONTENTS
        passage.confidence = share
    return sorted(passages, key=lambda passage: -passage.score)


def highlights(query: str, text: str) -> list[tuple[int, int]]:
    """Where the text has words of the query: characters `[start, end)`, ascending, at most 100."""
    wanted = asked(query)
    found: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        word = match.group().casefold()
        if any(word == want or _alike(word, want) for want in wanted):
            found.append(match.span())
        elif len(_PART.findall(word)) > 1:
            parts = _PART.finditer(text, match.start(), match.end())
            found += [part.span() for part in parts if part.group().casefold() in wanted]
    return found[:100]


def excerpt(text: str, found: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The stretch to show where there is no room for all of the text: characters `[start, end)`, at most 300, with most
    of the different words found, from the beginning of a sentence or line where one is near."""
    stems = [text[start:end].casefold()[:_STEM] for start, end in found]
    ends = [end for _, end in found]
    most, first, last = 0, len(text) - len(text.lstrip()), 0
    for number, (begin, _) in enumerate(found):
        behind = bisect.bisect_right(ends, begin + EXCERPT)
        worth = 10 * len(set(stems[number:behind])) + behind - number
        if worth > most:
            most, first, last = worth, begin, ends[behind - 1] if behind > number else begin
    start = _beginning(text, first)
    end = min(len(text), start + LEAD + EXCERPT)
    if end < len(text):
        blanks = list(_BLANK.finditer(text, max(last, end - SLACK), end))
        end = blanks[-1].start() if blanks else end
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _beginning(text: str, at: int) -> int:
    """Of the sentence, the line or at least a word within LEAD characters before."""
    lead = max(0, at - LEAD)
    breaks = list(_SENTENCE.finditer(text, lead, at))
    if breaks or not lead:
        return breaks[-1].end() if breaks else 0
    blank = _BLANK.search(text, lead, at)
    return blank.end() if blank else lead


def _passages(hits: Sequence[Hit], *, by_page: bool) -> Iterator[Passage]:
    groups: dict[tuple[str, int, str], Passage] = {}
    for hit in hits:
        for page, span in _cut(hit.row) if by_page else [(_first_page(hit.row), _window(hit.row))]:
            # other kinds of rows, and rows without places, stand for themselves
            own = "" if by_page and page and hit.row.kind == "chunk" else hit.row.row_id
            key = (hit.row.document_id, page, own)
            known = groups.get(key)
            if known is None:
                groups[key] = Passage(page=page, rows=[hit.row], spans=[span], fused=hit.score)
            else:
                known.rows.append(hit.row)
                known.spans.append(span)
    for passage in groups.values():
        passage.spans = _joined(passage.spans)
        yield passage


def _cut(row: VectorRow) -> list[tuple[int, Span]]:
    """The row's text by pages, as its `parts` say; as a whole where they are not known or do not fit the text."""
    parts: list[Any] = row.extra.get("parts") or []
    found: list[tuple[int, Span]] = []
    at = 0
    for page, start, end in parts:
        text = row.text[at : at + end - start]
        at += end - start + 2
        if text.strip():
            found.append((page, Span(start, end, text)))
    if not found or at - 2 != len(row.text):
        return [(_first_page(row), _whole(row))]
    return found


def _first_page(row: VectorRow) -> int:
    return row.pages[0] if row.pages else 0


def _whole(row: VectorRow) -> Span:
    start = int(row.extra.get("start", 0))
    return Span(start, start + len(row.text), row.text)


def _window(row: VectorRow) -> Span:
    """The row as it is; between its pages lie anchors, which its text has not."""
    whole = _whole(row)
    return whole._replace(end=max(int(row.extra.get("end", 0)), whole.end))


def _joined(spans: list[Span]) -> list[Span]:
    """Stretches that overlap or touch, as one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            last = joined[-1]
            if span.end > last.end:
                joined[-1] = Span(last.start, span.end, last.text + span.text[last.end - span.start :])
        else:
            joined.append(span)
    return joined


def _is_contents(text: str) -> bool:
    """Whether most lines end with leaders and a number, as the reader writes entries of a table of contents."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= 4 and 2 * sum(_ENTRY.search(line) is not None for line in lines) > len(lines)


class _Bag(NamedTuple):
    """How much each word counts in a passage, and how long the passage is."""

    counts: dict[str, float]
    length: int


def _bag(passage: Passage) -> _Bag:
    text = without_references(passage.text)
    words = terms(text)
    counts: Counter[str] = Counter(words)
    weights: dict[str, float] = {word: float(count) for word, count in counts.items()}
    for heading in _HEADING.findall(text):
        for word in terms(heading):
            weights[word] += HEADING
    for word in set(terms(str(passage.rows[0].extra.get("header", "")))):
        weights[word] = weights.get(word, 0.0) + HEADER
    return _Bag(weights, len(words))


def _bm25(wanted: Sequence[str], bags: Sequence[_Bag]) -> tuple[list[float], list[float]]:
    """For each bag its score, and how much of what was asked it holds, from 0 to 1."""
    mean = sum(bag.length for bag in bags) / len(bags) if bags else 0.0
    counts = [[_count(word, bag.counts) for bag in bags] for word in wanted]
    total = sum(_weight(word) for word in wanted) or 1.0
    scores, shares = [0.0] * len(bags), [0.0] * len(bags)
    for word, own in zip(wanted, counts, strict=True):
        having = sum(1 for count in own if count)
        rarity = math.log(1 + (len(bags) - having + 0.5) / (having + 0.5))
        for at, (count, bag) in enumerate(zip(own, bags, strict=True)):
            norm = K1 * (1 - B + B * bag.length / mean) if mean else K1
            scores[at] += rarity * count * (K1 + 1) / (count + norm)
            shares[at] += _weight(word) / total if count else 0.0
    return scores, shares


def _weight(word: str) -> float:
    """What a word of the query counts for confidence; a number or a code is the point of its question."""
    return 2.0 if any(letter.isdigit() for letter in word) else 1.0


def _count(word: str, counts: dict[str, float]) -> float:
    exact = counts.get(word, 0.0)
    if len(word) < _STEM or not word.isalpha():
        return exact
    return exact + SAME_STEM * sum(count for other, count in counts.items() if other != word and _alike(word, other))


def _alike(a: str, b: str) -> bool:
    """Whether two words have a long beginning in common and differ by an ending only."""
    short = min(len(a), len(b))
    if short < _STEM or abs(len(a) - len(b)) > 3 or not (a.isalpha() and b.isalpha()):
        return False
    return a[: max(_STEM, short - 2)] == b[: max(_STEM, short - 2)]
