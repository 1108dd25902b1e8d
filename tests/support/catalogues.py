"""Product catalogues made for tests, with the truth about them: deterministic, PyMuPDF only.

A catalogue is a list of sheets (cover, index, stories, products, specifications, certificates, overview). Its design
says where the names of products can be learned, in how many columns and in which language it is set, how far the
printed numbers are from the sheets, and whether products share sheets.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pymupdf

from tests.support.catalogue_words import LINES, NAMES, PEOPLE, WORDS

THINGS = ("ferns", "nets", "dunes", "kelp", "slate", "bark", "rain", "reeds")
SIZES = ("10x10 cm", "7,5x15 cm", "30 x 60 cm")
WIDTH, HEIGHT, EDGE = 595, 842, 46


class Design(NamedTuple):
    """How a catalogue is made. `names_in` holds heading, outline, index and running; `offset` is sheet - folio.

    `captions` are full (name and colour), colour, or none; `swatches` are further pictures in a row of each product,
    `leading` sets pictures over the headings of their products, `marks` puts a certificate's mark on product sheets,
    `portraits` adds a sheet of the designers."""

    language: str = "en"
    columns: int = 1
    names_in: frozenset[str] = frozenset({"heading", "outline", "index"})
    offset: int = 0
    shared: bool = False
    ruled: bool = True
    label_table: bool = True
    logo: bool = True
    certificates: bool = True
    products: int = 6
    captions: str = "full"
    swatches: int = 0
    leading: bool = False
    marks: bool = False
    portraits: bool = False


class Shown(NamedTuple):
    """A picture: its sheet, its box in points from the top left, the product it shows ("" for none), its caption."""

    page: int
    bbox: tuple[float, float, float, float]
    product: str
    caption: str


class Made(NamedTuple):
    """The truth about one product: its sheets, and its articles by number as (dimension, colour, finish, price)."""

    name: str
    pages: list[int]
    articles: dict[str, tuple[str, str, str, float]]
    designer: str
    dimensions: list[str]
    colours: list[str]


class Truth(NamedTuple):
    """What is in a catalogue; entities are (kind, name, sheet)."""

    products: list[Made]
    entities: set[tuple[str, str, int]]
    pages: int
    pictures: list[Shown] = []


class _Press:
    """Sets sheets from top to bottom."""

    def __init__(self, design: Design, seed: int) -> None:
        self.design, self.chance, self.words = design, random.Random(seed), WORDS[design.language]
        self.document = pymupdf.open()
        self.running: dict[int, str] = {}
        self.y = 0.0
        self.pictures: list[Shown] = []
        self.logo = _pattern(self.chance, 120, 44)
        self.mark = _pattern(random.Random(7), 60, 60)

    @property
    def number(self) -> int:
        return int(self.document.page_count)

    def sheet(self, running: str = "") -> None:
        self.document.new_page(width=WIDTH, height=HEIGHT)
        self.running[self.number] = running
        self.y = 90

    def line(self, text: str, size: float = 10, bold: bool = False, x: float = EDGE, gap: float = 6) -> None:
        self.y += size
        font = "hebo" if bold else "helv"
        self.document[-1].insert_text((x, self.y), text, fontsize=size, fontname=font)
        self.y += gap

    def prose(self, text: str) -> None:
        """A paragraph in the design's columns, each of them filled."""
        count = self.design.columns
        width = (WIDTH - 2 * EDGE - 16 * (count - 1)) / count
        for column in range(count):
            left = EDGE + column * (width + 16)
            area = pymupdf.Rect(left, self.y, left + width, self.y + 110)
            self.document[-1].insert_textbox(area, text, fontsize=9, fontname="helv")
        self.y += 120 if count > 1 else 70

    def picture(self, caption: str, product: str = "") -> None:
        self._place(EDGE, 160, 100, product, caption)
        self.y += 104
        if caption:
            self.line(caption, 8)

    def swatches(self, captions: list[str], product: str) -> None:
        """Small pictures side by side, each over its caption."""
        top = self.y
        for at, caption in enumerate(captions):
            self.y = top
            left = EDGE + at * 120
            self._place(left, 90, 60, product, caption)
            self.y += 64
            if caption:
                self.line(caption, 8, x=left)
        self.y += 8

    def certify(self, wanted: bool) -> None:
        """The same mark on every sheet that has one."""
        if self.design.marks and wanted:
            self._place(EDGE, 40, 40, "", "CE", self.mark)
            self.y += 44
            self.line("CE", 8)

    def _place(
        self, left: float, width: int, height: int, product: str, caption: str, content: bytes | None = None
    ) -> None:
        box = (left, self.y, left + width, self.y + height)
        stream = content or _pattern(self.chance, width, height)
        self.document[-1].insert_image(pymupdf.Rect(box), stream=stream)
        self.pictures.append(Shown(self.number, box, product, caption))

    def table(self, rows: list[tuple[str, ...]], widths: tuple[float, ...]) -> None:
        page, top = self.document[-1], self.y
        edges = [EDGE + sum(widths[:at]) for at in range(len(widths) + 1)]
        for row in rows:
            for cell, left in zip(row, edges, strict=False):
                page.insert_text((left + 3, self.y + 11), cell, fontsize=8, fontname="helv")
            self.y += 15
        if self.design.ruled:
            for at in range(len(rows) + 1):
                page.draw_line((edges[0], top + 15 * at), (edges[-1], top + 15 * at))
            for edge in edges:
                page.draw_line((edge, top), (edge, self.y))
        self.y += 12

    def finish(self, path: Path, outline: list[tuple[int, str, int]]) -> None:
        for at in range(self.number):
            page, folio = self.document[at], at + 1 - self.design.offset
            running = self.running[at + 1]
            page.insert_text((EDGE, 34), f"NORDHAUS  |  {running}" if running else "NORDHAUS", fontsize=8)
            if self.design.logo:
                page.insert_image(pymupdf.Rect(500, 22, 540, 36), stream=self.logo)
            if folio > 0:
                page.insert_text((EDGE, HEIGHT - 30), f"NORDHAUS Edition 7   {folio}", fontsize=8)
        if outline:
            self.document.set_toc([list(entry) for entry in outline])
        self.document.save(path, deflate=True, no_new_id=True)


