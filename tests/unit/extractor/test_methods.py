"""The methods beside fast: recognition of scans, the layout model, and the choice page by page."""

from __future__ import annotations

import sys
from pathlib import Path

import pymupdf
import pytest
from msgspec.structs import replace

from services.extractor.extract import pdf_to_markdown, read_pages
from services.extractor.methods.layout import clean_markdown
from services.extractor.methods.tessdata import Tessdata, installed
from services.extractor.methods.verdict import is_better
from services.extractor.pages import Page
from services.extractor.places import method_of
from services.extractor.reader.wording import is_scrambled, letter_order, word_share
from services.extractor.reading import Reading
from shared.errors import ConfigurationError
from tests.unit.extractor.papers import Paper, prose
from tests.unit.extractor.scans import ENGLISH, GERMAN, as_picture, garbled, printed, reopened, scanned

AUTO = Reading(method="auto")
WITHOUT_DATA = Reading(method="auto", languages="xyz")


def _read(doc: pymupdf.Document, reading: Reading = AUTO) -> list[Page]:
    return list(read_pages(doc, reading=reading))


def test_an_english_scan_is_recognised_with_its_lines_joined() -> None:
    (page,) = _read(scanned(ENGLISH))
    assert page.method == "ocr"
    assert " ".join(ENGLISH) in page.markdown
    assert page.language == "en"
    assert page.confidence > 0.9
    assert page.escalation is not None
    assert (page.escalation.to, page.escalation.reason, page.escalation.kept) == ("ocr", "no_text", True)
    assert "escalated_to_ocr: no_text" in page.warnings


def test_a_german_scan_keeps_its_umlauts_and_loses_its_hyphen() -> None:
    (page,) = _read(scanned(GERMAN))
    assert "Prüfung" in page.markdown
    assert "berichten, sobald" in page.markdown
    assert "nächste" in page.markdown


def test_blocks_of_a_scan_know_their_place() -> None:
    (page,) = _read(scanned(ENGLISH))
    (block,) = page.blocks
    assert page.markdown[block.start : block.end] == page.markdown
    assert block.bbox == pytest.approx((30, 38, 410, 94), abs=12)


@pytest.mark.parametrize("turn", [180, 90, 270])
def test_a_scan_that_lies_on_its_side_or_head_is_read_all_the_same(turn: int) -> None:
    (page,) = _read(scanned(ENGLISH * 2, turn))
    assert ENGLISH[0] in page.markdown
    assert "text_turned" in page.warnings


def test_a_scan_on_a_rotated_page_is_read_as_it_is_shown() -> None:
    doc = scanned(ENGLISH, 270)
    doc[0].set_rotation(90)
    (page,) = _read(doc)
    assert ENGLISH[1] in page.markdown
    assert "text_turned" not in page.warnings


def test_a_crooked_scan_is_made_level() -> None:
    (page,) = _read(scanned(ENGLISH, 3))
    assert ENGLISH[0] in page.markdown


def test_text_with_a_wrong_character_map_is_recognised_from_its_glyphs() -> None:
    doc = garbled(ENGLISH)
    (fast,) = _read(doc, Reading())
    assert "pthbj" in fast.markdown
    (page,) = _read(doc)
    assert page.method == "ocr"
    assert ENGLISH[0] in page.markdown
    assert page.escalation is not None
    assert page.escalation.reason == "garbled_text"


def test_a_garbled_page_without_recognition_says_that_it_is() -> None:
    (page,) = _read(garbled(ENGLISH), WITHOUT_DATA)
    assert page.method == "fast"
    assert page.confidence <= 0.3
    assert {"text_garbled", "ocr_language_missing"} <= set(page.warnings)


def test_blank_pages_are_blank() -> None:
    doc = pymupdf.open()
    doc.new_page()
    white = doc.new_page(width=300, height=300)
    white.draw_rect(white.rect, color=(1, 1, 1), fill=(1, 1, 1))
    assert [(page.method, page.markdown, page.escalation) for page in _read(reopened(doc))] == [("fast", "", None)] * 2


