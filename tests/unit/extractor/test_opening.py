"""Locks, restrictions and files that only look like PDFs: a code and a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from infra.faults.bombs import bombs
from services.extractor.caps import Caps
from services.extractor.extract import describe_document, open_pdf, read_pages
from shared.errors import DocumentError
from shared.magic import check_magic


def _locked(path: Path, user: str, owner: str) -> Path:
    document = pymupdf.open()
    document.new_page().insert_text((72, 90), "behind the lock")
    document.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=user, owner_pw=owner, permissions=0)
    return path


def _refused(path: Path, password: str = "", *, respect_permissions: bool = False) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        open_pdf(path, password, respect_permissions=respect_permissions)
    return caught.value


def test_a_lock_opens_with_its_password_and_says_when_it_is_the_wrong_one(tmp_path: Path) -> None:
    path = _locked(tmp_path / "locked.pdf", "käse", "owner")
    assert open_pdf(path, "käse").page_count == 1
    assert open_pdf(path, "owner").page_count == 1
    assert _refused(path).message == "The PDF is protected by a password."
    wrong = _refused(path, "cheese")
    assert (wrong.code, "does not open it" in wrong.message, "cheese" in wrong.message) == (
        "pdf_encrypted",
        True,
        False,
    )


@pytest.mark.parametrize("password", ["", "anything"])
def test_an_empty_user_password_opens_by_itself(tmp_path: Path, password: str) -> None:
    path = _locked(tmp_path / "owned.pdf", "", "owner")
    assert open_pdf(path, password).page_count == 1


def test_the_owners_restriction_counts_where_it_is_configured(tmp_path: Path) -> None:
    path = _locked(tmp_path / "owned.pdf", "", "owner")
    assert _refused(path, respect_permissions=True).code == "pdf_copy_forbidden"
    assert open_pdf(path, "owner", respect_permissions=True).page_count == 1


def test_a_lock_that_is_not_known_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(bombs()["unknown-lock"].content)
    found = _refused(tmp_path / "a.pdf")
    assert (found.code, "does not know" in found.message) == ("pdf_encrypted", True)


def test_a_web_page_that_speaks_of_pdf_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(bombs()["a-web-page"].content)
    assert _refused(tmp_path / "a.pdf").message == "The file is not a PDF; it looks like an HTML page."


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n", "a PNG image"),
        (b"PK\x03\x04word", "a ZIP archive (perhaps an Office document or an e-book)"),
        (b"<?xml version='1.0'?><svg>", "an SVG image"),
        (b"\r\n \t", "white space"),
        (b"Dear Sir or Madam", "plain text"),
        (bytes(range(256)), "binary data"),
    ],
)
def test_what_is_no_pdf_is_named(head: bytes, kind: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_magic(head)
    assert (caught.value.code, caught.value.message) == (
        "pdf_not_a_pdf",
        f"The file is not a PDF; it looks like {kind}.",
    )


def test_a_page_gives_only_so_much_text_and_says_so(tmp_path: Path) -> None:
    document = pymupdf.open()
    page = document.new_page()
    for number in range(20):
        page.insert_text((50, 50 + 20 * number), f"line {number} of the page")
    document.save(tmp_path / "a.pdf")
    (found,) = read_pages(open_pdf(tmp_path / "a.pdf"), caps=Caps(chars=100))
    assert (found.chars <= 130, found.warnings) == (True, ["text_capped"])
    assert found.markdown.startswith("line 0 of the page")


def test_a_page_of_too_many_lines_keeps_its_text_and_says_so(tmp_path: Path) -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((50, 50), "the text of the page")
    for number in range(60):
        page.draw_line((50, 100 + 5 * number), (300, 100 + 5 * number))
    document.save(tmp_path / "a.pdf")
    (found,) = read_pages(open_pdf(tmp_path / "a.pdf"), caps=Caps(graphics=50))
    assert (found.markdown, found.warnings) == ("the text of the page", ["graphics_limit"])


def test_an_outline_of_5000_levels_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(bombs()["outline-of-5000-levels"].content)
    info = describe_document(open_pdf(tmp_path / "a.pdf"))
    assert [entry.level for entry in info.outline] == list(range(1, 5002))


def test_an_outline_is_read_up_to_a_limit_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(bombs()["outline-of-20000-titles"].content)
    info = describe_document(open_pdf(tmp_path / "a.pdf"))
    assert (len(info.outline), info.warnings) == (10_000, ["outline_truncated"])
