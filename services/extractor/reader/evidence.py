"""What tells a table from text in columns, lists, contents and the words of a drawing."""

from __future__ import annotations

import re
from itertools import pairwise

from services.extractor.reader.lattice import Lattice, is_marker, is_value
from services.extractor.reader.rows import Row
from services.extractor.reader.stacking import Line

_ENTRY = re.compile(r"(?:(?:[.·] ?){4,}|…{2,}|_{4,})\s*(?:\d{1,4}|[ivxl]{1,5})$")
_PAGE = re.compile(r"(?:^|\s)(\d{1,4})$")
_PROSE = 60  # letters: the length of a line of text rather than of a cell
_GAP = 0.7  # of the type size: the usual blank between cells


def is_table(many: list[Row], placed: list[list[str]]) -> bool:
    """Whether rows without rules are a table rather than text in columns."""
    columns = len(placed[0])
    lengths = [len(cell) for row in placed for cell in row if cell]
    if sum(lengths) / max(1, len(lengths)) > 60:
        return False
    if columns == 2 and (not _is_pair_list(placed) or not _is_aligned(many)):
        return False
    if columns == 2 and not has_figures(placed) and (len(many) < 4 or _is_glossary(placed)):
        return False
    if columns == 2 and _is_list(placed):
        return False
    return columns > 3 or not _flows(placed)


def _is_list(placed: list[list[str]]) -> bool:
    """Whether the first of two columns holds bullets or numbers of items."""
    return sum(is_marker(row[0]) for row in placed) > 0.6 * len(placed)


def is_dense(rows: list[list[str]]) -> bool:
    """Whether enough of the cells are filled; the words of a drawing stand in few."""
    filled = sum(bool(text) for row in rows for text in row)
    return filled >= (0.25 if has_figures(rows) else 0.45) * sum(map(len, rows))


def _is_glossary(placed: list[list[str]]) -> bool:
    """Whether lines of text stand behind labels, as in a list of references or of terms."""
    texts = [row[1] for row in placed if row[1]]
    return sum(map(len, texts)) > 45 * len(texts)


def is_framed_table(many: list[Row], table: list[Line], lattice: Lattice) -> bool:
    """Whether rows between rules are a table rather than text in columns."""
    if is_contents(many) or (len(lattice) == 2 and _is_list([line.texts for line in table])):
        return False
    letters = [len(cell.text) for line in table for cell in line.cells]
    if sum(n for n in letters if n > _PROSE) > 0.5 * sum(letters) and table[-1].band < 4:
        return False
    if has_figures([line.texts for line in table]):
        return True
    return is_spaced(many) and not _runs_down(many) and stand_in_columns(table, lattice)


def has_figures(placed: list[list[str]]) -> bool:
    """Whether a fair part of the cells behind the first column are values."""
    cells = [text for texts in placed for text in texts[1:] if text]
    return sum(map(is_value, cells)) > 0.3 * len(cells)


def stand_in_columns(table: list[Line], lattice: Lattice) -> bool:
    """Whether the cells of each column share an edge or their middle; words of spaced out lines do not."""
    aligned = total = 0
    for column in range(len(lattice)):
        cells = [cell for line in table for cell in line.cells if lattice.column(cell) == column][:40]
        total += len(cells)
        edges = ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells])
        if len(cells) > 1:
            aligned += max(max(sum(abs(a - b) < 2.0 for b in edge) for a in edge) for edge in edges)
    return aligned >= 0.7 * total


def _runs_down(rows: list[Row]) -> bool:
    """Whether the content stream writes column by column: text columns, not the cells of rows."""
    pairs = [(above.cells, row.cells) for above, row in pairwise(rows)]
    return sum(row[0].order < above[-1].order for above, row in pairs) > 0.6 * len(pairs)


def is_spaced(rows: list[Row]) -> bool:
    """Wide gaps part cells; narrow ones are words of a spaced out line, lone signs parts of a formula."""
    gaps = sorted((b.x0 - a.x1) / row.size for row in rows for a, b in pairwise(row.cells))
    signs = sum(not any(map(str.isalnum, cell.text)) for row in rows for cell in row.cells)
    total = sum(len(row.cells) for row in rows)
    return gaps[len(gaps) // 2] > _GAP and not (len(rows) < 5 and signs > 0.3 * total)


def is_entry(text: str) -> bool:
    """Whether `text` ends like an entry of a table of contents: leaders and a page number."""
    last = text[-1:]  # looked at first: most lines end otherwise
    return (last.isdecimal() or last in "ivxl") and _ENTRY.search(text) is not None


def is_contents(rows: list[Row]) -> bool:
    """A table of contents: leaders between titles and page numbers, or page numbers that never fall."""
    entries = sum(is_entry(row.text) for row in rows)
    if entries > 0.4 * len(rows):
        return True
    usual = sorted(len(row.cells) for row in rows)[len(rows) // 2]
    if sum(is_value(cell.text) for row in rows for cell in row.cells[1:-1]) > 1:
        return False
    return usual < 4 and _are_pages([row.cells[-1].text for row in rows])


def _are_pages(column: list[str]) -> bool:
    """Whether a column holds whole numbers that never fall: the page numbers of a table of contents."""
    pages = [int(match.group(1)) for text in column if (match := _PAGE.search(text))]
    return len(pages) > 4 and len(pages) > 0.7 * len(column) and pages == sorted(pages) and pages[-1] > pages[0]


def _is_aligned(rows: list[Row]) -> bool:
    """Whether the last cells share an edge or their middle; in spaced out prose they do not."""
    cells = [row.cells[-1] for row in rows]
    for edges in ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells]):
        common = max(sum(abs(edge - other) < 3.0 for other in edges) for edge in edges[:12])
        if common >= 0.5 * len(cells):
            return True
    return False


def _flows(placed: list[list[str]]) -> bool:
    """Whether long cells go on from row to row while the cells beside them do too: text in columns."""
    beside = went_on = 0
    for above, row in pairwise(placed):
        if sum(map(bool, row)) < 2 or sum(map(bool, above)) < 2:
            continue
        pairs = [(a, b) for a, b in zip(above, row, strict=True) if len(a) > 30 and b]
        beside += 1
        went_on += any(a[-1] not in ".:;!?" and b[0].islower() for a, b in pairs)
    return beside > 0 and went_on > 0.5 * beside


def _is_pair_list(placed: list[list[str]]) -> bool:
    both = sum(bool(row[0] and row[1]) for row in placed)
    return both >= 0.6 * len(placed)
