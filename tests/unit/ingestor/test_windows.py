"""Windows: what must hold for any sizes and any stream."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestor.windows import LARGE, SMALL, Cursor, Shape, small_per_large, windows
from shared.errors import ConfigurationError

shapes = st.builds(Shape, st.integers(1, 50), st.integers(0, 60), st.integers(0, 60))


@settings(deadline=None)
@given(st.integers(0, 400), shapes)
def test_cores_are_disjoint_and_cover_everything(tokens: int, shape: Shape) -> None:
    found = list(windows(tokens, shape))
    assert [token for window in found for token in range(window.core_start, window.core_end)] == list(range(tokens))
    for window in found:
        assert window.start == max(window.core_start - shape.left, 0)
        assert window.end == min(window.core_end + shape.right, tokens)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=20), shapes)
def test_a_stream_gives_the_same_windows_and_needs_no_older_tokens(pieces: list[int], shape: Shape) -> None:
    cursor, known, found = Cursor(shape), 0, []
    for number, piece in enumerate(pieces):
        known += piece
        oldest = cursor.first_needed
        ready = list(cursor.ready(known, final=number == len(pieces) - 1))
        assert all(window.start >= oldest for window in ready)
        found += ready
    assert found == list(windows(sum(pieces), shape))


def test_a_large_core_is_exactly_eight_small_ones() -> None:
    assert small_per_large(SMALL, LARGE) == 8
    small, large = list(windows(6_400, SMALL)), list(windows(6_400, LARGE))
    for index, window in enumerate(large):
        eight = small[index * 8 : index * 8 + 8]
        assert (eight[0].core_start, eight[-1].core_end) == (window.core_start, window.core_end)


def test_sizes_that_make_no_sense_are_refused() -> None:
    for core, left, right in ((0, 1, 1), (5, -1, 0), (5, 0, -1)):
        with pytest.raises(ConfigurationError):
            Shape(core, left, right)
    with pytest.raises(ConfigurationError):
        small_per_large(Shape(200, 0, 0), Shape(500, 0, 0))


@pytest.mark.parametrize("tokens", [0, 1, 199, 200, 201, 1_600, 1_601, 5_000])
def test_counts_follow_from_the_core(tokens: int) -> None:
    assert len(list(windows(tokens, SMALL))) == -(-tokens // 200)
    assert len(list(windows(tokens, LARGE))) == -(-tokens // 1_600)
