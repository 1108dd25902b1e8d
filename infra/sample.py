"""The sample PDF of `./shadowtwin demo`: several pages with outline, columns, a table and pictures, made here."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

TITLE = "Lighthouses of the Northern Coast"
AUTHOR = "Marta Lindholm, Jonas Ferrer"

SECTIONS: list[tuple[str, list[str]]] = [
    (
        "Why the towers were built",
        [
            "The northern coast has sixty miles of reefs that lie just below the water at half tide. Before the first "
            "tower was lit in 1774, about one ship in forty was lost between the two capes.",
            "Insurance ledgers from the port of Havnsund show that losses fell by two thirds within ten years of the "
            "first light. The ledgers are the best source we have, because the harbour office burned down in 1801.",
        ],
    ),
    (
        "How the lamps worked",
        [
            "The early lamps burned rapeseed oil in a ring of twelve wicks. A keeper trimmed each wick every four "
            "hours and wound the clockwork that turned the lens once in ninety seconds.",
            "In 1862 the lenses were replaced by glass prisms arranged in rings. A prism lens needs a tenth of the oil "
            "for the same light, and its beam was seen from twenty-one nautical miles.",
        ],
    ),
    (
        "Life of the keepers",
        [
            "Two families lived on each rock. They kept goats, grew kale in boxes of imported soil and were relieved "
            "every second month when the weather let a boat land.",
            "Log books mention loneliness less often than damp. One keeper, Ingrid Aas, wrote the weather down "
            "four times a day for thirty-one years; her series is still used by climatologists.",
        ],
    ),
    (
        "What happened to them",
        [
            "The last tower was automated in 1987. Three are museums, one is a small hotel, and one fell into the sea "
            "in the storm of January 1993.",
        ],
    ),
]

TABLE = [
    ("Tower", "Built", "Height m", "Range nm"),
    ("Havnsund Head", "1774", "24", "14"),
    ("Grey Skerry", "1803", "31", "18"),
    ("Kvitholmen", "1842", "37", "21"),
    ("Outer Maiden", "1868", "42", "21"),
]


def write_sample(path: Path) -> None:
    """Write the sample to `path`, atomically; the same bytes every time."""
    import pymupdf

    document = pymupdf.open()
    toc: list[list[object]] = []
    page = document.new_page()
    page.insert_text((72, 160), TITLE, fontsize=26, fontname="hebo")
    page.insert_text((72, 190), AUTHOR, fontsize=13)
    page.insert_text((72, 215), "Coastal Heritage Papers, 2019", fontsize=11)
    page.insert_image(pymupdf.Rect(72, 260, 372, 460), stream=_picture(300, 200))
    page.insert_text((72, 476), "Figure 1: The coast at dusk, seen from the south.", fontsize=9)
    toc.append([1, TITLE, 1])
    for number, (heading, paragraphs) in enumerate(SECTIONS, 1):
        page = document.new_page()
        page.insert_text((72, 60), "Coastal Heritage Papers", fontsize=8)
        page.insert_text((300, 800), str(page.number + 1), fontsize=8)
        page.insert_text((72, 110), f"{number} {heading}", fontsize=17, fontname="hebo")
        toc.append([2, heading, page.number + 1])
        for column, text in enumerate(paragraphs):
            left = 72 + column * 235
            page.insert_textbox(pymupdf.Rect(left, 140, left + 215, 420), text, fontsize=11)
        if number == 2:
            _table(page, 460)
        if number == 3:
            page.insert_image(pymupdf.Rect(72, 460, 322, 620), stream=_picture(250, 160, shift=90))
            page.insert_text((72, 634), "Figure 2: Garden boxes on Grey Skerry.", fontsize=9)
    document.set_toc(toc)
    document.set_metadata({"title": TITLE, "author": AUTHOR, "creationDate": "D:20190504120000Z"})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.new")
    document.save(partial, garbage=3, deflate=True, no_new_id=True)
    partial.replace(path)


def _table(page: object, top: float) -> None:
    for row, cells in enumerate(TABLE):
        for column, cell in enumerate(cells):
            x, y = 72 + column * 110, top + row * 20
            page.draw_rect((x, y, x + 110, y + 20), width=0.5)  # type: ignore[attr-defined]
            font = "hebo" if row == 0 else "helv"
            page.insert_text((x + 5, y + 14), cell, fontsize=10, fontname=font)  # type: ignore[attr-defined]


def _picture(width: int, height: int, shift: int = 0) -> bytes:
    """A PNG with a gradient, so that it is a picture and no decoration."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in ((x + shift) % 256, (y * 2) % 256, (x * y // 64) % 256))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
