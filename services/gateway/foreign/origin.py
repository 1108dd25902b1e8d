"""Where a foreign transcript comes from: which parser, what it is made from, and the answer itself as a file."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

import msgspec

from shared.document import Document
from shared.external import external_made_from, is_external
from shared.gates import fingerprint
from shared.job import Parameters

ANSWER_MOST = 256 << 10
"""Bytes of a raw answer that is kept beside the transcript."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_PICTURE = re.compile(r"!\[([^\]\n]{0,200})\]\(data:image/[^)\s]*\)")
_IN_THE_TWIN = ("extracted_text", "text_contents")


class Origin(NamedTuple):
    """`parser` is the key under which the text is recorded, `source` its kind (seed 004: `mineru`, `ocr`); both are
    "" for a foreign report on a job that one of our own readers was to do."""

    made_from: str
    parser: str
    source: str

    @property
    def fields(self) -> dict[str, str]:
        """What transcript, document.json and document record say about it."""
        return {name: text for name, text in (("source", self.source), ("parser", self.parser)) if text}


def origin_of(document: Document, parameters: Parameters, text: str, metadata: dict[str, Any]) -> Origin:
    """The origin of a reported text. Of the external lane's the gate can tell that it is current; a text that came
    instead of our own reader's never is."""
    if not is_external(parameters.extraction_method):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        made = fingerprint(document.sha256, parameters.extraction_method, parameters.include_images, "foreign", digest)
        return Origin(made, "", "")
    made = external_made_from(document.sha256, parameters)
    parser = _key(metadata.get("parser")) or parameters.extraction_method
    return Origin(made, parser, _key(metadata.get("source")) or "external")


def without_pictures(value: Any) -> Any:
    """Texts in which every picture that is written out as a `data:` address is only named."""
    if isinstance(value, str):
        return _PICTURE.sub(r"![\1](left-out)", value) if "data:image" in value else value
    if isinstance(value, dict):
        return {key: without_pictures(item) for key, item in value.items()}
    return [without_pictures(item) for item in value] if isinstance(value, list) else value


def raw_answer(data: dict[str, Any], *, images: bool) -> bytes | None:
    """What the report said besides the text, as JSON; None when that is nothing or too much. Without images, nothing
    that is called one is kept."""
    kept = _without(data if images else without_pictures(data), images)
    content = msgspec.json.format(msgspec.json.encode(kept), indent=1)
    return content if kept and len(content) <= ANSWER_MOST else None


def _without(value: Any, images: bool) -> Any:
    if isinstance(value, dict):
        return {
            key: _without(item, images)
            for key, item in value.items()
            if key not in _IN_THE_TWIN and (images or "image" not in str(key).lower())
        }
    return [_without(item, images) for item in value] if isinstance(value, list) else value


def _key(value: object) -> str:
    return value if isinstance(value, str) and _KEY.fullmatch(value) else ""
