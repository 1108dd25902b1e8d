"""Tables whose only rule stands under their header."""

from __future__ import annotations

from tests.unit.extractor.papers import Paper, prose

_ROWS = [
    ("base", ["Folder with the data", "of each library"]),
    ("global", ["Folder with tables that", "all libraries share"]),
    ("pg_notify", ["Folder with messages"]),
    ("postmaster.opts", ["A file with the options", "of the last start"]),
]


def _table(paper: Paper, top: float, rows: list[tuple[str, list[str]]]) -> float:
    paper.line(60, top, "Item")
    paper.line(160, top, "Description")
    paper.page.draw_line((58, top + 5), (300, top + 5))
    y = top + 20
    for label, lines in rows:
        paper.line(60, y, label)
        y = paper.lines(160, y, lines) + 6
    return y


def test_a_table_with_a_rule_under_its_header_is_one() -> None:
    paper = Paper()
    end = _table(paper, 100, _ROWS)
    paper.lines(60, end + 20, prose(8, width=12))
    assert paper.markdown().split("\n\n")[0].splitlines() == [
        "| Item | Description |",
        "| --- | --- |",
        "| base | Folder with the data of each library |",
        "| global | Folder with tables that all libraries share |",
        "| pg_notify | Folder with messages |",
        "| postmaster.opts | A file with the options of the last start |",
    ]


def test_a_header_may_take_two_lines() -> None:
    paper = Paper()
    paper.line(160, 88, "What it is, its")
    _table(paper, 100, _ROWS)
    assert "| Item | What it is, its Description |" in paper.markdown()


def test_text_in_columns_under_the_rule_of_a_running_line_is_no_table() -> None:
    paper = Paper()
    paper.line(60, 100, "Notes on storage")
    paper.line(320, 100, "Draft")
    paper.page.draw_line((58, 105), (560, 105))
    for column in (60, 320):
        paper.lines(column, 125, [line[:46] for line in prose(30, column, width=10)])
    assert "|" not in paper.markdown()


def test_too_few_rows_are_no_table() -> None:
    paper = Paper()
    end = _table(paper, 100, _ROWS[:1])
    paper.lines(60, end + 20, prose(8, width=12))
    assert "|" not in paper.markdown()


def _unruled(paper: Paper, top: float, font: str) -> float:
    paper.line(60, top, "Item", 10, font)
    paper.line(160, top, "Description", 10, font)
    y = top + 13
    for label, lines in _ROWS:
        paper.line(60, y, label)
        y = paper.lines(160, y, lines)
    return y


def test_a_caption_tells_a_table_without_any_rule() -> None:
    paper = Paper()
    paper.line(60, 85, "Table 10.3. What is where")
    end = _unruled(paper, 102, "helv")
    paper.lines(60, end + 20, prose(8, width=12))
    assert "| global | Folder with tables that all libraries share |" in paper.markdown()


def test_bold_type_tells_the_header_of_a_table_that_goes_on() -> None:
    paper = Paper()
    end = _unruled(paper, 60, "hebo")
    paper.lines(60, end + 20, prose(8, width=12))
    assert paper.markdown().startswith("| Item | Description |")


def test_two_bold_labels_over_text_in_columns_head_no_table() -> None:
    paper = Paper()
    for column, label in ((60, "First"), (320, "Second")):
        paper.line(column, 100, label, 10, "hebo")
        paper.lines(column, 113, [line[:46] for line in prose(30, column, width=10)])
    assert "|" not in paper.markdown()
