"""The external lane: documents that a foreign worker reads, and what its transcripts are made from.

The method is called `external`; the names that the sources use for such services are aliases of it (checklist A3.23,
A4.16). The name as given is what the worker is told and part of the transcript's fingerprint, because a worker may
do something else for each of them.
"""

from __future__ import annotations

from shared.gates import fingerprint
from shared.job import Options

EXTERNAL_METHODS = ("external", "mistral_ocr", "mineru")
"""Names of the lane: our own, the first source's and seed 004's."""

LANE = "external-1"
"""Version of what the gateway makes of a foreign text; a better one makes older transcripts stale."""


def is_external(method: str) -> bool:
    """Whether a foreign worker does this extraction."""
    return method in EXTERNAL_METHODS


def external_made_from(sha256: str, options: Options) -> str:
    """Fingerprint of a foreign transcript: bytes, method and images, the same for the gate and for who stores it."""
    return fingerprint(sha256, options.extraction_method, options.include_images, LANE)
