"""What governed a bundle's run, checked: settings, models, embedder; and what of it is otherwise here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from services.transformer.provenance import Asked, made_by
from services.transformer.settings import TransformerSettings
from shared import bundle
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.wordllama_embedder import WordLlamaEmbedder
from shared.errors import RequestError

_SIZE = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_CORE = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
_NAME = Annotated[str, msgspec.Meta(max_length=200)]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An embedder (ADR 30)."""

    name: _NAME
    dimension: Annotated[int, msgspec.Meta(ge=1, le=65_536)]
    version: _NAME
    costly: bool = False


class _Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """Limits against documents that mean harm are not among these: a bundle cannot lift those of this machine."""

    respect_permissions: bool = False
    page_chars: _SIZE | msgspec.UnsetType = msgspec.UNSET
    page_graphics: _SIZE | msgspec.UnsetType = msgspec.UNSET
    ocr_languages: _NAME | msgspec.UnsetType = msgspec.UNSET
    ocr_pixels: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] | msgspec.UnsetType = msgspec.UNSET
    escalation_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] | msgspec.UnsetType = msgspec.UNSET


class _Transformed(msgspec.Struct, frozen=True, kw_only=True):
    analysis_chars: Annotated[int, msgspec.Meta(ge=100, le=10_000_000)] | msgspec.UnsetType = msgspec.UNSET
    image_quality_least: Annotated[float, msgspec.Meta(ge=0, le=1)] | msgspec.UnsetType = msgspec.UNSET


class _Ingested(msgspec.Struct, frozen=True, kw_only=True):
    chunker: str = "windows"
    embed_large: bool = False
    small_core: _CORE = 200
    small_guard: _SIZE = 60
    large_core: _CORE = 1600
    large_guard: _SIZE = 100


class _Note(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a step's manifest says, in as far as a replay is governed by it."""

    settings: dict[str, Any] = {}
    models: Asked | None = None
    embedder: Identity | None = None
    image_embedder: str = ""


class How(msgspec.Struct, frozen=True, kw_only=True):
    """Settings by service, models if any were asked, the embedder if its vectors are kept (None: the embedded one), and
    whether pictures are measured here."""

    extractor: dict[str, Any]
    transformer: dict[str, Any]
    ingestor: dict[str, Any]
    asked: Asked | None
    embedder: Identity | None
    images: bool
    notes: dict[str, Any]

    @property
    def models(self) -> ModelEndpoint | None:
        """Names of the models, at no place."""
        asked = self.asked
        if asked is None:
            return None
        return ModelEndpoint(
            base_url="", api_key="", model=asked.model, vision_model=asked.vision_model, purposes=asked.purposes
        )

    def note(self, settings: TransformerSettings, analyzer: str) -> dict[str, Any]:
        """What the replayed transformation was made with."""
        return made_by(settings, self.asked, analyzer)


def how(content: bytes) -> How:
    """From a bundle's settings.json; raises RequestError bundle_invalid. What it does not say is as by default."""
    try:
        notes = msgspec.json.decode(content, type=dict[str, dict[str, Any]])
        read = {step: msgspec.convert(note, _Note) for step, note in notes.items()}
        extracted = read.get("extract_pdf", _Note())
        transformed = read.get("transform_template", _Note())
        ingested = read.get("ingest_rag", _Note())
        embedder = ingested.embedder
        return How(
            extractor=_given(extracted.settings, _Extracted),
            transformer=_given(transformed.settings, _Transformed),
            ingestor=_given(ingested.settings, _Ingested),
            asked=transformed.models,
            embedder=embedder if embedder is not None and embedder.name != WordLlamaEmbedder.name else None,
            images=not ingested.embedder or ingested.image_embedder.startswith("descriptors"),
            notes=notes,
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bundle_invalid", f"The bundle's {bundle.SETTINGS} is not as described: {error}.") from error


def _given(settings: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    checked = msgspec.convert({k: v for k, v in settings.items() if k in kind.__struct_fields__}, kind)
    return {name: value for name in settings if (value := getattr(checked, name, msgspec.UNSET)) is not msgspec.UNSET}


def otherwise(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What steps were made with then and are made with now, where that differs: sentences, in order."""
    said: list[str] = []
    for step in sorted({*then, *now}):
        before, after = then.get(step, {}), now.get(step, {})
        if not before or not after:
            if after and not before:
                said.append(f"{step}: the bundle does not say what it was made with")
            continue
        flat_before, flat_after = _flat(before), _flat(after)
        for name in sorted({*flat_before, *flat_after}):
            was, here = flat_before.get(name, ""), flat_after.get(name, "")
            if was != here:
                said.append(f"{step}: {name} was {was or 'not there'}, is {here or 'not there'}")
    return said


def _flat(note: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in note.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)[:100]
    return flat
