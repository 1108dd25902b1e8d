"""The offline analyzer: a template's fields from rules and statistics alone, deterministic, without any account.

Everything it answers stands in the document or its metadata; nothing is invented, and no text of the document is
ever followed as an instruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.transformer import chapters, dates, keywords, language, people, summary, titles
from services.transformer.analyzer import Answer
from services.transformer.reading import read
from shared.templates import Template

ANALYZER = "offline-1"
"""Name and version; part of every result's fingerprint, so raise it when answers change."""


def analyze(transcript: str, info: Mapping[str, Any], pages: Sequence[Mapping[str, Any]], template: Template) -> Answer:
    """Answer the template's questions that rules can answer; the others get null, with one warning.

    `transcript` is Markdown with page anchors, `info` {"pages", "metadata", "outline"}, `pages` the rows of
    pages.jsonl. Pure: same input, same answer. Raises nothing on document content.
    """
    reading = read(transcript, info, pages)
    text = language.sample(reading, 2 * language.SAMPLE)
    spoken = language.detect(text[: language.SAMPLE])
    title = titles.find(reading)
    warnings: list[str] = [] if title else ["title: nothing on the first pages or in the metadata is one"]
    authors = people.find(reading, title)
    found, dropped = chapters.find(reading, title, authors, spoken)
    known: dict[str, Any] = {
        "title": title,
        "authors": authors,
        "year": dates.year(reading, title),
        "language": spoken,
        "keywords": keywords.extract(reading, text, spoken, title),
        "summary": summary.find(reading, spoken, title),
        "chapters": found,
        "pages": reading.pages,
    }
    known |= {"tags": known["keywords"], "abstract": known["summary"], "shortTitle": title[:40].strip()}
    values = {variable: known.get(variable) for variable in template.asked}
    unknown = [variable for variable in template.asked if variable not in known]
    if unknown:
        warnings.append(f"the offline analyzer cannot answer: {', '.join(unknown)[:200]}")
    return Answer(values=values, chapters=found, warnings=warnings + dropped)
