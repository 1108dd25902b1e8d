"""Conservation: an ingestion that lost anything fails, and says the numbers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from services.ingestor.laws import Counts, check
from shared.errors import ShadowtwinError
from tests.unit.ingestor.test_chapters import body_of

BODY = body_of("one", "two", "![](images/3_0.png)")
GOOD = Counts(
    pages={1, 2},
    made={"small": 9, "large": 2},
    embedded={"small": 9, "large": 0},
    stored={"small": 9, "large": 0},
    written={"chunk": 9, "summary": 1},
    readable={"chunk": 9, "summary": 1},
)


def test_a_whole_ingestion_passes() -> None:
    check(BODY, GOOD, embed_large=False)


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        ({"pages": {1}}, "1 pages have text but no chunk: 2"),
        ({"embedded": {"small": 8, "large": 0}}, "9 small chunks were made, 9 were to be embedded, 8 were, 9 were"),
        ({"stored": {"small": 8, "large": 0}}, "9 were, 8 were stored"),
        ({"stored": {"small": 9, "large": 2}}, "2 large chunks were made, 0 were to be embedded"),
        ({"readable": {"chunk": 8, "summary": 1}}, "9 chunk vectors were written, 8 can be read back"),
        ({"readable": {"chunk": 9, "summary": 0}}, "1 summary vectors were written, 0 can be read back"),
    ],
)
def test_a_loss_is_told_with_its_numbers(change: dict[str, Any], numbers: str) -> None:
    with pytest.raises(ShadowtwinError, match=numbers) as caught:
        check(BODY, replace(GOOD, **change), embed_large=False)
    assert caught.value.code == "conservation_violated"


def test_the_switch_wants_large_vectors_too() -> None:
    with pytest.raises(ShadowtwinError, match="2 large chunks"):
        check(BODY, GOOD, embed_large=True)
