"""What belongs together in one document: reads the materials, asks the rules, writes links.jsonl and counts it back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from services.ingestor.links.materials import EntityRow, ImageRow, Materials, ProductRow, rows, sheets
from services.ingestor.links.naming import Mentions
from services.ingestor.links.pictures import Looks, PictureRules
from services.ingestor.links.texts import Spot, chunk_products, image_chunks
from services.ingestor.pictures import Picture, distinct
from shared import reading
from shared.anchors import PageText
from shared.document import Document
from shared.jsonl import Lost, decoded, encoded, warnings
from shared.links import FILE, KINDS, ROLE, Link, check
from shared.manifest import Outputs
from shared.ports import Storage

INPUTS = ("products", "entities", "images", "pages")
ANALYSES = "imageAnalyses"
TEXT_MOST = 2_000
"""Characters that are said of a picture."""


class _Looked(msgspec.Struct, frozen=True):
    description: str = ""
    material: str = ""
    colours: list[str] = []
    textures: list[str] = []


class _Analysis(msgspec.Struct, frozen=True, rename="camel"):
    image_hash: str
    looked: _Looked = _Looked()


class Linking:
    """The links of one document, from reading to counting."""

    def __init__(self, materials: Materials, analyses: dict[str, str], lost: list[dict[str, str]]) -> None:
        self.materials, self._analyses = materials, analyses
        self._mentions = Mentions(materials.products)
        self.warnings = lost
        self.spots: list[Spot] = []
        self.made: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.readable: Counter[str] = Counter()
        self.loose = 0
        """Links read back whose ends are not there."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to link."""
        return bool(self.materials.products or self.materials.images)

    def pictures(self) -> list[Picture]:
        """The distinct pictures, with what is said of them and whose they are by place and caption. Plain CPU."""
        rules = PictureRules(self.materials, self._mentions, {})
        names = {product.product_id: product.name for product in self.materials.products}
        owners: dict[str, dict[str, float]] = {}
        for link in rules.links():
            own = owners.setdefault(link.image_id, {})
            own[link.product_id] = max(own.get(link.product_id, 0.0), link.relevancy)
        found = []
        for places in distinct(self.materials):
            own = owners.get(self.materials.id_of(places[0]), {})
            products = [
                {"productId": product_id, "name": names[product_id], "relevancy": relevancy}
                for product_id, relevancy in sorted(own.items(), key=lambda pair: -pair[1])
            ]
            decoration = rules.runs_along(places[0])
            text = self._said(places, [names[product_id] for product_id in own], decoration)
            found.append(Picture(places[0], places, text, products, decoration))
        return found

    def links(self, looks: Looks) -> list[Link]:
        """Every link. Plain CPU."""
        rules = PictureRules(self.materials, self._mentions, looks)
        shown = [image for image in self.materials.images if not rules.is_decoration(image)]
        links = [
            *rules.links(),
            *(chunk_products(self.materials, self._mentions, self.spots) if self.materials.products else []),
            *image_chunks(self.materials, shown, self.spots),
        ]
        self.made = Counter(link.kind for link in links)
        return links

    async def write(self, storage: Storage, outputs: Outputs, looks: Looks) -> None:
        """Make the links, write them in batches, and count by kind what can be read back."""
        links = await asyncio.to_thread(self.links, looks)
        lost: list[Lost] = []

        async def content() -> AsyncIterator[bytes]:
            batches = encoded(links, lost, check)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                yield batch

        artefact = await outputs.write(FILE, content(), ROLE)
        self.lost = Counter(links[each.position].kind for each in lost)
        self.warnings += warnings("links", lost)
        stored = await storage.read(artefact.key)
        await asyncio.to_thread(self._read_back, stored)

    def _read_back(self, stored: bytes) -> None:
        images = {image.name for image in self.materials.images}
        products = {product.product_id for product in self.materials.products}
        chunks = {spot.chunk_id for spot in self.spots}
        for link in decoded(stored, Link, []):
            self.readable[link.kind] += 1
            ends = ((link.image, images), (link.product_id, products), (link.chunk_id, chunks))
            self.loose += any(end and end not in known for end, known in ends)

    def _said(self, places: Sequence[ImageRow], products: Sequence[str], decoration: bool) -> str:
        """Captions, products, marks and analysis; of what nobody says anything the first heading of its sheet."""
        captions = [place.caption for place in places if place.caption]
        shown = {place.name for place in places} | {places[0].file}
        marks = [entity.name for entity in self.materials.entities if entity.image in shown]
        said = [*captions[:3], *products, *marks, self._analyses.get(places[0].sha256, "")]
        sheet = self.materials.sheets.get(places[0].page)
        if not any(said) and sheet is not None and not decoration:
            said = [next((block.text.strip("# \n") for block in sheet.blocks if block.kind == "heading"), "")]
        return "\n".join(dict.fromkeys(each for each in said if each))[:TEXT_MOST]

    def counts(self) -> dict[str, int]:
        """Links by kind, and in all."""
        own = {f"links{''.join(word.title() for word in kind.split('-'))}": self.readable[kind] for kind in KINDS}
        return {**own, "links": sum(self.readable.values())}


async def read_inputs(storage: Storage, document: Document) -> dict[str, bytes]:
    """The files that links and places are made from, by role; empty where the document has none."""
    roles = (*INPUTS, ANALYSES)
    return {role: await reading.read(storage, document, role) if role in document.artefacts else b"" for role in roles}


def gathered(document: Document, parts: Sequence[PageText], contents: Mapping[str, bytes]) -> Linking:
    """The materials of a document, of whose body `parts` are the pages; rows that cannot be read are told as warnings.
    Plain CPU."""
    told: list[dict[str, str]] = []

    def read(role: str, kind: type[Any]) -> list[Any]:
        lost: list[Lost] = []
        found = rows(contents[role], kind, lost)
        told.extend(warnings(role, lost))
        return found

    materials = Materials(
        document.document_id,
        document.pages,
        read("products", ProductRow),
        read("entities", EntityRow),
        [image for image in read("images", ImageRow) if image.sha256],
        sheets(contents["pages"], parts) if contents["pages"] else {},
    )
    analyses = {row.image_hash: _sentence(row.looked) for row in read(ANALYSES, _Analysis)}
    return Linking(materials, analyses, told)


def _sentence(looked: _Looked) -> str:
    parts = (looked.description, looked.material, ", ".join(looked.colours), ", ".join(looked.textures))
    return "; ".join(part for part in parts if part)
