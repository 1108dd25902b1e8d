"""Pictures and materials for the tests of image analysis."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from PIL import Image, ImageFilter

from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Attempt, Work
from shared import frontmatter
from shared.job import Parameters
from shared.manifest import Outputs
from shared.phase import Report
from shared.testing.memory import MemoryStorage
from shared.ticket import Ticket
from tests.support.phases import InlineChildren
from tests.unit.transformer.documents import transcript
from tests.unit.transformer.test_stages_of_the_phase import Told, ticket

SETTINGS = TransformerSettings()


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> bytes:
    return encoded(Image.new("RGB", size, colour))


def noisy(size: tuple[int, int], blur: float = 0.0) -> bytes:
    """A picture full of edges; blurred it has none."""
    pixels = np.random.default_rng(1).integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
    return encoded(image.filter(ImageFilter.GaussianBlur(blur)) if blur else image)


async def stored(contents: Iterable[bytes], pages: int = 3) -> tuple[MemoryStorage, Ticket]:
    """A document with these pictures, one after the other on its sheets."""
    storage = MemoryStorage()
    given = ticket(parameters=Parameters(analyze_images=True))
    home = f"{given.document.library_id}/{given.document.document_id}"
    rows = []
    for at, content in enumerate(contents):
        name = f"{at % pages + 1}_{at}.png"
        await storage.write(f"{home}/images/{name}", content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append({"page": at % pages + 1, "name": name, "sha256": digest, "size": len(content), "caption": f"c{at}"})
    body = transcript(*(f"Page {number}" for number in range(1, pages + 1)))
    artefacts = {
        "transcript": await storage.write(f"{home}/a.md", frontmatter.render({"type": "t"}, body).encode()),
        "info": await storage.write(f"{home}/document.json", b'{"pages": %d}' % pages),
        "pages": await storage.write(f"{home}/pages.jsonl", _lines({"number": n} for n in range(1, pages + 1))),
        "images": await storage.write(f"{home}/images.jsonl", _lines(rows)),
    }
    return storage, replace(given, document=replace(given.document, artefacts=artefacts))


def work_of(storage: MemoryStorage, given: Ticket, attempt: Attempt | None = None) -> Work:
    return Work(given, Report(Told(), given), storage, Outputs(storage, given.output_prefix), attempt)


def offline() -> OfflineAnalyzer:
    children: Any = InlineChildren()
    return OfflineAnalyzer(children, SETTINGS)


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
