"""Monospaced type: code keeps its lines; sentences set or recognised in it are text."""

from __future__ import annotations

from tests.unit.extractor.papers import Paper, prose


def _sentences(width: int = 11) -> list[str]:
    return [f"{line} and of the" for line in prose(30, width=width)]


def test_pages_of_typewritten_sentences_are_paragraphs() -> None:
    paper = Paper()
    for number, text in enumerate(_sentences()):
        paper.line(60, 80 + 14 * number, text, 10, "cour")
    assert "```" not in paper.markdown()
    assert len(paper.pages()[0].blocks) < 4


def test_recognised_lines_whose_size_varies_are_one_paragraph() -> None:
    paper = Paper()
    for number, text in enumerate(_sentences(10)):
        paper.line(60, 80 + 14 * number, text, 9 + 0.5 * (number * 5 % 7), "cour")
    page = paper.pages()[0]
    assert [block.kind for block in page.blocks] == ["paragraph"]


def test_pages_of_code_are_code() -> None:
    paper = Paper()
    code = ["for (int i = 0; i < n; i++) {", "  sum += values[i];", "  if (sum > limit) break;", "}", "return sum;"] * 6
    for number, text in enumerate(code):
        paper.line(60, 80 + 14 * number, text, 10, "cour")
    assert paper.markdown().startswith("```\nfor (int i = 0")


def test_an_address_in_monospace_at_the_end_of_a_sentence_is_no_code() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(3))
    paper.line(60, 136, "our site")
    paper.line(60 + 38, 136, " https://www.example.org/releases/stable/installmanual.", 10, "cour")
    paper.lines(60, 148, prose(3))
    text = paper.markdown()
    assert "```" not in text
    assert "our site https://www.example.org/releases/stable/installmanual." in text
