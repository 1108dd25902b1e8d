"""Whole documents: running lines, rotation, languages, forms, failing pages and files that are no PDF."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pymupdf
import pytest

from services.extractor.caps import Caps
from services.extractor.extract import describe_document, open_pdf, pdf_to_markdown, read_pages, transcript
from services.extractor.reader import document, segments
from services.extractor.reader.language import confidence_of, language_of
from shared.errors import DocumentError
from tests.unit.extractor.papers import Paper, prose


def _book(pages: int) -> Paper:
    paper = Paper()
    for number in range(pages):
        if number:
            paper.next_page()
        paper.line(60, 40, "The Book of Lines", 9)
        paper.lines(60, 120, prose(20, number))
        paper.line(290, 810, f"Page {number + 1} of {pages}", 9)
    return paper


def test_running_lines_are_removed_and_kept_beside_the_text() -> None:
    pages = _book(4).pages()
    assert all("Book of Lines" not in page.markdown and "Page" not in page.markdown for page in pages)
    assert [page.header for page in pages] == ["The Book of Lines"] * 4
    assert [page.label for page in pages] == ["1", "2", "3", "4"]


def test_a_part_of_a_document_reads_like_the_same_part_of_the_whole() -> None:
    doc = _book(6).reopened()
    assert list(read_pages(doc, first=3, last=4)) == list(read_pages(doc))[2:4]


def test_a_rotated_page_reads_like_an_upright_one() -> None:
    upright, turned = Paper(), Paper()
    for paper in (upright, turned):
        paper.lines(60, 80, prose(6))
    turned.page.set_rotation(90)
    assert turned.markdown() == upright.markdown()
    page = turned.pages()[0]
    assert page.rotation == 90


def test_the_transcript_names_every_sheet() -> None:
    text = transcript(_book(2).pages())
    assert text.startswith("--- Seite 1 ---\n\nthe reader")
    assert "\n--- Seite 2 ---\n\n" in text


def test_a_failing_page_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    read = segments.read_sheet

    def fail_on_second(page: pymupdf.Page, caps: Caps) -> object:
        if page.number == 1:
            raise RuntimeError("cycle in page tree")
        return read(page, caps)

    monkeypatch.setattr(document, "read_sheet", fail_on_second)
    pages = _book(3).pages()
    assert [page.error for page in pages] == ["", "pdf_page_failed", ""]
    assert pages[1].markdown == ""
    assert pages[2].markdown


def test_a_page_without_text_has_no_confidence() -> None:
    page = Paper().pages()[0]
    assert (page.markdown, page.confidence, page.language) == ("", 0.0, "und")


def test_garbage_lowers_confidence() -> None:
    assert confidence_of("\ufffd\ue000" * 50, "und") == 0.0
    assert confidence_of("the words of a page that can be read " * 5, "en") == 1.0
    assert confidence_of("xqzt wvkjh bnmtr plkwx zzqrt " * 30, "und") <= 0.4


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("the cat and the dog are in the house of the king", "en"),
        ("die Katze und der Hund sind nicht in dem Haus", "de"),
        ("le chat et le chien sont dans la maison avec les autres", "fr"),
        ("el gato y los perros están en la casa con las flores que son del rey", "es"),
        ("これは日本語の文章です", "ja"),
        ("这是一个中文句子", "zh"),
        ("이것은 한국어 문장입니다", "ko"),
        ("هذه جملة باللغة العربية", "ar"),
        ("זה משפט בעברית", "he"),
        ("это предложение на русском языке", "ru"),
        ("1234 5678", "und"),
    ],
)
def test_language_of_a_page(text: str, code: str) -> None:
    assert language_of(text) == code


def test_values_of_form_fields_are_in_the_text() -> None:
    paper = Paper()
    paper.line(60, 60, "Please fill in")
    for kind, name, value, top in ((7, "surname", "Lovelace", 80), (2, "member", True, 110)):
        widget = pymupdf.Widget()
        widget.field_type, widget.field_name, widget.field_value = kind, name, value
        widget.rect = pymupdf.Rect(60, top, 200, top + 16)
        paper.page.add_widget(widget)
    page = paper.pages()[0]
    assert "Lovelace" in page.markdown
    assert "- [x] member" in page.markdown


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "pdf_empty", "no bytes"),
        (b"<!DOCTYPE html><html></html>", "pdf_not_a_pdf", "HTML"),
        (b"\x89PNG\r\n\x1a\n....", "pdf_not_a_pdf", "PNG"),
        (b"PK\x03\x04 word/document.xml", "pdf_not_a_pdf", "ZIP"),
        (b"%PDF-1.7\nnothing else", "pdf_corrupt", "damaged"),
    ],
)
def test_what_is_no_pdf_is_named(tmp_path: Path, content: bytes, code: str, word: str) -> None:
    path = tmp_path / "upload.pdf"
    path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        open_pdf(path)
    assert caught.value.code == code
    assert word in caught.value.message


def test_a_password_is_needed_only_when_there_is_one(tmp_path: Path) -> None:
    path = _book(1).saved(tmp_path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="geheim", owner_pw="owner")
    with pytest.raises(DocumentError) as caught:
        open_pdf(path)
    assert caught.value.code == "pdf_encrypted"
    assert open_pdf(path, "geheim").page_count == 1


def test_an_empty_user_password_opens_without_asking(tmp_path: Path) -> None:
    path = _book(1).saved(tmp_path, encryption=pymupdf.PDF_ENCRYPT_AES_128, user_pw="", owner_pw="owner", permissions=4)
    doc = open_pdf(path)
    info = describe_document(doc)
    assert info.encrypted
    assert not info.permissions.copy
    assert info.permissions.print


def test_the_description_holds_metadata_and_outline() -> None:
    paper = _book(2)
    paper.doc.set_metadata({"title": "Lines\x00 of text", "author": "A. Writer"})
    paper.doc.set_toc([[1, "One", 1], [2, "Two", 2]])
    info = describe_document(paper.reopened())
    assert info.pages == 2
    assert info.metadata["author"] == "A. Writer"
    assert "\x00" not in info.metadata["title"]
    assert [(entry.level, entry.title, entry.page) for entry in info.outline] == [(1, "One", 1), (2, "Two", 2)]


def test_an_unreadable_outline_is_survived() -> None:
    class Deep:
        page_count, permissions = 1, -4
        metadata: ClassVar[dict[str, str]] = {}

        def get_toc(self, simple: bool) -> list[object]:
            raise RecursionError

    info = describe_document(Deep())
    assert (info.outline, info.warnings) == ([], ["outline_unreadable"])


def test_a_file_is_turned_into_markdown_in_one_call(tmp_path: Path) -> None:
    assert "the reader of this page" in pdf_to_markdown(_book(1).saved(tmp_path))


def test_an_outline_that_promises_what_the_page_does_not_hold_is_told() -> None:
    paper = _book(2)
    paper.page.insert_text((60, 90), "Real title", fontsize=18)
    paper.doc.set_toc([[1, "Invented title", 1], [1, "Real title", 2]])
    assert [page.warnings for page in paper.pages()] == [["outline_disagrees"], []]


class _Starved(pymupdf.Document):  # type: ignore[misc]
    """A document whose pages need more memory than there is."""

    def load_page(self, page_id: int | tuple[int, int]) -> pymupdf.Page:
        raise RuntimeError("code=2: calloc (4104 x 1 bytes) failed")


def test_memory_that_the_library_could_not_get_is_no_damaged_page() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(5))
    with pytest.raises(MemoryError):
        list(read_pages(_Starved("pdf", paper.doc.tobytes())))
