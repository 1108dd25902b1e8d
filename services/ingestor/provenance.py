"""What an ingestion was made with, for its manifest (shared.provenance)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.ingestor.run import Parts
from shared.provenance import made_with, source_digest

LIBRARIES = ("lancedb", "wordllama", "scikit-image", "pillow", "numpy")
GOVERNING = ("chunker", "embed_large", "small_core", "small_guard", "large_core", "large_guard")
"""Settings that decide about chunks."""


def made_by(parts: Parts, image_embedder: str, rows: str) -> dict[str, Any]:
    """The note: who embeds what, and which kinds of rows are written, besides settings and versions."""
    embedder = parts.embedder
    identity = {"name": embedder.name, "dimension": embedder.dimension, "version": embedder.version}
    return made_with(
        LIBRARIES,
        {name: getattr(parts.settings, name) for name in GOVERNING},
        embedder={**identity, "costly": embedder.costly},
        imageEmbedder=image_embedder,
        tokenizer=parts.tokenizer.name,
        rows=rows,
        sources=source_digest(Path(__file__).parent),
    )
