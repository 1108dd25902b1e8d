"""Headings set in the margin beside the text they belong to, told from columns and from tables."""

from __future__ import annotations

from services.extractor.reader.sheet import Segment

Gap = tuple[float, float]
_LONG = 30
_NOTE_LINES = 6
_NOTE_LETTERS = 90


def beside_margin(group: list[Segment], gutter: Gap) -> list[list[Segment]] | None:
    """`group` as marginal headings, each followed by the text beside it; None when it is something else."""
    middle = (gutter[0] + gutter[1]) / 2
    left = sorted((s for s in group if s.x1 <= middle), key=_base)
    right = [s for s in group if s.x0 >= middle]
    if len(left) + len(right) < len(group) or len(left) < 3 or len(right) < 8 or not _is_text(right):
        return None
    if max(s.x1 for s in left) - min(s.x0 for s in left) > 0.45 * (right_edge(right) - middle):
        return None
    if len({round(s.base) for s in left}) > 0.8 * len({round(s.base) for s in right}) or any(s.mono for s in left):
        return None
    notes = _notes(left)
    letters = sum(len(s.text) for s in left)
    if max(map(len, notes)) > _NOTE_LINES or letters > _NOTE_LETTERS * len(notes):
        return None
    if sum(s.bold for s in left) < 0.3 * letters and len(left) < 1.8 * len(notes):
        return None
    if sum(char.isalpha() for s in left for char in s.text) < 0.3 * letters:
        return None
    if any(not any(abs(s.base - note[0].base) < 0.6 * s.size for s in right) for note in notes):
        return None
    for segment in left:
        segment.note = True
    out: list[list[Segment]] = [[] for _ in range(2 * len(notes) + 1)]
    tops = [note[0].base - 0.8 * note[0].size for note in notes]
    for index, note in enumerate(notes):
        out[2 * index + 1] = note
    for segment in right:
        out[2 * sum(segment.base >= top for top in tops)].append(segment)
    return [part for part in out if part]


def right_edge(segments: list[Segment]) -> float:
    """Where the rightmost of `segments` ends."""
    return max(s.x1 for s in segments)


def _base(segment: Segment) -> float:
    return segment.base


def _is_text(segments: list[Segment]) -> bool:
    """Whether most of what stands here are long lines."""
    letters = sum(len(s.text) for s in segments)
    return sum(len(s.text) for s in segments if len(s.text) > _LONG) > 0.75 * letters


def _notes(left: list[Segment]) -> list[list[Segment]]:
    """The lines in the margin, gathered where they stand close below each other."""
    notes: list[list[Segment]] = []
    for segment in left:
        if notes and segment.base - notes[-1][-1].base < 1.8 * segment.size:
            notes[-1].append(segment)
        else:
            notes.append([segment])
    return notes
