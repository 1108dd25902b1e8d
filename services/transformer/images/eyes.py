"""Who looks at pictures: a vision model, or rules that measure their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.transformer.alone import alone, check_passing
from services.transformer.images import questions
from services.transformer.images.analysis import Analysis, Looked, is_low
from services.transformer.images.pictures import Picture, read
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Work
from shared.errors import DocumentError, ShadowtwinError
from shared.gathering import BATCH, in_batches, in_order
from shared.models import ImageBlock, Models
from shared.twin import folder

Result = Analysis | ShadowtwinError

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
SENT_MOST = 4 << 20
"""Bytes of a picture that is sent as it is; larger ones are made anew, smaller."""

MEASURED_BYTES = 32 << 20
"""Bytes of pictures that one child process measures."""


class Eyes(Protocol):
    """`name` is part of every result's fingerprint; `automatic`: they look without being asked to (a model)."""

    name: str
    automatic: bool

    async def look(self, pictures: Sequence[Picture], work: Work) -> list[Result]:
        """One result for each picture, in order: what was seen, or why nothing was. Raises what concerns all."""

    async def again(self, rows: Sequence[Analysis], work: Work) -> list[Looked | ShadowtwinError]:
        """A second look at pictures with a low score. Raises what concerns all."""


class OfflineEyes:
    """Rules over pixels, in a child process (services.transformer.images.pixels)."""

    name = "offline-images-1"
    automatic = False

    def __init__(self, offline: OfflineAnalyzer, settings: TransformerSettings) -> None:
        self._offline, self._settings = offline, settings

    async def look(self, pictures: Sequence[Picture], work: Work) -> list[Result]:
        """See Eyes: main colours as words, and a score from size, sharpness and contrast."""
        found: list[Result] = []
        for group in _groups(pictures):
            found += await self._measured(group, work)
        return found

    async def again(self, rows: Sequence[Analysis], work: Work) -> list[Looked | ShadowtwinError]:
        """See Eyes: rules have nothing to add to what they have measured."""
        return [DocumentError("model_refused", "A second look needs a model.") for _ in rows]

    async def _measured(self, pictures: Sequence[Picture], work: Work) -> list[Result]:
        document = work.ticket.document
        home = folder(document.library_id, document.document_id)

        async def loaded(picture: Picture) -> bytes | ShadowtwinError:
            return await alone(read(work.storage, home, picture.name, picture.image_hash, picture.size))

        contents = await in_order(pictures, 8, loaded)
        good = [content for content in contents if isinstance(content, bytes)]

        async def measured(batch: Sequence[bytes]) -> list[Any]:
            rows: list[Any] = await self._offline.call("measure_images", {"images": list(batch)})
            return rows

        answers = iter(await in_batches(good, measured, (DocumentError,)))
        return [
            content if isinstance(content, ShadowtwinError) else self._result(picture, next(answers), work)
            for picture, content in zip(pictures, contents, strict=True)
        ]

    def _result(self, picture: Picture, answer: Any, work: Work) -> Result:
        if isinstance(answer, ShadowtwinError):
            return answer
        if "error" in answer:
            return DocumentError("worker_failed", f"The picture is {answer['error']}.")
        colours = [row["name"] for row in answer["palette"]]
        seen = Looked(description=picture.caption, colours=colours, quality_score=answer["qualityScore"])
        return _row(picture, seen, self.name, self._settings, answer)


class ModelEyes:
    """A vision model, one call for each picture."""

    automatic = True

    def __init__(self, models: Models, offline: OfflineAnalyzer, settings: TransformerSettings) -> None:
        self.name = f"images-1/{models.name}"
        self._models, self._offline, self._settings = models, offline, settings

    async def look(self, pictures: Sequence[Picture], work: Work) -> list[Result]:
        """See Eyes."""
        done = 0

        async def one(picture: Picture) -> Result:
            nonlocal done
            result = await alone(self._asked(picture, work))
            done += 1
            await work.advance(done / len(pictures), f"picture {done} of {len(pictures)}")
            return result

        results = await in_order(pictures, self._settings.images_at_once, one)
        check_passing(results, work.ticket.attempt)
        return results

    async def again(self, rows: Sequence[Analysis], work: Work) -> list[Looked | ShadowtwinError]:
        """See Eyes."""

        done = 0

        async def one(row: Analysis) -> Looked | ShadowtwinError:
            nonlocal done
            result = await alone(self._validated(row, work))
            done += 1
            await work.advance(done / len(rows), f"picture {done} of {len(rows)}")
            return result

        results = await in_order(rows, self._settings.images_at_once, one)
        check_passing(results, work.ticket.attempt)
        return results

    async def _asked(self, picture: Picture, work: Work) -> Result:
        block = await self._block(picture.name, picture.image_hash, picture.size, work)
        answer = await self._models.ask(questions.analysis(block, picture.context), work.report.account)
        return _row(picture, questions.looked(answer.value), self.name, self._settings)

    async def _validated(self, row: Analysis, work: Work) -> Looked:
        block = await self._block(row.name, row.image_hash, 0, work)
        answer = await self._models.ask(questions.validation(block, row), work.report.account)
        return questions.looked(answer.value)

    async def _block(self, name: str, image_hash: str, size: int, work: Work) -> ImageBlock:
        document = work.ticket.document
        home = folder(document.library_id, document.document_id)
        content = await read(work.storage, home, name, image_hash, size)
        mime = next((kind for mark, kind in _SIGNATURES.items() if content.startswith(mark)), "")
        if not mime or len(content) > SENT_MOST:
            answer = await self._offline.call("prepare_image", {"image": content})
            if "error" in answer:
                raise DocumentError("worker_failed", f"The picture is {answer['error']}.")
            content, mime = answer["content"], answer["mime"]
        return ImageBlock(content, mime, "picture")


def _groups(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Pictures for one child process each."""
    groups: list[list[Picture]] = [[]]
    size = 0
    for picture in pictures:
        if groups[-1] and (size + picture.size > MEASURED_BYTES or len(groups[-1]) >= BATCH):
            groups.append([])
            size = 0
        groups[-1].append(picture)
        size += picture.size
    return groups


def _row(
    picture: Picture, seen: Looked, name: str, settings: TransformerSettings, measured: dict[str, Any] | None = None
) -> Analysis:
    return Analysis(
        image_hash=picture.image_hash,
        name=picture.name,
        pages=picture.pages,
        looked=seen,
        analyzer=name,
        queued=is_low(seen.quality_score, settings.image_quality_least),
        caption=picture.caption,
        measured=measured or {},
    )
