"""Tables: columns, headers of several levels, wrapped cells, level rules; and what only looks like a table."""

from __future__ import annotations

import pytest

from services.extractor.reader.grids import take_grids
from services.extractor.reader.lattice import apart, is_value
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Rule, Segment, Sheet
from services.extractor.reader.text import drop_leaders
from tests.unit.extractor.papers import Paper, prose

COUNTRIES = ("Austria", "Belgium", "Denmark", "Estonia", "Finland")


def _grid_of(paper: Paper, top: float, rows: list[list[str]], xs: list[float], step: float = 14) -> float:
    for number, row in enumerate(rows):
        for x, text in zip(xs, row, strict=True):
            if text:
                paper.line(x, top + number * step, text)
    return top + len(rows) * step


def _level(paper: Paper, y: float, x0: float = 60, x1: float = 520, width: float = 0.5) -> None:
    paper.page.draw_line((x0, y), (x1, y), width=width)


def test_a_header_over_several_columns_leaves_them_apart() -> None:
    paper = Paper()
    _level(paper, 90)
    paper.line(245, 102, "Inadequate housing units")
    _level(paper, 106, 195, 400)
    _grid_of(paper, 118, [["Country", "No.", "(%)", "Ratio"]], [60, 200, 280, 360])
    _level(paper, 123)
    rows = [[name, f"{900 + 7 * n}", f"({n}.5)", f"{n}.1"] for n, name in enumerate(COUNTRIES)]
    end = _grid_of(paper, 136, rows, [60, 200, 280, 360])
    _level(paper, end - 8)
    text = paper.markdown()
    assert "| Country | No. | (%) | Ratio |" in text
    assert "| Inadequate housing units |" in text
    assert "| Finland | 928 | (4.5) | 4.1 |" in text


def test_lines_of_a_header_cell_are_joined() -> None:
    paper = Paper()
    for x, words in ((200, ("Number of", "participants")), (320, ("Share of", "women"))):
        paper.lines(x, 100, list(words), step=11)
    paper.line(60, 111, "Course")
    rows = [[name, f"{1000 + 31 * n}", f"{40 + n}"] for n, name in enumerate(COUNTRIES)]
    _grid_of(paper, 128, rows, [60, 200, 320])
    assert "| Course | Number of participants | Share of women |" in paper.markdown()


def test_numbers_written_as_one_run_go_to_their_columns() -> None:
    paper = Paper()
    for number, name in enumerate(COUNTRIES):
        paper.line(60, 100 + 14 * number, name)
        for column in range(3):
            paper.line(203.4 + 47.3 * column, 100 + 14 * number, f"{123 + number},45{column}")
    paper.line(60, 170, "Union")
    paper.line(195, 170, "1,223,450 1,323,451 1,423,452")
    assert "| Union | 1,223,450 | 1,323,451 | 1,423,452 |" in paper.markdown()


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("12 345", 1),
        ("2 246 496", 1),
        ("1,234 5,678", 2),
        ("(405) 680-3701", 1),
        ("3.4 (1.1–2.2)", 2),
        ("Ages 18 19", 1),
    ],
)
def test_only_numbers_that_stand_side_by_side_are_parted(text: str, cells: int) -> None:
    assert len(apart(Row([Segment(0, 0, 100, 10, 8, 10, text, "helv", 0)]))) == cells


@pytest.mark.parametrize("text", ["1,234", "-4.3", "(12.5)", "$ 8,242", "—", "n.a.", "45%", "*–0.5"])
def test_values_are_told(text: str) -> None:
    assert is_value(text)


@pytest.mark.parametrize("text", ["Alabama", "Table 2", "see note 3", "A-2"])
def test_words_are_no_values(text: str) -> None:
    assert not is_value(text)


def test_cells_that_take_several_lines_between_rules_are_whole() -> None:
    paper = Paper()
    y = 100.0
    _level(paper, y)
    for number, name in enumerate(COUNTRIES):
        paper.line(60, y + 12, name)
        paper.lines(180, y + 12, [f"the first line of text {number}", "goes on below it"], step=12)
        paper.line(400, y + 12, f"note {number}")
        y += 30
        _level(paper, y)
    assert "| Denmark | the first line of text 2 goes on below it | note 2 |" in paper.markdown()


def test_a_label_that_wraps_keeps_its_values() -> None:
    paper = Paper()
    y = 100.0
    for number, name in enumerate([*COUNTRIES, "Bosnia and"]):
        paper.line(60, y + 20 * number, name)
        paper.line(200, y + 20 * number, f"{100 + number}")
        paper.line(300, y + 20 * number, f"{7 * number}.5")
    paper.line(66, 211, "Herzegovina")
    assert "| Bosnia and Herzegovina | 105 | 35.5 |" in paper.markdown()


