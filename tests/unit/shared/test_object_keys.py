"""Other spellings of a key, and objects that are nobody's upload."""

from __future__ import annotations

import unicodedata

import pytest

from shared.object_keys import image_key, is_derived, key_variants, may_start_a_job


def test_the_key_itself_comes_first_and_none_twice() -> None:
    found = key_variants("lib/my file+1.pdf")
    assert found[0] == "lib/my file+1.pdf"
    assert len(found) == len(set(found))
    assert {"lib/my%20file%2B1.pdf", "lib/my+file%2B1.pdf", "lib/my file 1.pdf"} <= set(found)


@pytest.mark.parametrize("key", ["lib/..%2f..%2fetc/passwd", "lib/a%2Fb.pdf", "lib/%2e%2e%2fx"])
def test_decoding_makes_no_new_folders(key: str) -> None:
    assert all(found.count("/") == key.count("/") for found in key_variants(key))


def test_accents_may_be_composed_otherwise() -> None:
    assert unicodedata.normalize("NFD", "lib/über.pdf") in key_variants("lib/über.pdf")


def test_what_a_key_is_its_metadata_tell_before_its_path() -> None:
    assert is_derived("lib/doc/images/1_0.png")
    assert not is_derived("lib/doc/images/1_0.png", {"derived": "false"})
    assert is_derived("lib/report.pdf", {"derived": "true"})
    assert is_derived("_uploads/1/report.pdf")
    assert may_start_a_job("images/report.pdf"), "a library may be called images"


def test_a_picture_lies_in_its_documents_folder() -> None:
    assert image_key("lib", "doc-1", 3, 0, "png") == "lib/doc-1/images/3_0.png"
