"""Which text is a picture's caption."""

from __future__ import annotations

import pytest

from services.extractor.captions import Line, caption_of

PICTURE = (100.0, 100.0, 300.0, 250.0)
PROSE = "Words that go on and on about nothing in particular and that are no caption. " * 4


def _line(x0: float, y0: float, *lines: str, width: float = 200, height: float = 12) -> Line:
    return Line((x0, y0, x0 + width, y0 + height * len(lines)), lines)


@pytest.mark.parametrize(
    "place", [(100, 256), (100, 84), (310, 160), (20, 160)], ids=["below", "above", "on the right", "on the left"]
)
def test_a_caption_may_stand_on_any_side(place: tuple[float, float]) -> None:
    line = _line(*place, "Abb. 3: Otter am Ufer", width=75 if place[0] == 20 else 150)
    assert caption_of(PICTURE, [_line(100, 600, "far away"), line]) == "Abb. 3: Otter am Ufer"


@pytest.mark.parametrize(
    "label",
    ["Figure 2. Sites", "Fig. S1 Sites", "FIGURE IV: Sites", "Abbildung 2: Orte", "Abb. A.2 Orte", "Foto: A. Maier",
     "図1 調査地点", "图 2：样地", "그림 3 조사 지점", "Рис. 4. Места"],
)  # fmt: skip
def test_a_labelled_text_wins_over_a_nearer_one(label: str) -> None:
    assert caption_of(PICTURE, [_line(100, 254, "A nearer line"), _line(100, 275, label)]) == label


def test_a_caption_of_several_lines_comes_whole() -> None:
    line = _line(100, 256, "Figure 1: Tracks were coun-", "ted at twelve sites", "in the upper valley.")
    assert caption_of(PICTURE, [line]) == "Figure 1: Tracks were counted at twelve sites in the upper valley."
    assert caption_of(PICTURE, [_line(100, 256, "図1 調査した", "地点の分布")]) == "図1 調査した地点の分布"


def test_a_label_alone_on_its_line_takes_the_next_text_along() -> None:
    assert caption_of(PICTURE, [_line(100, 256, "Figure 7"), _line(100, 270, "Sites")]) == "Figure 7 Sites"


def test_prose_headers_and_what_stands_far_away_are_no_captions() -> None:
    assert caption_of(PICTURE, [_line(100, 256, PROSE)]) == ""
    assert caption_of(PICTURE, [_line(100, 330, "Far below")]) == ""
    assert caption_of(PICTURE, [_line(400, 260, "Another column", width=100)]) == ""
    assert caption_of(PICTURE, [_line(100, 84, "Field  report")], ("Field report | 3",)) == ""


def test_an_ordinary_word_that_begins_like_a_label_is_none() -> None:
    near, far = "The nearest line", "Images show tracks at the river"
    assert caption_of(PICTURE, [_line(100, 254, near), _line(100, 275, far)]) == near
