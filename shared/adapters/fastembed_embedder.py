"""Embeddings by fastembed: small ONNX models on this machine, better across languages than static vectors and slower.

An option, not a default: the package is an extra and its models are not in it. They are read from a folder
(SHADOWTWIN_FASTEMBED_DIR); only with SHADOWTWIN_FASTEMBED_DOWNLOAD are they fetched from their hub at the first start.
On a closed network the attempt to do so takes most of a minute, hence not by itself.
"""

from __future__ import annotations

import array
import asyncio
import importlib
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION

DEFAULT_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
BATCH = 32
"""Texts at once: memory grows with the longest of them."""


class FastembedEmbedder:
    """`Embedder` port. The length of the vectors comes from fastembed's own list of models. Making one raises
    ConfigurationError embedder_unavailable without the package, misconfigured for a model that the list has not;
    embedding raises embedder_unavailable without the model's files."""

    costly = True

    def __init__(
        self,
        model: str = "",
        folder: Path | None = None,
        *,
        download: bool = False,
        version: str = FIRST_VERSION,
        threads: int | None = None,
    ) -> None:
        self._model, self._folder, self._download = model or DEFAULT_MODEL, folder, download
        self._threads = threads
        self._package = _package()
        self.dimension = self._listed_dimension()
        self.name = f"fastembed:{self._model}@{self.dimension}"
        self.version = version
        self._lock = threading.Lock()
        self._loaded: Any = None

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One unit vector a text, in order; a model that tells queries from passages gets to know."""
        return await asyncio.to_thread(self._embed, list(texts), query)

    def _embed(self, texts: list[str], query: bool) -> list[list[float]]:
        clean = [text.encode("utf-8", "replace").decode() if text.strip() else "." for text in texts]
        # one text after the other: the runtime uses every core for one batch already
        with self._lock:
            model = self._get()
            found = model.query_embed(clean) if query else model.passage_embed(clean, batch_size=BATCH)
            return [_unit(vector.tolist()) for vector in found]

    def _get(self) -> Any:
        if self._loaded is None:
            try:
                self._loaded = self._package.TextEmbedding(
                    self._model,
                    cache_dir=str(self._folder) if self._folder else None,
                    threads=self._threads,
                    local_files_only=not self._download,
                )
            except Exception as error:  # the hub's client raises a dozen kinds
                where = self._folder or "fastembed's own cache"
                raise ConfigurationError(
                    "embedder_unavailable",
                    f"The model {self._model} cannot be had from {where} ({type(error).__name__}).",
                ) from error
        return self._loaded

    def _listed_dimension(self) -> int:
        for entry in self._package.TextEmbedding.list_supported_models():
            if str(entry["model"]).casefold() == self._model.casefold():
                return int(entry["dim"])
        raise ConfigurationError("misconfigured", f"fastembed knows no model {self._model}.")


def _package() -> Any:
    try:
        package = importlib.import_module("fastembed")
    except ImportError as error:
        raise ConfigurationError("embedder_unavailable", "The package fastembed is not installed.") from error
    # it writes lines of its own to stderr, among which ours (JSON) could not be read any more
    importlib.import_module("loguru").logger.disable("fastembed")
    return package


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in vector))
    if not math.isfinite(length) or length < 1e-12:
        return [1.0] + [0.0] * (len(vector) - 1)
    return array.array("f", [value / length for value in vector]).tolist()
