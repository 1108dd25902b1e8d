"""Images of a foreign worker's result, fetched as archives by URL. What fails is a warning, never a lost text."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections import Counter
from typing import Any

from services.gateway.fetching import Fetcher, FetchFailed
from services.gateway.foreign.archives import ArchiveFailed, ArchiveLimits, Picture, pictures
from services.gateway.foreign.pages import Paged
from shared.manifest import Outputs

ARCHIVES = ("images_archive_url", "pages_archive_url")
INSTEAD = "mistral_ocr_images_url"
"""The source's archive of the pictures within the pages; taken where it names no `images_archive_url`."""
_REFERENCE = re.compile(r"([\w.-]{1,100})\.(?:png|jpe?g|gif|webp|tiff?|jp2|jpx)\b", re.IGNORECASE)
_PAGE_IN_NAME = re.compile(r"(?:^|[_-])(?:page|seite|p)[_-]?([0-9]{1,5})(?![0-9])|^([0-9]{1,5})_[0-9]+$", re.IGNORECASE)


class ForeignImages:
    """Collects the images of one report: files in the attempt's folder, rows of images.jsonl, and warnings."""

    def __init__(self, fetcher: Fetcher, limits: ArchiveLimits, pages: Paged, outputs: Outputs) -> None:
        self._fetcher, self._limits, self._outputs = fetcher, limits, outputs
        self._places = _references(pages)
        self._names: set[str] = set()
        self._first: dict[str, str] = {}
        self._on_page: Counter[int] = Counter()
        self.rows: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []

    async def take(self, data: dict[str, Any]) -> None:
        """Fetch and unpack every archive that the report names."""
        fields = ARCHIVES if data.get(ARCHIVES[0]) else (INSTEAD, *ARCHIVES)
        for field in fields:
            if not data.get(field):
                continue
            dropped: Counter[str] = Counter()
            try:
                await self._archive(str(data[field]), dropped)
            except (FetchFailed, ArchiveFailed) as failed:
                said = f"{field}: the images could not be taken over ({failed.reason})."
                self.warnings.append({"code": "images_archive_failed", "message": said, "reason": failed.reason})
            self.warnings += [
                {"code": "images_dropped", "message": f"{n} entries dropped: {why}.", "count": n, "reason": why}
                for why, n in sorted(dropped.items())
            ]

    async def _archive(self, url: str, dropped: Counter[str]) -> None:
        with tempfile.TemporaryFile(prefix="shadowtwin-") as file:
            await self._fetcher.fetch(url, file)
            found = pictures(file, self._limits, dropped, self._names)
            while (picture := await asyncio.to_thread(next, found, None)) is not None:
                await self._add(picture)

    async def _add(self, picture: Picture) -> None:
        """Bytes that were met before are not stored again: the row names the first image that has them."""
        digest = hashlib.sha256(picture.data).hexdigest()
        first = self._first.setdefault(digest, picture.name)
        repeated = first != picture.name
        if not repeated:
            await self._outputs.write(f"images/{picture.name}", picture.data)
        page = _page_of(picture.name, self._places)
        self.rows.append(
            {
                "page": page,
                "index": self._on_page[page],
                "name": picture.name,
                "width": picture.width,
                "height": picture.height,
                "bbox": [0.0, 0.0, 0.0, 0.0],
                "ext": picture.ext,
                "sha256": digest,
                "size": 0 if repeated else len(picture.data),
                "caption": "",
                "duplicate_of": first if repeated else "",
            }
        )
        self._on_page[page] += 1


def _references(pages: Paged) -> dict[str, int]:
    """The first page whose text names an image file, by the name without its ending."""
    places: dict[str, int] = {}
    for number, text in enumerate(pages.pages, 1):
        for match in _REFERENCE.finditer(text):
            places.setdefault(match.group(1).casefold(), number)
    return places


def _page_of(name: str, places: dict[str, int]) -> int:
    """The page an image stands on, by the text or by its own name; 0 where neither says."""
    stem = name.rpartition(".")[0]
    match = _PAGE_IN_NAME.search(stem)
    return places.get(stem.casefold()) or (int(match.group(1) or match.group(2)) if match else 0)