class _Captions(NamedTuple):
    """Captions of one product, in the style of the design."""

    style: str
    figure: int
    name: str

    def __call__(self, number: int, colour: str, *more: str) -> str:
        if self.style == "none":
            return ""
        said = f"{self.name} {colour}" if self.style == "full" else colour
        return f"Fig. {self.figure}.{number}: {', '.join([said, *more])}"


def _pattern(chance: random.Random, width: int, height: int) -> bytes:
    """A small PNG with stripes that no other has."""
    first, second, third = (chance.randrange(3, 250) for _ in range(3))
    samples = bytes(
        (x * first + y * second + channel * third) % 256
        for y in range(height)
        for x in range(width)
        for channel in range(3)
    )
    return bytes(pymupdf.Pixmap(pymupdf.csRGB, width, height, samples, False).tobytes("png"))


def catalogue(path: Path, design: Design, seed: int = 1) -> Truth:
    """Write a catalogue to `path`, and give the truth about it."""
    press = _Press(design, seed)
    words = press.words
    press.sheet()
    press.line("NORDHAUS", 30, bold=True)
    press.line("Edition 7", 16)
    for _ in range(design.offset):
        press.sheet()
        press.prose(words["story_text"] * 2)
    press.sheet(words["contents"])
    index_sheet = press.number
    products: list[Made] = []
    outline = [(1, words["contents"], index_sheet)]
    for at, name in enumerate(NAMES[: design.products]):
        previous = products[-1] if products else None
        products.append(_product(press, at, name, previous if design.shared and at % 2 else None))
        outline += [(1, name, products[-1].pages[0]), (2, words["variants"], products[-1].pages[-1])]
        if at % 3 == 1:
            _story(press, "story" if at % 2 else "care")
            press.sheet()
    if design.portraits:
        _portraits(press, products)
    entities = _closing(press, products)
    if design.certificates:
        outline.append((1, words["certs"], max(page for _, _, page in entities)))
    _index(press, index_sheet, products, max(page for _, _, page in entities))
    press.finish(path, outline if "outline" in design.names_in else [])
    return Truth(products, entities, press.number, press.pictures)


