"""Which embedder and which index of pictures the settings name. Vendor packages are imported when they are chosen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.adapters.descriptor_images import PRELOAD, DescriptorImages
from shared.adapters.index_identity import IndexIdentity
from shared.adapters.model_limits import ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.open_on_use import OpenOnUse
from shared.adapters.vector_choice import VectorSettings, named_store
from shared.adapters.vector_process import VectorProcess
from shared.child import Children
from shared.errors import ConfigurationError
from shared.image_index import ImageIndex
from shared.imaging import SPACES, WIDE
from shared.ports import FIRST_VERSION, Embedder, ImageEmbedder, VectorStore
from shared.settings import read_optional_secret

log = logging.getLogger("images")
NARROW = SPACES["visual"]


class ImageSettings(BaseSettings):
    """Prefix SHADOWTWIN_. Without any of these: measured descriptors, in the same vector store as the chunks.

    `image_embedder`: `descriptors`, `clip` (a model behind an endpoint that embeds pictures and texts into one space;
    colour, texture and application are measured as well), or `none`. `image_wire` says how the endpoint wants
    pictures: `objects` ({"image": data URI}, {"text": ...}) or `uris` (bare strings with a modality).
    """

    model_config = SettingsConfigDict(
        env_prefix="SHADOWTWIN_", env_ignore_empty=True, extra="ignore", protected_namespaces=()
    )

    image_embedder: Literal["descriptors", "clip", "none"] = "descriptors"
    """`descriptors` are measured here, `clip` asks an endpoint, `none` leaves pictures out of the index."""
    image_base_url: str = ""
    """The endpoint of `clip`."""
    image_model: str = ""
    """The model of `clip`."""
    image_dimension: int = 0
    """The length of its vectors."""
    image_wire: Literal["objects", "uris"] = "objects"
    """How the endpoint wants pictures: objects, or bare data URIs."""
    image_api_key_file: Path | None = None
    """A file with the endpoint's key."""
    image_in_flight: int = 10
    """The most calls at a time."""
    image_memory_bytes: int = 2 << 30
    """The most memory of a child that measures pictures."""
    pinecone_image_host: str = ""
    """The address at Pinecone of the index for pictures' vectors of 512 numbers."""
    pinecone_multimodal_host: str = ""
    """The address at Pinecone of the index for those of 2,048 numbers."""


def choose_images(
    settings: ImageSettings,
    chosen: VectorSettings,
    data_dir: Path,
    embedder: Embedder,
    limits: ModelLimits | None = None,
    *,
    upkeep: bool = True,
    away: VectorProcess | None = None,
) -> tuple[ImageIndex, ImageEmbedder] | None:
    """Index and embedder of pictures; None where they are switched off or the store has no place for them. Raises
    ConfigurationError for an incomplete setting."""
    if settings.image_embedder == "none":
        return None
    if chosen.vector_store == "pinecone" and not (settings.pinecone_image_host and settings.pinecone_multimodal_host):
        log.warning("pictures are not indexed: SHADOWTWIN_PINECONE_IMAGE_HOST and _MULTIMODAL_HOST are not set")
        return None
    measured = DescriptorImages(embedder, lambda: Children(PRELOAD), memory_bytes=settings.image_memory_bytes)
    made = _clip(settings, chosen, measured, limits) if settings.image_embedder == "clip" else measured
    narrow = _store(settings, chosen, data_dir, made.name, wide=False, upkeep=upkeep, away=away)
    wide = _store(settings, chosen, data_dir, made.name, wide=True, upkeep=upkeep, away=away)
    return ImageIndex(OpenOnUse(narrow), OpenOnUse(wide)), made


def _clip(
    settings: ImageSettings, chosen: VectorSettings, measured: DescriptorImages, limits: ModelLimits | None
) -> ImageEmbedder:
    if not (settings.image_base_url and settings.image_model and settings.image_dimension):
        raise ConfigurationError(
            "misconfigured", "The clip embedder needs SHADOWTWIN_IMAGE_BASE_URL, _IMAGE_MODEL and _IMAGE_DIMENSION."
        )
    from shared.adapters.clip_images import ClipImages
    from shared.adapters.openai_embedder import EmbeddingEndpoint

    endpoint = EmbeddingEndpoint(
        base_url=settings.image_base_url,
        api_key=read_optional_secret(settings.image_api_key_file, "SHADOWTWIN_IMAGE_API_KEY_FILE"),
        model=settings.image_model,
        dimension=settings.image_dimension,
        batch_inputs=32,
        concurrency=settings.image_in_flight,
        open_seconds=chosen.model_open_seconds,
        open_seconds_most=chosen.model_open_seconds_most,
    )
    return ClipImages(endpoint, measured, limits, Prices(chosen.model_prices), wire=settings.image_wire)


def _store(
    settings: ImageSettings,
    chosen: VectorSettings,
    data_dir: Path,
    name: str,
    *,
    wide: bool,
    upkeep: bool,
    away: VectorProcess | None,
) -> VectorStore:
    made_by = IndexIdentity(name, SPACES[WIDE] if wide else NARROW, FIRST_VERSION)
    suffix = "_multimodal" if wide else "_images"
    host = settings.pinecone_multimodal_host if wide else settings.pinecone_image_host
    return named_store(chosen, data_dir, made_by, suffix=suffix, host=host, upkeep=upkeep, away=away)
