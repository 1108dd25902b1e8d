"""The tokenizer that remembers words: the same offsets as the model's own, in less time and bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters import wordllama_tokens
from shared.adapters.wordllama_embedder import Model
from shared.adapters.wordllama_tokens import WordLlamaTokenizer

TOKENIZER = WordLlamaTokenizer()
text = st.text(
    st.one_of(st.sampled_from(" \n\t\r▁ab.-é日👍🏽\x00|#12"), st.characters(exclude_categories=["Cs"])), max_size=80
)


def offsets(whole: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = Model.get().tokenizer.encode(whole, add_special_tokens=False).offsets
    return found


@settings(deadline=None)
@given(text)
def test_offsets_are_those_of_the_whole_text(whole: str) -> None:
    if not any(special in whole for special in ("<s>", "</s>", "<unk>")):
        assert list(TOKENIZER.spans(whole)) == offsets(whole)


def test_words_and_scripts_without_blanks_agree() -> None:
    for whole in (
        "One word, and another one.\n\n| a | b |\n| --- | --- |\n" * 40,
        "日本語の文章です。" * 30,
        "x" * 500,
    ):
        assert list(TOKENIZER.spans(whole)) == offsets(whole)


def test_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordllama_tokens, "_REMEMBERED", 5)
    for n in range(20):
        whole = " ".join(f"word{i}" for i in range(n, n + 8))
        assert list(TOKENIZER.spans(whole)) == offsets(whole)


def test_tokens_are_a_sequence() -> None:
    spans = TOKENIZER.spans("three words here")
    assert spans[-1] == spans[len(spans) - 1]
    assert spans[0:2] == [spans[0], spans[1]]
    with pytest.raises(IndexError):
        spans[len(spans)]
    assert len(TOKENIZER.spans("")) == 0
