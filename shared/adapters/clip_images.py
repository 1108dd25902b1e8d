"""Pictures by a model behind an OpenAI-compatible endpoint that embeds pictures and texts into one space (CLIP).

`POST {base}/embeddings` with `input` a list of {"image": "data:image/jpeg;base64,..."} and {"text": ...} (Jina's and
others' form), or of bare strings with `modality` image or text (Infinity's). Visual and multimodal are the model's;
colour, texture and application stay measured, since such a model does not tell them apart. Pictures are sent as small
JPEGs made in the child process: no hostile file leaves this machine, and requests stay small.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from shared.adapters.descriptor_images import Described, DescriptorImages
from shared.adapters.model_limits import ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.openai_embedder import EmbeddingEndpoint, OpenAIEmbedder, estimate_tokens
from shared.errors import DocumentError, ModelAnswerError, ShadowtwinError
from shared.gathering import in_batches
from shared.imaging import SPACES, WIDE, fit
from shared.ports import ImageVectors, Pictured

SIDE = 448
"""Longest side in pixels of what is sent; such models look at 224 to 448."""
IMAGE_TOKENS = 600
"""What a picture is reckoned at in limits and prices."""
_DATA = "data:image/jpeg;base64,"


class ClipImages:
    """`ImageEmbedder` port over an endpoint, with the measured descriptors beside it."""

    def __init__(
        self,
        endpoint: EmbeddingEndpoint,
        measured: DescriptorImages,
        limits: ModelLimits | None = None,
        prices: Prices | None = None,
        *,
        wire: str = "objects",
    ) -> None:
        self._model = _Endpoint(endpoint, limits, prices, wire)
        self._measured = measured
        self.name = f"clip:{self._model.name}+{measured.name}"

    async def close(self) -> None:
        """Close the connections and the children."""
        await self._model.close()
        await self._measured.close()

    async def embed(self, pictures: Sequence[Pictured]) -> list[ImageVectors | ShadowtwinError]:
        """See ImageEmbedder. A picture that the endpoint refuses loses only itself."""
        found = await self._measured.describe([picture.content for picture in pictures], SIDE)
        good = [each for each in found if isinstance(each, Described)]
        looks = iter(await in_batches(good, self._seen, (ModelAnswerError,)))
        texts = await self._texts([picture.text for picture in pictures])
        results: list[ImageVectors | ShadowtwinError] = []
        for each, text in zip(found, texts, strict=True):
            look = each if isinstance(each, ShadowtwinError) else next(looks)
            if isinstance(look, ShadowtwinError):
                results.append(look)
            elif isinstance(each, Described) and not isinstance(look, Exception):
                results.append(_joined(each.vectors, look, text))
            else:
                raise AssertionError(look)
        return results

    async def query(self, picture: bytes | None, text: str) -> ImageVectors:
        """See ImageEmbedder."""
        said = (await self._texts([text]))[0]
        if picture is None:
            return {WIDE: fit(said, SPACES[WIDE])}
        found = (await self._measured.describe([picture], SIDE))[0]
        if isinstance(found, ShadowtwinError):
            raise DocumentError("image_unreadable", found.message)
        return _joined(found.vectors, (await self._seen([found]))[0], said)

    async def _seen(self, pictures: Sequence[Described]) -> list[list[float]]:
        inputs = [_DATA + base64.b64encode(picture.small).decode() for picture in pictures]
        return await self._model.embed(inputs) if inputs else []

    async def _texts(self, texts: Sequence[str]) -> list[list[float]]:
        """The texts' vectors; those of blank ones are zeros."""
        wanted = [text for text in texts if text.strip()]
        vectors = iter(await self._model.embed(wanted) if wanted else [])
        blank = [0.0] * self._model.dimension
        return [next(vectors) if text.strip() else blank for text in texts]


class _Endpoint(OpenAIEmbedder):
    """The client of embeddings, with pictures among the inputs; a batch holds pictures or texts, never both."""

    def __init__(
        self, endpoint: EmbeddingEndpoint, limits: ModelLimits | None, prices: Prices | None, wire: str
    ) -> None:
        super().__init__(endpoint, limits, prices)
        self._wire = wire

    def size_of(self, text: str) -> int:
        """A picture counts as so many tokens, however long its data are."""
        return IMAGE_TOKENS if text.startswith(_DATA) else estimate_tokens(text)

    def wired(self, inputs: Sequence[str]) -> dict[str, Any]:
        """The inputs as the endpoint wants them."""
        pictures = inputs[0].startswith(_DATA)
        if self._wire == "objects":
            return {"input": [{"image" if pictures else "text": given} for given in inputs]}
        return {"input": list(inputs), "modality": "image" if pictures else "text"}


def _joined(measured: ImageVectors, look: Sequence[float], text: Sequence[float]) -> ImageVectors:
    """The model's vectors beside the measured ones. Picture and text of the same thing point to nearly the same place:
    the middle is found by both."""
    both = [one + other for one, other in zip(look, text, strict=True)]
    return measured | {"visual": fit(look, SPACES["visual"]), WIDE: fit(both, SPACES[WIDE])}