def test_a_scan_under_a_few_printed_words_is_recognised() -> None:
    doc = scanned(ENGLISH * 2)
    doc[0].insert_text((30, 190), "Copy 12", fontsize=8)
    (page,) = _read(reopened(doc))
    assert page.method == "ocr"
    assert ENGLISH[0] in page.markdown
    assert page.escalation is not None
    assert page.escalation.reason == "scanned"


def test_a_printed_page_with_a_small_picture_is_not_recognised() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(10))
    picture = printed(ENGLISH)[0].get_pixmap(dpi=72)
    paper.page.insert_image(pymupdf.Rect(60, 400, 300, 500), pixmap=picture)
    (page,) = _read(paper.reopened())
    assert (page.method, page.escalation, page.warnings) == ("fast", None, [])


def test_only_the_pages_that_need_it_are_recognised() -> None:
    doc = printed(ENGLISH)
    doc.insert_pdf(scanned(GERMAN))
    doc.insert_pdf(printed(GERMAN))
    assert [page.method for page in _read(reopened(doc))] == ["fast", "ocr", "fast"]


def test_the_time_budget_leaves_pages_as_they_are_and_says_so() -> None:
    (page,) = _read(scanned(ENGLISH), Reading(method="auto", budget=0.0))
    assert (page.method, page.markdown) == ("fast", "")
    assert "budget_spent: ocr no_text" in page.warnings


def test_ocr_recognises_printed_pages_too() -> None:
    (page,) = _read(printed(ENGLISH), Reading(method="ocr"))
    assert page.method == "ocr"
    assert ENGLISH[2] in page.markdown


def test_without_language_data_auto_goes_on_and_ocr_says_what_is_missing() -> None:
    (page,) = _read(scanned(ENGLISH), WITHOUT_DATA)
    assert page.warnings == ["ocr_language_missing"]
    with pytest.raises(ConfigurationError, match="xyz") as caught:
        _read(scanned(ENGLISH), Reading(method="ocr", languages="deu+xyz"))
    assert caught.value.code == "ocr_language_missing"


def test_without_the_layout_package_auto_goes_on_and_layout_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymupdf4llm", None)
    with pytest.raises(ConfigurationError) as caught:
        _read(printed(ENGLISH), Reading(method="layout"))
    assert caught.value.code == "layout_unavailable"
    (page,) = _read(_half_empty_table())
    assert page.method == "fast"
    assert "layout_unavailable" in page.warnings


def test_a_recogniser_that_died_on_a_page_is_not_asked_again() -> None:
    lost = {method_of(1, "ocr"): "pdf_page_timeout"}
    (page,) = read_pages(scanned(ENGLISH), reading=AUTO, lost=lost)
    assert page.warnings == ["ocr_lost: pdf_page_timeout"]
    assert not page.error


def test_the_place_of_a_slow_method_is_told_before_it_is_touched() -> None:
    told: list[str] = []
    list(read_pages(scanned(ENGLISH), reading=AUTO, touch=told.append))
    assert method_of(1, "ocr") in told


def _half_empty_table() -> pymupdf.Document:
    paper = Paper()
    for row in range(6):
        for column in range(6):
            box = pymupdf.Rect(60 + 80 * column, 80 + 24 * row, 140 + 80 * column, 104 + 24 * row)
            paper.page.draw_rect(box, width=0.5)
            if column == row or column == 0:
                paper.line(box.x0 + 6, box.y1 - 8, f"word{row}{column}")
    return paper.reopened()


def test_the_layout_model_gives_blocks_with_places_and_no_emphasis() -> None:
    paper = Paper()
    paper.line(60, 80, "A Title of This Page", 20, "hebo")
    paper.lines(60, 120, prose(8))
    (page,) = _read(paper.reopened(), Reading(method="layout"))
    assert page.method == "layout"
    assert [block.kind for block in page.blocks] == ["heading", "paragraph"]
    assert "**" not in page.markdown
    assert page.markdown.startswith("# A Title of This Page\n\nthe reader")
    heading = page.blocks[0]
    assert page.markdown[heading.start : heading.end] == "# A Title of This Page"
    assert heading.bbox[1] < 80 < heading.bbox[3] + 2
    assert page.language == "en"


def test_a_table_that_does_not_close_is_given_to_the_layout_model() -> None:
    (page,) = _read(_half_empty_table())
    assert page.escalation is not None
    assert (page.escalation.to, page.escalation.reason) == ("layout", "table_open")


