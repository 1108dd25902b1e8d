"""Runs of text that MuPDF puts on the baseline of their leading space rather than on their own."""

from __future__ import annotations

from tests.unit.extractor.papers import Paper, prose


def _noted(operators: str, start: str) -> str:
    paper = Paper()
    paper.lines(60, 100, prose(3), 9)
    paper.line(60, 136, start, 9)
    paper.line(60, 700, "in times", 9, "tiro")
    paper.line(60, 712, "in italics", 9, "tiit")
    paper.line(60, 724, start, 9)
    paper.drawn(operators)
    return paper.markdown()


def test_a_raised_space_between_two_fonts_does_not_tear_the_line() -> None:
    operators = "/tiit 9 Tf ( see this) Tj /helv 6.4 Tf 3.4 Ts (2) Tj /helv 9 Tf ( ) Tj 0 Ts (and stand) Tj"
    assert "Readers see this² and stand" in _noted(operators, "Readers")


def test_a_sign_behind_a_raised_exponent_stays_in_its_formula() -> None:
    operators = (
        "/tiit 9 Tf ( s = 2t) Tj /tiro 6.4 Tf 4 Ts (3) Tj /tiro 9 Tf ( ) Tj 0 Ts (- ) Tj /tiit 9 Tf (3t) Tj "
        "/tiro 6.4 Tf 4 Ts (2) Tj /tiro 9 Tf ( ) Tj 0 Ts (- 12) Tj"
    )
    assert "Where s = 2t³ - 3t² - 12" in _noted(operators, "Where")


def test_a_lowered_space_does_not_tear_the_line() -> None:
    operators = "/tiit 9 Tf ( v) Tj /helv 6.4 Tf -3 Ts (2) Tj /helv 9 Tf ( ) Tj 0 Ts (have not) Tj"
    assert "If v₂ have not" in _noted(operators, "If")


def test_the_text_of_a_note_stands_on_one_line_with_its_number() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(5), 10)
    paper.line(60, 690, "set in times", 9, "tiro")
    paper.line(60, 696, "set in italics", 9, "tiit")
    paper.line(60, 720, "2", 6.4)
    paper.drawn("/tiro 9 Tf ( ) Tj -4 Ts (In some sense) Tj /tiit 9 Tf ( this mimics) Tj")
    assert "² In some sense this mimics" in paper.markdown()
