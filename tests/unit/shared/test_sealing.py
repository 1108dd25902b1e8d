"""What is sealed for a worker can be opened by it and by nobody else, and tells nothing by its looks."""

from __future__ import annotations

import pytest

from shared.sealing import LONGEST_BYTES, Sealing, Unsealable


@pytest.mark.parametrize("secret", ["geheim", "", "käse 🔑", "x" * LONGEST_BYTES, "\udcff"])
def test_what_was_sealed_is_opened_by_the_same_key(secret: str) -> None:
    assert Sealing("key").open(Sealing("key").seal(secret)) == secret


def test_equal_secrets_do_not_look_alike_and_all_have_one_length() -> None:
    sealed = [Sealing("key").seal(secret) for secret in ("a", "a", "a much longer secret")]
    assert len(set(sealed)) == 3
    assert len({len(text) for text in sealed}) == 1


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Unsealable):
        Sealing("another").open(Sealing("key").seal("geheim"))


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "é", "A" * 300])
def test_what_was_not_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(Unsealable):
        Sealing("key").open(text)


def test_a_changed_letter_is_noticed() -> None:
    sealed = Sealing("key").seal("geheim")
    with pytest.raises(Unsealable):
        Sealing("key").open(sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:])


def test_more_than_a_pdf_can_take_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 127 bytes"):
        Sealing("key").seal("ä" * 64)
