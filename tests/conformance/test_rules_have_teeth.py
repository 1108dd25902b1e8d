"""A production rule that is changed must turn rows red: the adapters ask the real code and hold no rule themselves."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway import callbacks, report_commands, reports, secrets
from services.gateway.health import finding, rules, steps
from services.ingestor import chapters, chunks, ingestion, run, windows
from services.ingestor.chunks import chunk_id as original_id
from shared import (
    anchors,
    edits,
    frontmatter,
    gates,
    object_keys,
    policies,
    runs,
    skipping,
    templates,
    transitions,
    twin,
)
from shared.anchors import page_count, split_pages
from shared.commands import Report, Requeue
from shared.frontmatter import merge as merged
from shared.gates import Verdict
from shared.job import JobStatus, Policy
from shared.testing.memory import MemoryDocuments, MemoryJobs
from tests.conformance import (
    test_callbacks,
    test_chapters,
    test_chunk_windows,
    test_gates,
    test_health,
    test_names,
    test_page_split,
    test_policies,
    test_requeue,
    test_skip_pipeline,
    test_skip_unit,
    test_templates,
)
from tests.conformance.table import rows
from tests.contract.conftest import Stores
from tests.support.pdfs import long_pdf

Patch = pytest.MonkeyPatch


async def nothing(*given: Any) -> Any:
    """The parts of Stores that no row asks for."""


def in_memory() -> Stores:
    return Stores(MemoryJobs(), MemoryDocuments(), nothing, nothing)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: Patch) -> Path:
    """A folder with a PDF and with the template of the gates' rows."""
    long_pdf(tmp_path / "a.pdf", 1)
    (tmp_path / "document.md").write_text(test_gates.TEMPLATE)
    monkeypatch.setattr(templates, "LIBRARY", tmp_path)
    return tmp_path


CHECKS: dict[str, Callable[[dict[str, Any], Path], Awaitable[None] | None]] = {
    "chapters": lambda row, place: test_chapters.check(row),
    "chunk_windows": lambda row, place: test_chunk_windows.check(row),
    "health": lambda row, place: test_health.check(row),
    "names": lambda row, place: test_names.check(row),
    "templates": lambda row, place: test_templates.check(row),
    "page_split": lambda row, place: test_page_split.check(row),
    "policies": lambda row, place: test_policies.check(row),
    "skip_unit": lambda row, place: test_skip_unit.check(row),
    "skip_pipeline": lambda row, place: test_skip_pipeline.check(row),
    "callbacks": lambda row, place: test_callbacks.check(row, in_memory()),
    "requeue": lambda row, place: test_requeue.check(row, in_memory(), place),
    "gates": lambda row, place: test_gates.check(row, in_memory(), (place / "a.pdf").read_bytes()),
}


async def red(table: str, rules: tuple[str, ...], place: Path) -> list[str]:
    """The ids of the rows of those rules that fail."""
    failed = []
    for parameter in rows(table):
        row = parameter.values[0]
        if row["rule"] not in rules or row["id"] in test_requeue.OTHERWISE:
            continue
        try:
            waiting = CHECKS[table](row, place)
            if inspect.isawaitable(waiting):
                await waiting
        except Exception:  # whatever way a row fails, it is red
            failed.append(row["id"])
    return failed


@dataclasses.dataclass(frozen=True)
class Mutation:
    """A changed rule, and where it must be noticed."""

    table: str
    rules: tuple[str, ...]
    change: Callable[[Patch], None]


def judge_that_runs(only: Callable[[Policy, bool], bool]) -> Callable[..., Verdict]:
    def judge(policy: Policy, enabled: bool, exists: bool, reason: str) -> Verdict:
        return Verdict(only(policy, exists), reason, exists)

    return judge


def judged_everywhere(judge: Callable[..., Verdict]) -> Callable[[Patch], None]:
    def change(patch: Patch) -> None:
        for module in (gates, skipping):
            patch.setattr(module, "judge", judge)

    return change


