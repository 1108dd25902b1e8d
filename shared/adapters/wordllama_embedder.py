"""Embeddings by WordLlama: static vectors shipped inside its package, no account, no network.

Weak across languages (FACTS 6): meant to be paired with full-text search. Import 0.7 s, load 0.2 s,
both done in a thread at first use.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION

DIMENSION = 256
NAME = f"wordllama-l2-supercat@{DIMENSION}"
_TOKENS_AT_ONCE = 4_096
_TEXTS_AT_ONCE = 64


class Model:
    """The loaded weights and tokenizer, shared by all embedders and tokenizers of the process."""

    _lock = threading.Lock()
    _loaded: Model | None = None

    def __init__(self) -> None:
        wordllama = _import_quietly()
        folder = Path(wordllama.__file__).parent
        try:
            inference = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "misconfigured", f"The wordllama package lacks its weights ({type(error).__name__}): reinstall it."
            ) from error
        self.table: Any = inference.embedding
        self.tokenizer = inference.tokenizer
        # the windows and the mean below need every token of one text and nothing else
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    @classmethod
    def get(cls) -> Model:
        """The model of this process; loads it in the calling thread when it is the first."""
        with cls._lock:
            if cls._loaded is None:
                cls._loaded = cls()
            return cls._loaded


class WordLlamaEmbedder:
    """`Embedder` port: unit vectors of the mean of the token vectors (as `WordLlama.embed(norm=True)`)."""

    name = NAME
    dimension = DIMENSION
    version = FIRST_VERSION
    costly = False

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One unit vector a text, in order; queries are embedded like passages. Raises ConfigurationError only."""
        return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        model = Model.get()
        vectors: list[list[float]] = []
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = [text.encode("utf-8", "replace").decode() for text in texts[first : first + _TEXTS_AT_ONCE]]
            encoded = model.tokenizer.encode_batch(batch, add_special_tokens=False)
            vectors.extend(_mean(model.table, encoding.ids) for encoding in encoded)
        return vectors


def _mean(table: Any, ids: list[int]) -> list[float]:
    """Unit vector of the mean; without a token (or if they cancel out) the first axis, as stores refuse zeros."""
    import numpy as np

    total = np.zeros(DIMENSION, dtype=np.float64)
    for first in range(0, len(ids), _TOKENS_AT_ONCE):
        piece = np.minimum(ids[first : first + _TOKENS_AT_ONCE], len(table) - 1)
        total += table[piece].sum(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if length < 1e-9:
        return [1.0] + [0.0] * (DIMENSION - 1)
    vector: list[float] = (total / length).astype(np.float32).tolist()
    return vector


def _import_quietly() -> Any:
    """Import wordllama without its `logging.basicConfig`, which would add a second handler to ours."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama

    root.handlers[:] = handlers
    root.setLevel(level)
    return wordllama
