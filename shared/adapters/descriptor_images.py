"""Pictures by measured descriptors and an embedder of texts: no account, no model, no network.

Visual, colour, texture and application are descriptors (shared.adapters.skimage_descriptors), made in child processes.
The multimodal vector holds a text part (1,024 numbers: caption and analysis, by the embedder of texts) beside a picture
part (1,024: visual and colour), at fixed shares: so a text finds pictures by what is said of them, a picture finds what
looks alike, and both together both. A picture without text has its text share on an axis of its own, so that it is
neither nearer to nor farther from other pictures for it.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from shared.adapters.wire_images import Measured
from shared.child import ChildFailed, Children, Limits
from shared.errors import ConfigurationError, DocumentError, ShadowtwinError, TransientError
from shared.gathering import in_batches, in_order
from shared.imaging import WIDE, fit
from shared.ports import Embedder, ImageVectors, Pictured

PRELOAD = ["shared.adapters.descriptor_child"]
VERSION = "descriptors-1"
"""As in skimage_descriptors, which is imported in children only; a test holds both together."""
MEASURED = ("visual", "colour", "texture", "application")
LENGTH = 512
BYTES_MOST = 48 << 20
"""Of one picture's file."""
GROUP, GROUP_BYTES = 25, 32 << 20
"""Pictures that one child describes, and their bytes."""
SECONDS = 120.0
_TEXT, _NONE = 1023, 1023
_TEXT_SHARE, _PICTURE_SHARE = 0.8, 0.6


class Described(NamedTuple):
    """What a child has found: the four descriptors, and a small JPEG where one was asked for."""

    vectors: ImageVectors
    small: bytes


class DescriptorImages:
    """`ImageEmbedder` port. `children` is called at the first picture; what it gives is closed here."""

    def __init__(
        self, embedder: Embedder, children: Callable[[], Children], *, memory_bytes: int = 2 << 30, at_once: int = 2
    ) -> None:
        self.name = f"{VERSION}+{embedder.name}"
        self._embedder, self._make = embedder, children
        self._children: Children | None = None
        self._limits = Limits(memory_bytes=memory_bytes, wall_seconds=SECONDS, idle_seconds=SECONDS, cpu_seconds=120)
        self._at_once, self._turns = at_once, asyncio.Semaphore(at_once)

    async def close(self) -> None:
        """End the children's server, if there is one."""
        children, self._children = self._children, None
        if children is not None:
            await children.close()

    async def embed(self, pictures: Sequence[Pictured]) -> list[ImageVectors | ShadowtwinError]:
        """See ImageEmbedder. A picture that ends its child is tried alone, and loses only itself."""
        found = await self.describe([picture.content for picture in pictures])
        texts = await self._texts([picture.text for picture in pictures])
        return [
            each if isinstance(each, ShadowtwinError) else each.vectors | {WIDE: _wide(text, _look(each.vectors))}
            for each, text in zip(found, texts, strict=True)
        ]

    async def query(self, picture: bytes | None, text: str) -> ImageVectors:
        """See ImageEmbedder."""
        said = (await self._texts([text]))[0] if text.strip() else [0.0] * (_TEXT + 1)
        if picture is None:
            return {WIDE: fit([*said, *[0.0] * 1024], 2048)}
        found = (await self.describe([picture]))[0]
        if isinstance(found, ShadowtwinError):
            raise DocumentError("image_unreadable", found.message)
        return found.vectors | {WIDE: _wide(said, _look(found.vectors))}

    async def describe(self, contents: Sequence[bytes], side: int = 0) -> list[Described | ShadowtwinError]:
        """The descriptors of each picture, in order, or why it has none."""

        async def described(batch: Sequence[bytes]) -> list[Any]:
            async with self._turns:
                return await self._call(batch, side)

        async def tried(group: Sequence[bytes]) -> list[Any]:
            return list(await in_batches(group, described, (DocumentError,)))

        small = [content for content in contents if len(content) <= BYTES_MOST]
        answers = await in_order(list(_groups(small)), self._at_once, tried)
        following = iter(answer for group in answers for answer in group)
        return [
            _described(next(following))
            if len(content) <= BYTES_MOST
            else DocumentError("image_unreadable", f"The picture has {len(content) >> 20} MB.")
            for content in contents
        ]

    async def _call(self, batch: Sequence[bytes], side: int) -> list[Any]:
        if self._children is None:
            self._children = self._make()
        try:
            rows: list[Measured] = await self._children.run(
                "shared.adapters.descriptor_child:describe_images",
                {"images": list(batch), "side": side},
                self._limits,
                _ignore,
                result_type=list[Measured],
            )
        except ChildFailed as failed:
            if failed.kind == "lost":
                raise TransientError("unavailable", "The process that describes pictures was lost.") from failed
            raise DocumentError("image_unreadable", f"The picture ends its reader ({failed.kind}).") from failed
        if len(rows) != len(batch):
            raise DocumentError("image_unreadable", "The reader of pictures has answered badly.")
        return rows

    async def _texts(self, texts: Sequence[str]) -> list[list[float]]:
        """The text parts, TEXT + 1 numbers each: those of a blank text lie on the axis that no text has."""
        wanted = [text for text in texts if text.strip()]
        vectors = iter(await self._embedder.embed(wanted) if wanted else [])
        blank = [*[0.0] * _NONE, 1.0]
        return [[*fit(next(vectors), _TEXT), 0.0] if text.strip() else blank for text in texts]


def _described(answer: Measured | Exception) -> Described | ShadowtwinError:
    if isinstance(answer, ShadowtwinError):
        return answer
    if isinstance(answer, Exception):
        raise answer
    if answer.error or len(answer.vectors) != 4 * LENGTH * len(MEASURED):
        return DocumentError("image_unreadable", f"The file is {answer.error or 'described badly'}.")
    numbers = struct.unpack(f"<{LENGTH * len(MEASURED)}f", answer.vectors)
    if not all(map(math.isfinite, numbers)):
        return DocumentError("image_unreadable", "The file is described badly.")
    vectors = {name: list(numbers[LENGTH * at : LENGTH * (at + 1)]) for at, name in enumerate(MEASURED)}
    return Described(vectors, answer.small)


def _look(vectors: ImageVectors) -> list[float]:
    return [*vectors["visual"], *vectors["colour"]]


def _wide(text: Sequence[float], look: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in look)) or 1.0
    joined = [_TEXT_SHARE * value for value in text] + [_PICTURE_SHARE * value / length for value in look]
    if len(joined) != 2048:
        raise ConfigurationError("misconfigured", f"A multimodal vector has {len(joined)} numbers.")
    return fit(joined, 2048)


def _groups(contents: Sequence[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for content in contents:
        if group and (size + len(content) > GROUP_BYTES or len(group) == GROUP):
            yield group
            group, size = [], 0
        group.append(content)
        size += len(content)
    if group:
        yield group


async def _ignore(message: Any) -> None:
    return None
