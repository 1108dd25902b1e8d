"""References to pictures in a page's Markdown: where they go, and that every span stays true."""

from __future__ import annotations

import pymupdf
from msgspec.structs import replace

from services.extractor.images import Seen, page_images
from services.extractor.pages import Block, Image, Page
from services.extractor.references import with_references
from shared.pictures import reference, without_references
from tests.unit.extractor.papers import Paper, prose
from tests.unit.extractor.test_images import _picture

TEXT = "# Title\n\nFirst paragraph.\n\nFigure 1: Otters\n\nLast paragraph."
SPANS = [("heading", 0, 7, 50.0), ("paragraph", 9, 25, 100.0), ("caption", 27, 43, 300.0), ("paragraph", 45, 60, 400.0)]
PAGE = Page(
    3, TEXT, len(TEXT), 1.0, "en", 600.0, 800.0, 0,
    [Block(kind, (50.0, y, 550.0, y + 20), start, end) for kind, start, end, y in SPANS],
)  # fmt: skip


def _image(box: tuple[float, float, float, float], caption: str = "", index: int = 0, repeats: str = "") -> Image:
    return Image(3, index, f"3_{index}.png", 60, 40, box, "png", "", 9, caption, repeats)


def _spans(page: Page) -> list[str]:
    return [page.markdown[block.start : block.end] for block in page.blocks]


def test_a_picture_stands_at_its_caption() -> None:
    page = with_references(PAGE, [_image((50, 130, 300, 290), "Figure 1: Otters")])
    assert _spans(page)[2:4] == ["![Figure 1: Otters](images/3_0.png)", "Figure 1: Otters"]
    below = with_references(PAGE, [_image((50, 330, 300, 390), "Figure 1: Otters")])
    assert _spans(below)[2:4] == ["Figure 1: Otters", "![Figure 1: Otters](images/3_0.png)"]


def test_without_a_caption_it_stands_below_what_is_above_it() -> None:
    places = {(50, 130, 300, 290): 2, (50, 10, 300, 90): 0, (50, 500, 300, 700): 4}
    for box, place in places.items():
        page = with_references(PAGE, [_image(box)])
        assert [block.kind for block in page.blocks].index("image") == place


def test_every_span_is_true_and_nothing_else_changes() -> None:
    images = [
        _image((50, 130, 300, 290), index=0),
        _image((50, 500, 300, 700), index=1),
        _image((50, 5, 300, 700), "", 2),
    ]
    page = with_references(PAGE, images)
    assert [text for text in _spans(page) if not text.startswith("![")] == _spans(PAGE)
    assert "\n\n".join(_spans(page)) == page.markdown
    assert page.chars == PAGE.chars


def test_repeats_backgrounds_and_small_pictures_in_the_margins_get_no_reference() -> None:
    repeat = _image((50, 130, 300, 290), repeats="1_0.png")
    background = _image((0, 0, 600, 800))
    logo = _image((500, 10, 560, 40))
    assert with_references(PAGE, [repeat, background, logo]) == PAGE


def test_a_page_of_a_picture_alone_refers_to_it_and_still_counts_no_text() -> None:
    empty = replace(PAGE, markdown="", blocks=[], chars=0)
    page = with_references(empty, [_image((0, 0, 600, 800))])
    assert (page.markdown, page.chars) == ("![](images/3_0.png)", 0)
    assert _spans(page) == ["![](images/3_0.png)"]


def test_text_that_no_block_covers_is_kept() -> None:
    loose = replace(PAGE, blocks=PAGE.blocks[:1])
    page = with_references(loose, [_image((50, 130, 300, 290))])
    assert page.markdown.replace("![](images/3_0.png)", "").split() == TEXT.split()


def test_a_caption_cannot_end_its_reference() -> None:
    text = reference("3_0.png", "A [note] \\ with\n`marks` and <b>tags</b> (c)")
    assert text == "![A (note) with 'marks' and btags/b (c)](images/3_0.png)"
    assert without_references(f"before {text} after") == "before  after"
    assert len(reference("3_0.png", "word " * 400)) < 150


def test_a_read_page_and_its_images_fit_together() -> None:
    paper = Paper()
    below = paper.lines(60, 80, prose(6))
    paper.page.insert_image(pymupdf.Rect(60, below + 10, 260, below + 140), pixmap=_picture())
    paper.line(60, below + 156, "Figure 1: A picture of nothing")
    paper.lines(60, below + 190, prose(6, seed=3))
    [page] = paper.pages()
    images = [image for image, _ in page_images(paper.reopened(), 1, Seen())]
    shown = with_references(page, images)
    assert [block.kind for block in shown.blocks] == ["paragraph", "image", "caption", "paragraph"]
    assert _spans(shown)[1] == "![Figure 1: A picture of nothing](images/1_0.png)"
