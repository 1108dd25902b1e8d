"""The summary: sentences of the text itself, from its abstract or the ones that carry its own vocabulary."""

from __future__ import annotations

import math
import re
from collections import Counter

from services.transformer.reading import Block, Reading
from services.transformer.sentences import informs, split
from services.transformer.stopwords import STOPWORDS

LONGEST = 1000
SENTENCES = 3

_ABSTRACT = re.compile(
    r"(?:[\divx]{1,3}[.)]?\s+)?(?:abstract|executive summary|summary|zusammenfassung|kurzfassung|kurzzusammenfassung"
    r"|résumé|resumen"
    r"(?: ejecutivo)?|riassunto|sommario|resumo|samenvatting|sammanfattning|streszczenie|аннотация|резюме|анотація"
    r"|摘要|概要|要旨"
    r"|抄録|초록|요약|الملخص|ملخص|תקציר)\s*(?:[.:：—–-]+\s*|\Z)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{3,}|[\u3400-\u9fff]{2}")
_ABOUT = re.compile(
    r"(?:in )?(?:this|the present) (?:\w+ )?(?:document|paper|report|book|manual|guide|article|study|work"
    r"|publication|thesis|note)\b"
    r"|dies(?:e[rs]?)? (?:dokument|bericht|buch|handbuch|studie|artikel|arbeit|leitfaden)\b|(?:ce|cet"
    r"|cette) (?:document|rapport|livre"
    r"|guide|étude|article|plan)\b|(?:este|esta) (?:documento|informe|libro|guía|estudio|artículo|relatório|livro"
    r"|guia)\b"
    r"|quest[oa] (?:documento|rapporto|libro|guida|studio|articolo)\b|dit (?:document|rapport|boek)\b",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:\.\s?){4,}|…{2,}|\.\.\.\s+\d{1,4}\b")


def find(reading: Reading, language: str, title: str) -> str:
    """One to three sentences copied from the text, in its order, at most 1000 characters; empty if there are none."""
    return _abstract(reading) or _best(reading, language, title)


def first_sentence(blocks: list[Block], longest: int = LONGEST) -> str:
    """The first informative sentence of some blocks; empty if there is none in the first 60."""
    for block in blocks[:60]:
        if block.kind in ("text", "list"):
            for sentence in split(block.text, 20):
                if informs(sentence, longest):
                    return sentence
    return ""


def _abstract(reading: Reading) -> str:
    """The first sentences under the heading, or after the word, "Abstract" of one of the first twelve sheets."""
    for sheet in reading.front(12):
        for number, block in enumerate(sheet.blocks):
            match = _ABSTRACT.match(block.text)
            if match is None or block.kind == "table":
                continue
            candidates = [block._replace(text=block.text[match.end() :]), *sheet.blocks[number + 1 : number + 4]]
            for candidate in candidates:
                if candidate.kind == "heading" and candidate.text:
                    if candidate is not candidates[0]:
                        break
                    continue
                taken = _fit([s for s in split(candidate.text, 12) if informs(s)][:SENTENCES])
                if taken:
                    return taken
    return ""


def _best(reading: Reading, language: str, title: str) -> str:
    """The sentences with the document's most frequent content words, early ones first."""
    candidates = _candidates(reading)
    if not candidates:
        return ""
    stop = STOPWORDS.get(language, frozenset())
    bags = [[word for word in _WORD.findall(text.lower()) if word not in stop] for _, _, text in candidates]
    named = set(_WORD.findall(title.lower()))
    weight = Counter(word for bag in bags for word in set(bag))
    scored = []
    for (place, total, text), bag in zip(candidates, bags, strict=True):
        if len(bag) < 4:
            continue
        density = sum(math.log1p(weight[word]) * (2 if word in named else 1) for word in set(bag)) / (len(bag) + 6)
        early = 1.0 + 2.0 * math.exp(-10 * place / total)
        scored.append((density * early * (1.8 if _ABOUT.match(text) and place < 30 else 1.0), place, set(bag)))
    chosen = _diverse(sorted(scored, key=lambda item: (-item[0], item[1])))
    return _fit([candidates[place][2] for place in sorted(chosen)])


def _diverse(ranked: list[tuple[float, int, set[str]]]) -> list[int]:
    """Places of the best sentences, none of which repeats half of another's words."""
    chosen: list[tuple[int, set[str]]] = []
    for _, place, bag in ranked[:50]:
        if all(len(bag & other) < 0.5 * min(len(bag), len(other)) for _, other in chosen):
            chosen.append((place, bag))
        if len(chosen) == SENTENCES:
            break
    return [place for place, _ in chosen]


def _candidates(reading: Reading) -> list[tuple[int, int, str]]:
    """(place, number of sentences, sentence): at most 1500 informative sentences of running prose."""
    found: list[str] = []
    for sheet in reading.sheets:
        if sum(1 for block in sheet.blocks if _CONTENTS.search(block.text)) >= 3:
            continue
        for block in sheet.blocks:
            if block.kind == "text" and len(block.text) >= 40:
                found += [s for s in split(block.text, 40) if informs(s, 400)]
        if len(found) > 1500:
            break
    return [(place, len(found), text) for place, text in enumerate(dict.fromkeys(found))]


def _fit(sentences: list[str]) -> str:
    """As many of the sentences as fit."""
    taken: list[str] = []
    for sentence in sentences:
        if sum(map(len, taken)) + len(taken) + len(sentence) <= LONGEST:
            taken.append(sentence)
    return " ".join(taken)
