"""Policies in every spelling that reaches us: words, the callback's `ingestPolicy`, and the origin's five flags.

All end in `shared.job.Policies`, which the gates judge. Pure functions (seed 003; checklist A3.6, decisions 1 and 16
of the conformance tables).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import RequestError
from shared.job import Policies, Policy

DIRECTIVES: dict[str, Policy] = {
    "do": Policy.DO,
    "force": Policy.FORCE,
    "ignore": Policy.IGNORE,
    "auto": Policy.DO,
    "skip": Policy.IGNORE,
}
"""Every word a caller may use; the last two are the origin's."""

INGEST_WORDS: dict[Policy, str] = {Policy.DO: "do", Policy.FORCE: "force", Policy.IGNORE: "skip"}
"""What a policy is called as `ingestPolicy` (seed 003, phase 3)."""

FLAGS = ("doExtractPDF", "doExtractMetadata", "doIngestRAG", "forceRecreate", "forceTemplate")
"""The origin's legacy flags; an absent one is false."""


def parse_directive(word: object) -> Policy:
    """The policy that a word means; any other word, also in capitals, is refused and never taken for `do`."""
    if isinstance(word, str) and word in DIRECTIVES:
        return DIRECTIVES[word]
    known = ", ".join(DIRECTIVES)
    raise RequestError("bad_request", f"invalid_directive: {str(word)[:40]!r} is none of {known}.")


def ingest_policy(policies: Policies) -> str:
    """`policies.ingest` under the callback's name and in its words: do | force | skip."""
    return INGEST_WORDS[policies.ingest]


def from_ingest_policy(word: object) -> Policy:
    """`policies.ingest` of an `ingestPolicy`."""
    return parse_directive(word)


def from_parameters(parameters: Mapping[str, Any]) -> Policies:
    """Policies of a caller who may speak either way: a complete `policies` object wins; otherwise the flags decide
    alone, and no flag at all means that nothing is asked for."""
    given = parameters.get("policies")
    names = Policies.__struct_fields__
    if isinstance(given, Mapping) and all(given.get(name) is not None for name in names):
        return Policies(**{name: parse_directive(given[name]) for name in names})
    return _from_flags({name: _flag(parameters, name) for name in FLAGS})


def _from_flags(flags: Mapping[str, bool]) -> Policies:
    """`forceRecreate` extracts whatever `doExtractPDF` says; `forceTemplate` only strengthens `doExtractMetadata`."""
    wanted = Policy.DO if flags["doExtractPDF"] else Policy.IGNORE
    template = Policy.FORCE if flags["forceTemplate"] else Policy.DO
    return Policies(
        extract=Policy.FORCE if flags["forceRecreate"] else wanted,
        metadata=template if flags["doExtractMetadata"] else Policy.IGNORE,
        ingest=Policy.DO if flags["doIngestRAG"] else Policy.IGNORE,
    )


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise RequestError("bad_request", f"invalid_flag: {name} is true or false.")
