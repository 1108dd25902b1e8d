"""Gates and policies: may a phase be skipped? Pure functions (checklist A3.6-A3.10).

`judge` is the one engine: the phases of a job ask it with policies and gates, seed 002's steps with their own words
(`shared.skipping`). A gate exists only while its artefact was made from the current inputs: `made_from` holds the
fingerprint that was current when the artefact was accepted, so that forcing an earlier phase makes everything after
it stale.
"""

from __future__ import annotations

import hashlib

import msgspec

from shared.document import Document
from shared.job import Policy
from shared.policies import parse_directive

DESYNC = "Error: Status was completed but no data found in DB"
"""The source's text for a step that is recorded as done but whose data is gone."""


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


def judge_verified(policy: Policy, enabled: bool, recorded: bool, present: bool, exists_reason: str) -> Verdict:
    """Status first, then the data: what is recorded as made but is not there any more is made again, and the reason
    says so in the source's words (checklist A2.9)."""
    verdict = judge(policy, enabled, recorded and present, exists_reason)
    lost = recorded and not present and verdict.reason == "no_artefact"
    return Verdict(True, DESYNC, False) if lost else verdict


def template_decision(word: str, exists: bool, callback: bool, frontmatter_complete: bool) -> Verdict:
    """The template phase in the origin's words (conformance rule `template_decision`).

    `word` is a directive; `callback` says that a transformer has just reported its own finished twin, which never
    starts a second run over it; a frontmatter that is complete without a recorded transformation needs none either.
    """
    verdict = judge(parse_directive(word), True, exists or callback or frontmatter_complete, "")
    if verdict.reason == "policy_ignore":
        return Verdict(False, f"policy_{word}", exists)
    if callback:
        return Verdict(False, "template_completed_fm_ok" if frontmatter_complete else "template_completed", exists)
    if verdict.reason == "policy_force":
        return Verdict(True, verdict.reason, exists)
    if verdict.run:
        return Verdict(True, "no_gate", exists)
    return Verdict(False, "gate_exists" if exists else "frontmatter_complete", exists)


def has_bytes(document: Document, role: str) -> bool:
    """Whether the document points to a stored file of that role which is not empty."""
    return role in document.artefacts and document.artefacts[role].size > 0


def extract_gate(document: Document, current: str) -> bool:
    """`gateExtractPdf`: the transcript exists, is not empty, and was made from the current bytes and options."""
    return has_bytes(document, "transcript") and document.made_from.get("extract") == current


def template_gate(document: Document, current: str, frontmatter_complete: bool) -> bool:
    """The template gate (`frontmatter_complete`): the transformation is complete and made from the current input."""
    made = document.made_from.get("transform") == current
    return frontmatter_complete and made and has_bytes(document, "transformation")


def ingest_gate(document: Document, current: str) -> bool:
    """`gateIngestRag`: the document's vectors exist, at least one chunk, and are made from the current input."""
    return bool(document.generation) and document.chunk_count >= 1 and document.made_from.get("ingest") == current
