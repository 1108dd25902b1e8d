"""Figures a page draws, and previews of pages."""

from __future__ import annotations

import math

import pymupdf
import pytest

from services.extractor import figures
from services.extractor.clusters import clusters
from services.extractor.figures import page_figures
from services.extractor.images import Seen, page_images
from services.extractor.pages import Image
from services.extractor.previews import MAX_PIXELS, page_preview
from tests.unit.extractor.papers import Paper, prose
from tests.unit.extractor.test_images import _picture


def _figures(paper: Paper, seen: Seen | None = None) -> list[tuple[Image, bytes]]:
    doc, seen = paper.reopened(), seen if seen is not None else Seen()
    found: list[tuple[Image, bytes]] = []
    for page in paper.pages():
        images = [image for image, _ in page_images(doc, page.number, seen)]
        found += page_figures(doc, page, images, seen)
    return found


def _chart(paper: Paper, x: float, y: float, colour: tuple[float, float, float] = (0.1, 0.2, 0.8)) -> None:
    """Axes, ten bars and a curve, 200 x 120 points."""
    paper.page.draw_line((x, y), (x, y + 120))
    paper.page.draw_line((x, y + 120), (x + 200, y + 120))
    for bar in range(10):
        paper.page.draw_rect(pymupdf.Rect(x + 5 + bar * 19, y + 10 * bar, x + 18 + bar * 19, y + 120), fill=colour)
    for step in range(20):
        start, end = step * 10, step * 10 + 10
        heights = [y + 60 + 50 * math.sin(at / 30) for at in (start, end)]
        paper.page.draw_line((x + start, heights[0]), (x + end, heights[1]))


def test_a_drawing_becomes_a_figure_with_its_box_and_caption() -> None:
    paper = Paper()
    _chart(paper, 100, 100)
    paper.line(100, 240, "Figure 3: Bars and a curve")
    paper.lines(60, 400, prose(12))
    [(figure, data)] = _figures(paper)
    assert (figure.kind, figure.name, figure.ext, figure.caption) == (
        "figure",
        "1_0.png",
        "png",
        "Figure 3: Bars and a curve",
    )
    assert all(abs(ours - drawn) < 5 for ours, drawn in zip(figure.bbox, (100, 100, 300, 220), strict=True))
    pixmap = pymupdf.Pixmap(data)
    assert (pixmap.width, pixmap.height) == (figure.width, figure.height)
    x, y = int((285 - figure.bbox[0]) * 2), int((210 - figure.bbox[1]) * 2)
    assert pixmap.pixel(x, y) == paper.page.get_pixmap(matrix=pymupdf.Matrix(2, 2)).pixel(570, 420)


def test_labels_at_the_axes_belong_to_the_figure() -> None:
    paper = Paper()
    _chart(paper, 100, 100)
    paper.line(86, 115, "90", size=8)
    paper.line(180, 232, "Year", size=8)
    [(figure, _)] = _figures(paper)
    assert figure.bbox[0] < 88
    assert figure.bbox[3] > 230


def test_figures_that_stand_apart_are_several_and_numbered_behind_the_images() -> None:
    paper = Paper()
    _chart(paper, 100, 100)
    _chart(paper, 100, 500)
    paper.page.insert_image(pymupdf.Rect(350, 100, 470, 180), pixmap=_picture())
    assert [figure.name for figure, _ in _figures(paper)] == ["1_1.png", "1_2.png"]


def test_a_figure_that_repeats_is_stored_once() -> None:
    paper = Paper()
    _chart(paper, 100, 100)
    paper.next_page()
    _chart(paper, 100, 100)
    (first, data), (second, again) = _figures(paper)
    assert data
    assert (again, second.duplicate_of, second.size) == (b"", first.name, 0)


def test_tables_boxes_around_text_and_rules_are_no_figures() -> None:
    paper = Paper()
    for row in range(6):
        for column in range(4):
            cell = pymupdf.Rect(60 + column * 110, 60 + row * 20, 170 + column * 110, 80 + row * 20)
            paper.page.draw_rect(cell)
            paper.line(cell.x0 + 4, cell.y1 - 6, f"cell {row} {column}")
    paper.page.draw_rect(pymupdf.Rect(50, 300, 520, 460), fill=(0.9, 0.9, 0.9))
    paper.page.draw_rect(pymupdf.Rect(54, 304, 516, 456))
    paper.page.draw_line((50, 462), (520, 462))
    paper.lines(60, 320, prose(11))
    paper.page.draw_line((50, 700), (520, 700))
    assert _figures(paper) == []


def test_the_frame_of_an_image_is_no_figure() -> None:
    paper = Paper()
    place = pymupdf.Rect(100, 100, 300, 240)
    paper.page.insert_image(place, pixmap=_picture(100, 70), keep_proportion=False)
    for width in range(4):
        paper.page.draw_rect(pymupdf.Rect(100 - width, 100 - width, 300 + width, 240 + width))
    assert _figures(paper) == []


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_figure_on_a_rotated_page_is_cut_where_it_is_shown(rotation: int) -> None:
    paper = Paper()
    _chart(paper, 100, 100, colour=(1, 0, 0))
    paper.page.set_rotation(rotation)
    [(_, data)] = _figures(paper)
    pixmap = pymupdf.Pixmap(data)
    red = sum(pixmap.pixel(x, y) == (255, 0, 0) for x in range(0, pixmap.width, 4) for y in range(0, pixmap.height, 4))
    assert red > pixmap.width * pixmap.height / 16 / 4


def test_a_page_of_countless_drawings_is_bounded() -> None:
    paper, seen = Paper(), Seen()
    strokes = "".join(
        f"{i % 500} {i % 700} m {i % 500 + 3} {i % 700 + 3} l S\n" for i in range(figures.MAX_VECTORS + 50)
    )
    paper.page.draw_line((0, 0), (1, 1))
    paper.doc.update_stream(paper.page.get_contents()[-1], strokes.encode())
    assert len(_figures(paper, seen)) <= figures.MAX_FIGURES
    assert seen.dropped["too_many_drawings"] == 1


def test_a_huge_page_is_rendered_within_the_limit() -> None:
    doc = pymupdf.open()
    page = doc.new_page(width=14_000, height=14_000)
    page.draw_rect(pymupdf.Rect(1000, 1000, 9000, 9000), fill=(1, 0, 0))
    pixmap = pymupdf.Pixmap(page_preview(doc, 1))
    assert 0.9 * MAX_PIXELS < pixmap.width * pixmap.height < 1.02 * MAX_PIXELS


def test_a_preview_shows_the_page() -> None:
    paper = Paper()
    paper.page.draw_rect(pymupdf.Rect(0, 0, 300, 842), fill=(0, 0, 0), color=None)
    data = page_preview(paper.doc, 1)
    assert data.startswith(b"\xff\xd8\xff")
    pixmap = pymupdf.Pixmap(data)
    dark, light = (pixmap.pixel(x, pixmap.height // 2) for x in (pixmap.width // 4, pixmap.width * 3 // 4))
    assert max(dark) < 20
    assert min(light) > 235


def test_boxes_that_touch_are_one_cluster() -> None:
    boxes = [(10.0, 10.0, 20.0, 20.0), (18.0, 18.0, 40.0, 20.0), (200.0, 200.0, 220.0, 202.0)]
    found = clusters(boxes, 300, 300)
    assert [(cluster.box, cluster.size, cluster.rules) for cluster in found] == [
        ((10.0, 10.0, 40.0, 20.0), 2, 1),
        ((200.0, 200.0, 220.0, 202.0), 1, 1),
    ]