def test_lines_with_room_for_mitres_make_a_grid() -> None:
    paper = Paper()
    rows = [["Name", "Both years", ""], *([name, "first half", "second half"] for name in COUNTRIES)]
    _grid_of(paper, 114, rows, [64, 204, 304], step=20)
    page = paper.page
    commands = [f"{x} 642 m {x} 742 l S" for x in (60, 200, 300, 400)]
    commands += [f"60 {742 - 20 * n} m 400 {742 - 20 * n} l S" for n in range(7)]
    page.clean_contents()
    xref = page.get_contents()[0]
    scaled = "q 0.1 0 0 0.1 0 0 cm 5 w " + " ".join(
        " ".join(f"{float(word) * 10:g}" if word[0].isdigit() else word for word in command.split())
        for command in commands
    )
    paper.doc.update_stream(xref, page.parent.xref_stream(xref) + f"\n{scaled} Q\n".encode())
    assert "| Estonia | first half | second half |" in paper.markdown()


def test_leaders_behind_a_label_are_left_out() -> None:
    assert drop_leaders("All ages . . . . . . .") == "All ages"
    assert drop_leaders("Needed help ......") == "Needed help"
    assert drop_leaders("and so on ...") == "and so on"
    assert drop_leaders("etc.") == "etc."


def test_a_table_of_contents_without_leaders_is_no_table() -> None:
    paper = Paper()
    for number in range(12):
        paper.line(60, 100 + 16 * number, f"{number + 1}. {prose(1, number, 4)[0]}")
        paper.line(480, 100 + 16 * number, str(3 + 5 * number))
    assert "|" not in paper.markdown()


def test_numbered_items_with_wide_gaps_are_no_table() -> None:
    paper = Paper()
    for number in range(6):
        paper.line(60, 100 + 16 * number, f"{number + 1}.")
        paper.line(110, 100 + 16 * number, prose(1, number, 5)[0])
    assert "|" not in paper.markdown()


def test_two_columns_between_running_rules_are_no_table() -> None:
    paper = Paper()
    _level(paper, 60)
    paper.lines(60, 80, prose(30, 0, 7), 9, 11)
    paper.lines(310, 80, prose(30, 3, 7), 9, 11)
    _level(paper, 780)
    text = paper.markdown()
    assert "|" not in text


def test_text_between_two_framed_tables_is_no_row() -> None:
    paper = Paper()
    for top in (100.0, 300.0):
        _level(paper, top)
        end = _grid_of(paper, top + 12, [["Country", "2010", "2011"]], [60, 240, 400])
        _level(paper, end - 8)
        rows = [[name, str(20 + n), str(90 - n)] for n, name in enumerate(COUNTRIES)]
        _level(paper, _grid_of(paper, end + 4, rows, [60, 240, 400]) - 8)
    paper.lines(60, 225, prose(4, 5, 16))
    text = paper.markdown()
    assert text.count("| Country | 2010 | 2011 |") == 2
    assert all(not line.startswith("|") for line in text.splitlines() if "reader" in line)


def test_a_list_of_code_with_aligned_comments_is_no_table() -> None:
    paper = Paper()
    for number, (code, note) in enumerate((("x = 1", "# one"), ("name = 2", "# two"), ("z = x", "# three")) * 3):
        paper.line(60, 100 + 12 * number, code, 9, "cour")
        paper.line(200, 100 + 12 * number, note, 9, "cour")
    assert "|" not in paper.markdown()


def _cells_of_rows(paper: Paper, top: float, shaded: tuple[int, ...]) -> None:
    for row in shaded:
        for x0, x1 in ((60, 200), (200, 400)):
            paper.page.draw_rect((x0, top + 32 * row, x1, top + 32 * row + 32), color=None, fill=(0.9, 0.9, 0.9))


def test_white_rows_between_shaded_ones_have_the_same_cells() -> None:
    paper = Paper()
    _cells_of_rows(paper, 100, (0, 2))
    for number, name in enumerate(("Package", "apt", "dpkg", "tasksel")):
        paper.line(64, 120 + 32 * number, name)
        paper.lines(204, 113 + 32 * number, [f"the text of row {number}", "takes a second line"], step=13)
    text = paper.markdown()
    assert "| apt | the text of row 1 takes a second line |" in text
    assert "| tasksel | the text of row 3 takes a second line |" in text


def test_text_between_shaded_titles_is_no_row() -> None:
    paper = Paper()
    _cells_of_rows(paper, 100, (0, 2))
    for number in (0, 2):
        paper.line(204, 120 + 32 * number, "Note")
    paper.lines(64, 145, prose(2, 1, 9), step=12)
    assert "|" not in paper.markdown()


def test_boxes_that_lie_over_each_other_make_no_table_of_the_text_in_one() -> None:
    sheet = Sheet(1, 720, 540, 0)
    boxes = [(22, 491, 618, 532), (25, 182, 695, 244), (24, 485, 297, 532), (0, 294, 487, 540), (58, 261, 665, 504)]
    sheet.rules = [Rule(*box) for box in boxes]
    texts = ["Did you know", *(f"{line} and so on" for line in prose(6, width=11))]
    for number, text in enumerate(texts):
        base = 292.0 + 30 * number
        x0, x1 = (258, 462) if number == 0 else (70, 650)
        sheet.segments.append(Segment(x0, base - 16, x1, base + 5, base, 20, text, "Lato", number))
    assert take_grids(sheet) == sheet.segments
