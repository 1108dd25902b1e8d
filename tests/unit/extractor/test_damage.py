"""Pages of which something is lost say so, even though they can be read."""

from __future__ import annotations

from services.extractor.extract import describe_document, read_pages
from services.extractor.reader.text import find_lost_leaders
from services.extractor.tally import Tally
from tests.unit.extractor.papers import Paper, prose
from tests.unit.extractor.scans import reopened

_CMAP = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Lost def /CMapType 2 def
1 begincodespacerange <00> <ff> endcodespacerange
1 beginbfchar
<77> <d835>
endbfchar endcmap end end"""
"""Half a character for the letter w."""


def test_a_page_whose_drawing_instructions_are_missing_names_the_loss() -> None:
    paper = Paper()
    for number in range(3):
        paper.lines(60, 100, prose(20, number))
        if number < 2:
            paper.next_page()
    for xref in paper.doc[1].get_contents():
        paper.doc.update_object(xref, "null")
    doc = reopened(paper.doc)
    pages = list(read_pages(doc))
    assert [page.warnings for page in pages] == [[], ["content_lost"], []]
    tally = Tally()
    for page in pages:
        tally.page(page)
    (warning,) = [w for w in tally.found(describe_document(doc)).warnings if w["code"] == "content_lost"]
    assert warning["message"].endswith("Pages: 2.")


def test_an_empty_page_has_lost_nothing() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(20))
    paper.next_page()
    assert [page.warnings for page in paper.pages()] == [[], []]


def test_characters_that_the_file_gives_no_meaning_are_told() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(20))
    doc = paper.doc
    fonts = [xref for xref in range(1, doc.xref_length()) if doc.xref_get_key(xref, "Type")[1] == "/Font"]
    for font in fonts:
        table = doc.get_new_xref()
        doc.update_object(table, "<<>>")
        doc.update_stream(table, _CMAP)
        doc.xref_set_key(font, "ToUnicode", f"{table} 0 R")
    (page,) = read_pages(reopened(doc))
    assert "\ufffdords" in page.markdown
    assert "characters_unknown" in page.warnings


def test_leaders_without_a_map_may_stand_off_their_label() -> None:
    assert find_lost_leaders("Medicare payroll taxes  " + "\ufffd" * 30) == "Medicare payroll taxes ..."
