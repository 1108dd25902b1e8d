"""How close an extracted text is to its reference; every score lies between 0 and 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rapidfuzz import fuzz
from rapidfuzz.distance import Indel

from infra.bench.extraction.parts import Heading, cells, headings, plain, words
from infra.bench.extraction.references import Reference

ALIKE = 88.0
"""Two headings are the same from this likeness on (0 to 100, Indel): a lost ligature or accent is forgiven."""


def score(markdown: str, reference: Reference) -> dict[str, float]:
    """The scores that `reference` allows.

    similarity: order counts. words_f1: only which words there are. bigrams_f1: neighbouring words, so that mixed
    columns show. heading_found: a reference heading stands somewhere among the headings. heading_recall and
    heading_precision: one to one. heading_levels: matched headings with the right level, after one shift for all.
    cell_recall, cell_precision: one to one.
    """
    found: dict[str, float] = {}
    if reference.text is not None:
        ours, theirs = plain(markdown), plain(reference.text)
        found["similarity"] = Indel.normalized_similarity(ours, theirs)
        our_words, their_words = words(ours), words(theirs)
        found["words_f1"] = f1(our_words, their_words)
        found["bigrams_f1"] = f1(_pairs(our_words), _pairs(their_words))
    if reference.headings:
        found |= score_headings(headings(markdown), reference.headings)
    if reference.cells:
        ours_in_tables = cells(markdown)
        both = sum((Counter(ours_in_tables) & Counter(reference.cells)).values())
        found["cell_recall"] = both / len(reference.cells)
        found["cell_precision"] = both / len(ours_in_tables) if ours_in_tables else 0.0
    return found


def f1(ours: Iterable[object], theirs: Iterable[object]) -> float:
    """F1 of two bags."""
    a, b = Counter(ours), Counter(theirs)
    return 2 * sum((a & b).values()) / max(1, a.total() + b.total())


def _pairs(items: Sequence[str]) -> Iterable[tuple[str, str]]:
    return pairwise(items)


def score_headings(ours: Sequence[Heading], theirs: Sequence[Heading]) -> dict[str, float]:
    """Heading scores; a level of 0 in the reference is unknown."""
    loose = sum(any(fuzz.ratio(t.title, o.title, score_cutoff=ALIKE) for o in ours) for t in theirs)
    pairs = match(ours, theirs)
    found = {
        "heading_found": loose / len(theirs),
        "heading_recall": len(pairs) / len(theirs),
        "heading_precision": len(pairs) / len(ours) if ours else 0.0,
    }
    shifts = Counter(o.level - t.level for o, t in pairs if t.level)
    if shifts:
        found["heading_levels"] = shifts.most_common(1)[0][1] / shifts.total()
    return found


def match(ours: Sequence[Heading], theirs: Sequence[Heading]) -> list[tuple[Heading, Heading]]:
    """Pairs of one heading of each side, the likest first, then the nearest in the order of the document."""
    likeness = []
    for i, our in enumerate(ours):
        for j, their in enumerate(theirs):
            ratio = fuzz.ratio(our.title, their.title, score_cutoff=ALIKE)
            if ratio:
                distance = abs(i / len(ours) - j / len(theirs))
                likeness.append((-ratio, distance, i, j))
    used_ours: set[int] = set()
    used_theirs: set[int] = set()
    pairs = []
    for _, _, i, j in sorted(likeness):
        if i not in used_ours and j not in used_theirs:
            used_ours.add(i)
            used_theirs.add(j)
            pairs.append((ours[i], theirs[j]))
    return pairs