def any_run(patch: Patch) -> None:
    """The guard of the run accepts every processId."""

    def admitted(job: Any, command: Any) -> Any:
        return original(job, replace(command, process_id=job.process_id))

    original = transitions.admitted
    patch.setattr(transitions, "admitted", admitted)
    patch.setattr(callbacks, "admitted", admitted)


def no_terminal_state(patch: Patch) -> None:
    for command, move in list(transitions.TRANSITIONS.items()):
        step = None if command is Report else move.step
        patch.setitem(transitions.TRANSITIONS, command, move._replace(job=frozenset(JobStatus), step=step))


def unclamped(patch: Patch) -> None:
    def entry(body: Any) -> dict[str, Any]:
        return {"phase": body.phase, "message": body.message, "progress": body.progress}

    patch.setattr(report_commands, "progress_entry", entry)
    patch.setattr(reports, "progress_entry", entry)


def backwards(patch: Patch) -> None:
    def shown(job: Any, step: str, percent: float, *more: Any) -> Any:
        return original(replace(job, progress=None), step, percent, *more)

    original = edits.shown
    patch.setattr(transitions, "shown", shown)


def forgetful_requeue(patch: Patch) -> None:
    move = transitions.TRANSITIONS[Requeue]

    def change(job: Any, command: Any, now: Any) -> Any:
        return replace(move.change(job, command, now), logs=[])

    patch.setitem(transitions.TRANSITIONS, Requeue, move._replace(change=change))


def no_cascade(patch: Patch) -> None:
    """Neither does a step hear that an earlier one ran, nor is its status set to null."""

    def plan_step(*given: Any) -> skipping.StepPlan:
        plan = original(*given)
        return plan._replace(before={name: value for name, value in plan.before.items() if value is not None})

    original = skipping.plan_step
    patch.setattr(skipping, "plan_step", plan_step)
    patch.setattr(skipping, "UPSTREAM", {})


def no_left_guard(patch: Patch) -> None:
    """A window begins with its core."""

    def window(self: windows.Shape, index: int, tokens: int) -> windows.Window:
        found = original(self, index, tokens)
        return found._replace(start=found.core_start)

    original = windows.Shape.window
    patch.setattr(windows.Shape, "window", window)


def shortened(patch: Patch) -> None:
    """The text ends a guard too early."""

    def window(self: windows.Shape, index: int, tokens: int) -> windows.Window:
        return original(self, index, max(tokens - self.right, 0) or tokens)

    original = windows.Shape.window
    patch.setattr(windows.Shape, "window", window)