def test_marks_of_emphasis_are_taken_off() -> None:
    assert clean_markdown("**Bold** and _slanted_ snake_case_name<br>2 * 3 * 4") == (
        "Bold and slanted snake_case_name 2 * 3 * 4"
    )
    assert clean_markdown("a < b <mark>c</mark> <script>") == "a < b c \\<script>"


def test_letters_of_real_words_follow_each_other_as_in_no_cipher() -> None:
    english, german = " ".join(ENGLISH), " ".join(GERMAN)
    shifted = "".join(chr(ord(char) + 1) if char.isalpha() else char for char in english)
    assert min(letter_order(english), letter_order(german)) > 6.5
    assert is_scrambled(shifted)
    assert not is_scrambled("12.5 | 13.7")
    assert word_share(english) > 0.95
    assert word_share("~| .; yuyy} O104{ ::;") < 0.4


def test_language_data_in_several_folders_are_gathered(tmp_path: Path) -> None:
    packaged = Path(sys.prefix) / "share" / "tessdata" / "deu.traineddata"
    (tmp_path / "other.traineddata").write_bytes(b"data")
    both = Tessdata("deu+other", [str(tmp_path)])
    assert (Path(both.folder) / "deu.traineddata").read_bytes()[:64] == packaged.read_bytes()[:64]
    assert (Path(both.folder) / "other.traineddata").read_bytes() == b"data"
    both.close()
    assert not Path(both.folder).exists()
    assert {"deu", "eng", "other"} <= set(installed([str(tmp_path)]))


@pytest.mark.parametrize("languages", ["../deu", "deu+", "", "deu;eng", "deu+" * 9 + "eng"])
def test_what_names_no_language_is_refused(languages: str) -> None:
    with pytest.raises(ConfigurationError):
        Tessdata(languages)


@pytest.mark.parametrize("method", ["auto", "fast", "layout", "ocr"])
def test_every_method_works_in_one_call(tmp_path: Path, method: str) -> None:
    path = tmp_path / "paper.pdf"
    printed(ENGLISH).save(path)
    assert "quick brown fox" in pdf_to_markdown(path, method)


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="magic"):
        pdf_to_markdown(tmp_path / "paper.pdf", "magic")


def test_pictures_without_text_give_no_noise() -> None:
    doc = pymupdf.open()
    page = doc.new_page(width=300, height=300)
    for step in range(30):
        page.draw_circle((150, 150), 4 * step + 1, color=(step / 40, 0.3, 0.5), fill=(step / 40, 0.6, 0.2))
    (read,) = _read(as_picture(reopened(doc), dpi=72))
    assert read.markdown == ""
    assert read.escalation is None or not read.escalation.kept


def test_a_script_that_the_recognition_does_not_know_is_not_replaced() -> None:
    fast = Page(1, "حَبيبي ϲΒ", 9, 0.0, "ar", 100, 100, 0, [])
    found = Page(1, "any hundred words", 17, 0.9, "en", 100, 100, 0, [], method="ocr")
    assert not is_better(found, fast, "garbled_text")
    assert is_better(found, replace(fast, language="und"), "garbled_text")


def test_strewn_letters_are_no_words() -> None:
    assert word_share("i b i b a h") == 0.0


def test_recognised_text_without_a_common_word_is_doubted() -> None:
    names = [
        "Zinchleser Avuchd Hometch Pesfereyatu",
        "Olewusclia Betwere Enterafl Chemgero Yarnolde",
        "Wanderton Kelbrosi Umpatel Orvinka Selmundo",
    ]
    (page,) = _read(scanned(names))
    assert page.confidence <= 0.4
    assert page.language == "und"
    assert "ocr_doubtful" in page.warnings


def test_only_a_few_large_lines_of_a_scan_are_headings() -> None:
    doc = printed(ENGLISH * 2, height=300)
    doc[0].insert_text((30, 220), "A large title", fontsize=26)
    doc[0].insert_text((30, 250), "And a last line of common size under it, as every page has.", fontsize=14)
    (page,) = _read(as_picture(doc))
    assert [page.markdown[b.start : b.end] for b in page.blocks if b.kind == "heading"] == ["# A large title"]
