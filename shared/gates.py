"""Gates and policies: may a phase be skipped? Pure functions (checklist A3.6-A3.10).

A gate exists only while its artefact was made from the current inputs: `made_from` holds the fingerprint that was
current when the artefact was accepted, so that forcing an earlier phase makes everything after it stale.
"""

from __future__ import annotations

import hashlib

import msgspec

from shared.document import Document
from shared.job import Policy


class Verdict(msgspec.Struct, frozen=True):
    """Whether the phase runs, in a word why, and whether its gate exists."""

    run: bool
    reason: str
    exists: bool


def fingerprint(*parts: object) -> str:
    """A short hash of what an artefact is made from."""
    return hashlib.sha256(msgspec.json.encode([str(part) for part in parts])).hexdigest()[:24]


def judge(policy: Policy, enabled: bool, exists: bool, exists_reason: str) -> Verdict:
    """Policy x gate: `do` respects the gate, `force` runs, `ignore` skips; a phase switched off is skipped."""
    if not enabled:
        return Verdict(False, "phase_disabled", exists)
    if policy == Policy.IGNORE:
        return Verdict(False, "policy_ignore", exists)
    if policy == Policy.FORCE:
        return Verdict(True, "policy_force", exists)
    return Verdict(False, exists_reason, exists) if exists else Verdict(True, "no_artefact", exists)


def extract_gate(document: Document, current: str) -> bool:
    """`gateExtractPdf`: the transcript exists and was made from the current bytes and options."""
    return "transcript" in document.artefacts and document.made_from.get("extract") == current


def template_gate(document: Document, current: str, frontmatter_complete: bool) -> bool:
    """The template gate (`frontmatter_complete`): the transformation is complete and made from the current input."""
    made = document.made_from.get("transform") == current
    return frontmatter_complete and made and "transformation" in document.artefacts


def ingest_gate(document: Document, current: str) -> bool:
    """`gateIngestRag`: the document's vectors exist, at least one chunk, and are made from the current input."""
    return bool(document.generation) and document.chunk_count >= 1 and document.made_from.get("ingest") == current