def anchors_like(pattern: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(anchors, "_LINE", re.compile(pattern, re.MULTILINE))


def no_variants(patch: Patch) -> None:
    for module in (object_keys, finding):
        patch.setattr(module, "key_variants", lambda key: [key])


def links_do_not_matter(patch: Patch) -> None:
    patch.setattr(rules, "TABLE", tuple(row for row in rules.TABLE if row[2] is not False))
    patch.setattr(rules, "by_table", lambda file, chunks, linked: table_of(file, chunks, True))


table_of = rules.by_table

FORCED = ("status_and_data", "status_only", "is_forced")
PIPELINE = ("one_document",)
GATES = ("directive_x_gate",)
SECRETS = ("wrong_secret", "missing_secret", "secret_of_another_job", "service_wide_key_is_no_job_secret")

MUTATIONS: dict[str, Mutation] = {
    "chapters are not clamped": Mutation(
        "chapters",
        ("normalise_and_assemble",),
        lambda patch: patch.setattr(
            chapters, "page_range", lambda start, end, most: anchors.page_range(start, end, 10**6)
        ),
    ),
    "summaries get no vector": Mutation(
        "chapters", ("normalise_and_assemble",), lambda patch: patch.setattr(run.Run, "index_summaries", nothing)
    ),
    "windows have no left guard": Mutation(
        "chunk_windows", ("defaults_60_200_60_and_100_1600_100", "configured_window"), no_left_guard
    ),
    "the last tokens are lost": Mutation(
        "chunk_windows", ("defaults_60_200_60_and_100_1600_100", "configured_window"), shortened
    ),
    "ids know only the text": Mutation(
        "chunk_windows",
        ("ids",),
        lambda patch: patch.setattr(chunks, "chunk_id", lambda *given: original_id("", given[1], 0, given[3])),
    ),
    "ids know no scale": Mutation(
        "chunk_windows",
        ("ids",),
        lambda patch: patch.setattr(chunks, "chunk_id", lambda *given: original_id(given[0], "small", *given[2:])),
    ),
    "large chunks are embedded": Mutation(
        "chunk_windows",
        ("embedding_scope",),
        lambda patch: patch.setattr(run, "is_embedded", lambda chunk, embed_large: True),
    ),
    "the model may change fixed fields": Mutation(
        "templates",
        ("merge_frontmatter",),
        lambda patch: patch.setattr(frontmatter, "merge", lambda old, new, fixed: {**fixed, **merged(old, new, {})}),
    ),
    "a null answer wipes": Mutation(
        "templates", ("merge_frontmatter",), lambda patch: patch.setattr(frontmatter, "is_blank", lambda value: False)
    ),
    "values are searched for placeholders": Mutation(
        "templates", ("render_body",), lambda patch: patch.setattr(templates, "_shown", str)
    ),
    "pictures without a key are healthy": Mutation("health", ("state",), links_do_not_matter),
    "chunks without a file are no orphans": Mutation(
        "health",
        ("state",),
        lambda patch: patch.setattr(
            rules, "by_table", lambda file, chunks, linked: table_of(file, chunks and file, linked)
        ),
    ),
    "keys have no other spelling": Mutation("health", ("object_key_variants", "fix_flag"), no_variants),
    "orphans may be marked as deleted": Mutation(
        "health",
        ("mark_deleted_only_null_pointer",),
        lambda patch: patch.setitem(steps._BY_STATE, rules.State.ORPHANED_CHUNKS, [steps.Repair.MARK_DELETED]),
    ),
    "repairs need no flag": Mutation(
        "health",
        ("mark_deleted_only_null_pointer",),
        lambda patch: patch.setattr(steps.RepairRequest, "allows", lambda request, step: True),
    ),
    "a dry run writes": Mutation(
        "health",
        ("fix_flag",),
        lambda patch: patch.setattr(steps.RepairRequest, "dry_run", False),
    ),
    "every document is stuck": Mutation(
        "health", ("selection",), lambda patch: patch.setattr(rules, "_is", lambda kind, document: True)
    ),
    "an error filter is ignored": Mutation(
        "health",
        ("selection",),
        lambda patch: patch.setattr(rules.Selection, "error_filter", ""),
    ),
    "tables and charts are uploads": Mutation(
        "health",
        ("derived_objects_are_no_uploads",),
        lambda patch: patch.setattr(object_keys, "is_derived", lambda *given: False),
    ),
    "is_forced never": Mutation(
        "skip_unit", FORCED, lambda patch: patch.setattr(skipping, "is_forced", lambda *given: False)
    ),
    "is_forced always": Mutation(
        "skip_pipeline", PIPELINE, lambda patch: patch.setattr(skipping, "is_forced", lambda *given: True)
    ),
    "another desync text": Mutation(
        "skip_unit", FORCED, lambda patch: patch.setattr(skipping, "DESYNC", "Error: no data")
    ),
    "no cascade": Mutation("skip_pipeline", PIPELINE, no_cascade),
    "judge ignores force": Mutation(
        "skip_unit", FORCED, judged_everywhere(judge_that_runs(lambda policy, exists: not exists))
    ),
    "do ignores the gate": Mutation(
        "gates", GATES, judged_everywhere(judge_that_runs(lambda policy, exists: policy != Policy.IGNORE))
    ),
    "ignore runs": Mutation(
        "gates",
        GATES,
        judged_everywhere(judge_that_runs(lambda policy, exists: policy == Policy.FORCE or not exists)),
    ),
    "a doc without chunks is a gate": Mutation(
        "gates",
        ("gate_ingest_exists",),
        lambda patch: patch.setattr(ingestion, "ingest_gate", lambda document, current: bool(document.generation)),
    ),
    "an empty twin is a gate": Mutation(
        "gates",
        ("gate_extract_exists",),
        lambda patch: patch.setattr(gates, "has_bytes", lambda document, role: role in document.artefacts),
    ),
    "unknown directives mean do": Mutation(
        "gates",
        ("unknown_directive_is_refused",),
        lambda patch: patch.setattr(test_gates, "parse_directive", lambda word: Policy.DO),
    ),
    "forceTemplate is forgotten": Mutation(
        "policies", ("legacy_flags",), lambda patch: patch.setattr(policies, "FLAGS", policies.FLAGS[:4])
    ),
    "skip means do": Mutation(
        "policies",
        ("ingest_policy_back",),
        lambda patch: patch.setitem(policies.DIRECTIVES, "skip", Policy.DO),
    ),
    "anchors may stand inside a line": Mutation(
        "page_split", ("anchor_split",), anchors_like(r"-{3,}[ \t]*Seite[ \t]+([0-9]+)[ \t]*-{3,}")
    ),
    "anchors may run over lines": Mutation(
        "page_split", ("anchor_split",), anchors_like(r"^-{3,}\s*Seite\s+([0-9]+)\s*-{3,}")
    ),
    "anchors are hyphens only": Mutation(
        "page_split", ("dash_variants_and_indent",), anchors_like(r"^-{3}[ ]*Seite[ ]+([0-9]+)[ ]*-{3}[ ]*$")
    ),
    "the text before the first anchor is lost": Mutation(
        "page_split",
        ("anchor_split",),
        lambda patch: patch.setattr(anchors, "split_pages", lambda body: ("", split_pages(body)[1])),
    ),
    "declared pages are ignored": Mutation(
        "page_split",
        ("page_count",),
        lambda patch: patch.setattr(anchors, "page_count", lambda body, declared: page_count(body)),
    ),
    "names without a language": Mutation(
        "names",
        ("build_and_parse_back",),
        lambda patch: patch.setattr(twin, "artefact_name", lambda source, *more: f"{twin.stem(source)}.md"),
    ),
    "names end at the first dot": Mutation(
        "names",
        ("build_and_parse_back",),
        lambda patch: patch.setattr(twin, "stem", lambda name: name.partition(".")[0]),
    ),
    "a transformation needs no template": Mutation(
        "names",
        ("template_needed",),
        lambda patch: patch.setattr(twin, "artefact_name", lambda source, kind, language, template: language),
    ),
    "a core field is forgotten": Mutation(
        "names",
        ("core_frontmatter_missing",),
        lambda patch: patch.setattr(twin, "CORE_FIELDS", twin.CORE_FIELDS[:-1]),
    ),
    "no secret check": Mutation(
        "callbacks", SECRETS, lambda patch: patch.setattr(secrets, "matches", lambda *given: True)
    ),
    "no guard of the run": Mutation("callbacks", ("stale_process", "stale_process_failed"), any_run),
    "no terminal state": Mutation(
        "callbacks", ("failed_is_terminal", "completed_is_terminal", "failed_then_completed"), no_terminal_state
    ),
    "progress is not clamped": Mutation("callbacks", ("progress_is_clamped",), unclamped),
    "progress goes back": Mutation("callbacks", ("late_lower_progress",), backwards),
    "a requeue forgets the log": Mutation("requeue", ("new_identity",), forgetful_requeue),
    "a living run is requeued": Mutation(
        "requeue", ("may_start",), lambda patch: patch.setattr(runs, "_heard_of", lambda *given: False)
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_changed_rule_turns_rows_red(name: str, monkeypatch: Patch, place: Path):
    mutation = MUTATIONS[name]
    assert await red(mutation.table, mutation.rules, place) == []
    mutation.change(monkeypatch)
    assert await red(mutation.table, mutation.rules, place) != [], "nobody noticed"
