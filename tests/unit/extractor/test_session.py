"""A page that kills its reader costs that page, named, and nothing else; nothing loops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pymupdf
import pytest
import pytest_asyncio

from services.extractor.session import TARGET, Session
from services.extractor.settings import ExtractorSettings
from services.extractor.task import Task
from shared.child import Children
from shared.errors import DocumentError
from tests.support.pdfs import long_pdf, marker

TARGETS = "tests.unit.extractor.session_targets:"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def children() -> AsyncIterator[Children]:
    made = Children(["services.extractor.child_extract", "tests.unit.extractor.session_targets"])
    await made.start()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_pdf(tmp_path_factory.mktemp("book") / "book.pdf", 12)


class Reading:
    """One session and everything it gave."""

    def __init__(self, children: Children, target: str, **settings: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        target = target if ":" in target else TARGETS + target
        self.session = Session(children, ExtractorSettings(**settings), self._take, target)

    async def _take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    async def read(self, path: Path, **task: Any) -> Reading:
        await self.session.read(Task(path=str(path), **task))
        return self

    @property
    def pages(self) -> list[dict[str, Any]]:
        return [message["page"] for message in self.messages if "page" in message]

    @property
    def errors(self) -> dict[int, str]:
        return {page["number"]: page["error"] for page in self.pages if page["error"]}


def all_but(lost: set[int], reading: Reading, count: int = 12) -> bool:
    """Every page is there once, in order; those not lost have their own text."""
    assert [page["number"] for page in reading.pages] == list(range(1, count + 1))
    return all((marker(page["number"]) in page["markdown"]) == (page["number"] not in lost) for page in reading.pages)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("crash_at_3", "pdf_crashed"),
        ("killed_from_outside_at_3", "pdf_memory_limit"),
        ("raise_at_3", "pdf_page_failed"),
    ],
)
async def test_a_page_that_kills_its_reader_costs_that_page(
    children: Children, book: Path, target: str, code: str
) -> None:
    reading = await Reading(children, target).read(book)
    assert reading.errors == {3: code}
    assert all_but({3}, reading)


async def test_pages_that_hang_cost_those_pages(children: Children, book: Path) -> None:
    reading = await Reading(children, "hang_at_3_and_6", page_seconds=0.7).read(book)
    assert reading.errors == {3: "pdf_page_timeout", 6: "pdf_page_timeout"}
    assert all_but({3, 6}, reading)
    assert {"lost": {"3": "pdf_page_timeout", "6": "pdf_page_timeout"}} in reading.messages


async def test_a_page_that_needs_all_memory_costs_that_page(children: Children, book: Path) -> None:
    reading = await Reading(children, "memory_ends_at_4").read(book)
    assert reading.errors == {4: "pdf_memory_limit"}
    assert all_but({4}, reading)


async def test_memory_used_up_by_the_pages_before_is_no_fault_of_the_page(children: Children, book: Path) -> None:
    reading = await Reading(children, "memory_ends_on_the_way").read(book, first=1)
    assert (reading.errors, all_but(set(), reading)) == ({}, True)


async def test_a_reader_that_dies_between_pages_loses_none(children: Children, book: Path) -> None:
    reading = await Reading(children, "crash_behind_every_page").read(book)
    assert (reading.errors, all_but(set(), reading)) == ({}, True)


async def test_an_outline_that_kills_its_reader_is_left_out(children: Children, book: Path) -> None:
    reading = await Reading(children, "crash_at_the_outline").read(book)
    infos = [message["info"] for message in reading.messages if "info" in message]
    assert [(info["outline"], info["warnings"]) for info in infos] == [([], ["outline_lost"])]
    assert all_but(set(), reading)


async def test_images_that_kill_their_reader_cost_the_images_of_that_page(children: Children, book: Path) -> None:
    reading = await Reading(children, "crash_at_the_images_of_2").read(book)
    assert (reading.errors, all_but(set(), reading)) == ({}, True)
    assert [page["number"] for page in reading.pages if "images_lost" in page["warnings"]] == [2]


@pytest.mark.parametrize("target", ["crash_behind_every_page", "crash_behind_the_images_of_every_page"])
async def test_images_are_not_sent_twice_when_a_reader_dies_behind_them(
    children: Children, tmp_path: Path, target: str
) -> None:
    document = pymupdf.open()
    for number in range(3):
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 64, 64 + number))
        pixmap.clear_with(90)
        pixmap.set_rect(pymupdf.IRect(5, 5, 40, 40), (200, 10, 10))
        document.new_page().insert_image(pymupdf.Rect(50, 50, 250, 250), pixmap=pixmap)
    document.save(tmp_path / "three.pdf")
    reading = await Reading(children, target).read(tmp_path / "three.pdf", figures=True)
    images = [message["image"] for message in reading.messages if "image" in message]
    assert [image["name"] for image in images] == ["1_0.png", "2_0.png", "3_0.png"]
    assert [image["duplicate_of"] for image in images] == [""] * 3
    assert all(f"{page['number']}_0.png" in page["markdown"] for page in reading.pages)


async def test_when_every_page_fails_every_page_is_named(children: Children, book: Path) -> None:
    reading = await Reading(children, "crash_everywhere").read(book)
    assert reading.errors == dict.fromkeys(range(1, 13), "pdf_crashed")


@pytest.mark.parametrize(
    "target", ["crash_before_a_word", "crash_at_the_outline_again_and_again", "name_places_that_are_none"]
)
async def test_what_fails_at_the_same_place_again_fails_the_document(
    children: Children, book: Path, target: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        await Reading(children, target).read(book)
    assert caught.value.code == "pdf_crashed"


async def test_a_document_may_kill_so_many_readers_and_no_more(children: Children, book: Path) -> None:
    reading = Reading(children, "crash_everywhere", max_restarts=5)
    with pytest.raises(DocumentError) as caught:
        await reading.read(book)
    assert (caught.value.code, len(reading.session.lost)) == ("pdf_crashed", 6)
    assert "6 times" in caught.value.message


async def test_the_wall_clock_is_that_of_the_document_over_all_its_readers(children: Children, book: Path) -> None:
    reading = Reading(children, "hang_at_3_and_6", page_seconds=1.0, child_seconds=1.6)
    with pytest.raises(DocumentError) as caught:
        await reading.read(book)
    assert (caught.value.code, reading.session.lost) == ("pdf_timeout", {"3": "pdf_page_timeout"})


async def test_lost_places_of_an_earlier_attempt_are_not_touched(children: Children, book: Path) -> None:
    reading = await Reading(children, "crash_at_3").read(book, lost={"3": "pdf_page_timeout"})
    assert reading.errors == {3: "pdf_page_timeout"}
    assert all_but({3}, reading)


async def test_an_encrypted_document_is_not_the_fault_of_a_page(children: Children, tmp_path: Path) -> None:
    (tmp_path / "none.pdf").write_bytes(b"%PDF-1.7\nnothing else")
    with pytest.raises(DocumentError) as caught:
        await Reading(children, TARGET).read(tmp_path / "none.pdf")
    assert caught.value.code == "pdf_corrupt"


async def test_memory_does_not_grow_with_the_number_of_pages(children: Children, tmp_path: Path) -> None:
    peaks = {}
    for count in (50, 400):
        reading = await Reading(children, "measure").read(long_pdf(tmp_path / f"{count}.pdf", count))
        assert len(reading.pages) == count
        (peaks[count],) = (message["measured"]["peak_kib"] for message in reading.messages if "measured" in message)
    assert peaks[400] <= peaks[50] + (20 << 10)
    assert peaks[400] <= 150 << 10
