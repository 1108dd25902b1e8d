"""Keys of stored objects as other programs may have written them, and which of them are nobody's upload. Pure rules."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from shared import twin

DERIVED = frozenset({"images", "previews", "tables", "charts", "checkpoints", "manifests", "runs", "passes", "answers"})
"""Folders below a document whose files are made by processing (checklist A0.35)."""
_OWN = "_"
"""Prefixes of this system's own folders (`_uploads`, `_templates`, ...) begin with it; no library's name does."""


def key_variants(key: str) -> list[str]:
    """The key itself first, then how it may have been stored by a program that encodes or decodes names for URLs, or
    composes accents otherwise (checklist A0.10). Slashes are never encoded, and none appears by decoding."""
    forms = (
        key,
        quote(key, safe="/"),
        unquote(key, errors="replace"),
        quote_plus(key, safe="/"),
        unquote_plus(key, errors="replace"),
        quote(unquote(key, errors="replace"), safe="/"),
        unicodedata.normalize("NFC", key),
        unicodedata.normalize("NFD", key),
    )
    return [form for form in dict.fromkeys(forms) if form.count("/") == key.count("/")]


def is_derived(key: str, metadata: Mapping[str, str] | None = None) -> bool:
    """Whether an object was made by processing: its metadata `derived` says so, its path is only the fallback."""
    told = (metadata or {}).get("derived")
    if told is not None:
        return told.lower() not in ("", "0", "false", "no")
    folders = PurePosixPath(key).parts[:-1]
    return bool(folders) and (folders[0].startswith(_OWN) or not DERIVED.isdisjoint(folders[1:]))


def may_start_a_job(key: str, metadata: Mapping[str, str] | None = None) -> bool:
    """Whether a new object may be somebody's upload (checklist A0.35); whether it is a PDF, its bytes tell."""
    return not is_derived(key, metadata)


def image_file(library: str, document_id: str, name: str) -> str:
    """The key of a picture by its file name."""
    return f"{twin.folder(library, document_id)}/images/{name}"


def image_key(library: str, document_id: str, page: int, index: int, ext: str) -> str:
    """The key of a picture by its place: `{library}/{document}/images/{page}_{index}.{ext}` (checklist A0.5)."""
    return image_file(library, document_id, f"{page}_{index}.{ext}")
