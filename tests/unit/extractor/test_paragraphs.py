"""Where paragraphs, items, notes, references and entries of contents begin and end."""

from __future__ import annotations

import pymupdf
import pytest

from tests.unit.extractor.papers import Paper, prose

_FULL = "words that fill the whole of a line so that the next one has to go on below it at once"


def _blocks(lines: list[str], size: float = 10) -> list[str]:
    paper = Paper()
    paper.lines(60, 100, [_FULL, _FULL, *lines, _FULL, _FULL], size)
    return paper.markdown().split("\n\n")


def test_a_sentence_that_ends_where_a_word_had_room_ends_its_paragraph() -> None:
    texts = _blocks([f"and end here. {_FULL[:58]}.", "They begin anew " + _FULL[:60]])
    assert texts[1].startswith("They begin anew")


def test_a_sentence_that_ends_with_its_line_does_not() -> None:
    (text,) = _blocks([_FULL[:-1] + ".", "They begin anew " + _FULL[:60]])
    assert "once" in text


@pytest.mark.parametrize("figure", ["11.43 and 11.45, by any of the methods", "4.4 percent of them needed somebody"])
def test_a_figure_at_the_start_of_a_line_is_no_section(figure: str) -> None:
    (text,) = _blocks([_FULL, figure])
    assert figure in text


def test_a_section_number_still_begins_a_section() -> None:
    assert _blocks([_FULL[:40], "4.4 Percentages of them"])[1].startswith("4.4 Percentages")


def test_items_whose_first_lines_are_set_in_hold_their_further_lines() -> None:
    paper = Paper()
    paper.lines(60, 100, [_FULL[:60]] * 4)
    y = 148
    for head, rest in (("\u2022 Mail: U.S. Department of", "Transportationandcommunication, Docket Operations."),) * 2:
        paper.line(75, y, head)
        paper.line(60, y + 12, rest)
        y += 24
    paper.line(75, y, "For service information that is")
    paper.lines(60, y + 12, [_FULL[:60]] * 3)
    text = paper.markdown()
    assert text.count("- Mail: U.S. Department of Transportationandcommunication, Docket Operations.") == 2
    assert "\n\nFor service information that is words that fill" in text


def test_notes_with_signs_begin_lines_of_their_own() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(20), 10)
    notes = ["* First member of the household.", "\u00b6 Second member who", "was asked later on.", "\u00a7 The total."]
    paper.lines(60, 700, notes, 7, 9)
    texts = paper.markdown().split("\n\n")[-3:]
    assert texts == [
        "\\* First member of the household.",
        "\u00b6 Second member who was asked later on.",
        "\u00a7 The total.",
    ]
    assert [block.kind for block in paper.pages()[0].blocks[-3:]] == ["footnote"] * 3


def test_references_in_brackets_begin_lines_of_their_own() -> None:
    full = "[2] " + _FULL[:-6] + " there."
    texts = _blocks(["[1] One of the works, in Rome.", full, "[3] Another work."])
    assert full in texts


def test_entries_of_contents_may_take_two_lines() -> None:
    paper = Paper()
    paper.line(60, 80, "Contents", 18)
    dots = "." * 60
    entries = [
        "1 The first part",
        "2 The second part of this work, which has a very long title that goes on in the next",
    ]
    paper.line(60, 110, f"{entries[0]} {dots} 1")
    paper.line(60, 130, entries[1])
    paper.line(72, 142, f"line of it {dots} 7")
    paper.line(60, 162, f"3 The third part {dots} 9")
    assert paper.markdown().splitlines()[2:] == [
        "- 1 The first part  ... 1",
        f"- {entries[1]} line of it  ... 7",
        "- 3 The third part  ... 9",
    ]


def test_blank_lines_of_code_are_kept() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(20))
    for y, text in ((340, "ross <- account(100)"), (352, "robert <- account(200)"), (376, "ross$withdraw(30)")):
        paper.line(60, y, text, 10, "cour")
    assert "ross <- account(100)\nrobert <- account(200)\n\nross$withdraw(30)" in paper.markdown()


def test_lines_that_a_formula_pushed_apart_are_one_paragraph() -> None:
    paper = Paper()
    for y, text in ((100, _FULL), (118, _FULL), (136, "and go on here to the end.")):
        paper.line(60, y, text)
    paper.lines(60, 200, [_FULL] * 12)
    assert paper.markdown().split("\n\n")[0].endswith("at once and go on here to the end.")


def test_a_name_broken_over_two_lines_is_no_new_paragraph() -> None:
    (text,) = _blocks([_FULL[:70] + " (the", "Transportationcommission) and " + _FULL[:40]])
    assert "(the Transportationcommission)" in text


def test_names_set_to_the_right_stand_on_lines_of_their_own() -> None:
    paper = Paper()
    paper.lines(60, 100, [_FULL] * 3)
    edge = 60 + pymupdf.get_text_length(_FULL, "helv", 10)
    for number, name in enumerate(("Mary Ann Smith", "Jo Li", "Sebastian Hohenheim")):
        paper.line(edge - pymupdf.get_text_length(name, "helv", 10), 180 + 12 * number, name)
    assert paper.markdown().split("\n\n")[1:] == ["Mary Ann Smith", "Jo Li", "Sebastian Hohenheim"]


def test_a_leader_of_two_dots_is_one() -> None:
    paper = Paper()
    paper.lines(60, 100, ["1 Introduction to it . . . . . . . . . . 2", "2 Simple manipulations and vectors . . 8"])
    assert paper.markdown().splitlines()[-1] == "- 2 Simple manipulations and vectors  ... 8"


def test_code_keeps_the_spaces_between_runs() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(20))
    for y, number, indent, text in (
        (340, "1", 2, "for x in y:"),
        (352, "2", 4, "print(x);"),
        (364, "3", 6, "sum += x;"),
    ):
        paper.line(60, y, number, 10, "cour")
        paper.line(60 + 6 * indent, y, text, 10, "cour")
    assert "1 for x in y:\n2   print(x);\n3     sum += x;" in paper.markdown()


def test_a_run_before_wide_spaces_goes_on_with_the_word_before_it() -> None:
    paper = Paper()
    paper.line(60, 100, "A bread")
    paper.line(60 + pymupdf.get_text_length("A bread", "helv", 10), 100, " with oil.    6$")
    assert paper.markdown().startswith("A bread with oil.")