def _product(press: _Press, at: int, name: str, sharing: Made | None) -> Made:
    design, words, chance = press.design, press.words, press.chance
    designer, thing = PEOPLE[at], THINGS[at]
    dimensions = chance.sample(SIZES, chance.randrange(1, 3))
    colours = chance.sample(words["colours"], chance.randrange(2, 4))
    prefix = "".join(c for c in name.upper() if c.isalnum())[:3] + str(10 + at)
    running = name if "running" in design.names_in else ""
    if sharing is None:
        press.sheet(running)
    else:
        press.y += 20
    pages = [press.number]
    caption = _Captions(design.captions, at + 1, name if "heading" in design.names_in else prefix)
    if design.leading:
        press.picture("", name)
    printed = "heading" in design.names_in
    press.line(name if printed else prefix, 22, bold=True, gap=10)
    press.line(LINES[at], 13, bold=True, gap=10)
    lists = (words["materials"], colours, words["finishes"])
    values = (designer, " / ".join(dimensions), *(", ".join(each) for each in lists))
    if design.label_table:
        rows: list[tuple[str, ...]] = [
            (f"{label}:", value) for label, value in zip(words["labels"], values, strict=True)
        ]
        press.table(rows, (110.0, 260.0))
    else:
        for label, value in zip(words["labels"], values, strict=True):
            press.line(f"{label}: {value}", 9, gap=8)
        press.y += 10
    text = words["product_text" if printed else "plain_text"].format(name=name, thing=thing, designer=designer)
    press.prose(text)
    if sharing is None and not design.leading:
        press.picture(caption(1, colours[0], dimensions[0]), name)
    if design.swatches:
        captions = [caption(10 + n, chance.choice(colours)) for n in range(design.swatches)]
        press.swatches(captions, name)
    press.certify(sharing is None)
    articles = {}
    for dimension in dimensions:
        for colour in colours:
            digits = "".join(c for c in dimension if c.isdigit())
            finish, price = chance.choice(words["finishes"]), chance.randrange(2000, 20000) / 100
            articles[f"{prefix}-{digits}-{colour[:3].upper()}"] = (dimension, colour, finish, price)
    listed: list[tuple[str, ...]] = [words["columns"]]
    for sku, (dimension, colour, finish, price) in articles.items():
        shown = f"{price:.2f}".replace(".", "," if design.language == "de" else ".")
        listed.append((sku, dimension, colour, finish, "9", shown))
    for extra in range(0 if sharing else 1 + at % 2):
        press.sheet(running)
        pages.append(press.number)
        press.prose(words["plain_text"].format(thing=thing) * 2)
        press.picture(caption(extra + 2, colours[-1]), name)
    press.table(listed, (110.0, 70.0, 70.0, 70.0, 50.0, 60.0))
    return Made(name, pages, articles, designer, dimensions, colours)


def _story(press: _Press, which: str) -> None:
    press.sheet(press.words[which])
    press.line(press.words[which], 18, bold=True, gap=12)
    press.prose(press.words["story_text"] * 3)
    press.picture("")


def _portraits(press: _Press, products: list[Made]) -> None:
    press.sheet(press.words["people"])
    press.line(press.words["people"], 18, bold=True, gap=12)
    for product in products[:4]:
        press.picture(press.words["person"].format(name=product.designer, product=product.name))


def _closing(press: _Press, products: list[Made]) -> set[tuple[str, str, int]]:
    """Specifications, certificates, overview and contact; gives the entities."""
    words = press.words
    entities: set[tuple[str, str, int]] = set()
    press.sheet(words["specs"])
    press.line(words["specs"], 18, bold=True, gap=12)
    press.table([words["property"], *words["specifications"]], (150.0, 120.0, 90.0))
    press.prose(words["story_text"] * 2)
    entities |= {("specification", name, press.number) for name, _, _ in words["specifications"]}
    if press.design.certificates:
        press.sheet(words["certs"])
        press.line(words["certs"], 18, bold=True, gap=14)
        for at, (name, said) in enumerate(words["certificates"]):
            press.line(name, 13, bold=True)
            press.line(said, 9)
            press.line(words["certificate"].format(number=f"{48210 + at}-7", year=2027 + at), 9)
            press.picture("")
            entities.add(("certificate", name, press.number))
    press.sheet(words["overview"])
    press.line(words["overview"], 18, bold=True, gap=12)
    for product in products:
        press.line(f"{product.name} - {product.designer}, 2019", 10, gap=12)
    press.sheet(words["contact"])
    press.line(words["contact"], 18, bold=True, gap=12)
    press.prose(words["story_text"])
    return entities


def _index(press: _Press, sheet: int, products: list[Made], last: int) -> None:
    page, y = press.document[sheet - 1], 120.0
    page.insert_text((EDGE, y), press.words["contents"], fontsize=20, fontname="hebo")
    rows = [(p.name, p.pages[0]) for p in products] if "index" in press.design.names_in else []
    for title, number in [*rows, (press.words["certs"], last)]:
        y += 22
        page.insert_text((EDGE, y), f"{title}  ........  {number - press.design.offset}", fontsize=10)
