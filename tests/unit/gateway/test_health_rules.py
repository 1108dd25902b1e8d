"""The states of documents, and which repairs they allow, as pure rules."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway.health.facts import Examined
from services.gateway.health.finding import Found
from services.gateway.health.rules import (
    ACTIONS,
    Action,
    Cause,
    Facts,
    Place,
    Selection,
    State,
    Strategy,
    by_table,
    cause_of,
    judge,
    strategy,
)
from services.gateway.health.steps import Repair, RepairRequest, parameters_for, plan_of, steps_for
from shared.document import Document, DocumentStatus
from shared.job import Parameters, Phases, Policies, Policy

WELL = Facts(object_in_store=True, chunk_count=5, current_chunks=5, expected_chunks=5)
GONE = Facts(object_in_store=False)
BROKEN: dict[State, Facts] = {
    State.HASH_MISMATCH: replace(WELL, source_changed="other bytes"),
    State.MISSING_TWIN: replace(WELL, twin_missing=("transcript",)),
    State.STALE_GENERATION: replace(WELL, current_chunks=0),
    State.COUNTS_DIFFER: replace(WELL, current_chunks=4),
    State.MISSING_LINKS: replace(WELL, ocr_image_chunks=3, image_chunks_without_key=1),
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(**fields: Any) -> Document:
    given: dict[str, Any] = {
        "document_id": "doc-1", "library_id": "lib", "item_id": "i", "sha256": "s", "name": "a.pdf", "size": 1,
        "created_at": NOW, "updated_at": NOW, "status": DocumentStatus.PROCESSED,
    }  # fmt: skip
    return Document(**(given | fields))


def examined(facts: Facts, found: Found | None = None, **fields: Any) -> Examined:
    return Examined(document=document(**fields), facts=facts, judgement=judge(facts), found=found)


def test_the_table_knows_every_combination_once() -> None:
    states = {key: by_table(*key) for key in itertools.product([True, False], repeat=3)}
    assert [states[key] for key in itertools.product([True, False], repeat=3)] == [
        State.HEALTHY, State.MISSING_LINKS, State.NOT_PROCESSED, State.NOT_PROCESSED,
        State.ORPHANED_CHUNKS, State.ORPHANED_CHUNKS, State.NULL_POINTER, State.NULL_POINTER,
    ]  # fmt: skip


@pytest.mark.parametrize("state", BROKEN)
def test_each_broken_law_has_its_state(state: State) -> None:
    assert judge(WELL).state == State.HEALTHY
    assert judge(BROKEN[state]).state == state


def test_the_gravest_law_names_the_state_and_all_are_told() -> None:
    facts = replace(WELL, source_changed="other bytes", twin_missing=("pages",), current_chunks=4, doc_row=False)
    judged = judge(facts)
    assert (judged.state, judged.action) == (State.HASH_MISMATCH, Action.REUPLOAD)
    assert [finding.partition(":")[0] for finding in judged.findings] == [
        "hash_mismatch", "missing_twin", "counts_differ", "counts_differ"
    ]  # fmt: skip
    assert judge(replace(WELL, twin_changed=("pages",))).action == Action.REPROCESS


def test_a_job_explains_what_is_missing_and_a_stuck_one_is_told_as_such() -> None:
    empty = Facts(object_in_store=True, job="j")
    assert judge(empty).state == State.IN_WORK
    assert judge(replace(empty, job_stuck="no worker")).state == State.STUCK
    assert judge(replace(GONE, job="j")).state == State.NULL_POINTER


def test_a_record_that_was_given_up_is_deleted_until_something_of_it_is_there_again() -> None:
    assert judge(replace(GONE, deleted=True)).state == State.DELETED
    assert judge(replace(GONE, deleted=True, chunk_count=1)).state == State.ORPHANED_CHUNKS
    assert judge(Facts(object_in_store=True, deleted=True)).state == State.NOT_PROCESSED


def test_no_text_is_no_illness_but_needs_its_file() -> None:
    assert judge(Facts(object_in_store=True, nothing_to_chunk=True, doc_row=True)).state == State.HEALTHY
    assert judge(Facts(object_in_store=False, nothing_to_chunk=True)).state == State.NULL_POINTER


def test_leftover_rows_and_summaries_are_counted() -> None:
    assert judge(replace(WELL, former_rows=3)).state == State.STALE_GENERATION
    assert judge(replace(WELL, current_summaries=1, expected_summaries=2)).state == State.COUNTS_DIFFER


def test_every_state_has_an_action() -> None:
    assert set(ACTIONS) == set(State)


@pytest.mark.parametrize(
    ("place", "available", "step"),
    [
        (Place.OTHER_KEY, False, Strategy.FIX),
        (Place.OTHER_PREFIX, False, Strategy.SET_KEY),
        (Place.OTHER_BUCKET, True, Strategy.CONFIGURE),
        (None, True, Strategy.REUPLOAD),
        (None, False, Strategy.MARK_DELETED),
    ],
)
def test_the_matrix_of_lost_files(place: Place | None, available: bool, step: Strategy) -> None:
    assert strategy(place, source_available=available) == step


def test_why_a_file_is_not_there() -> None:
    assert cause_of(recorded=False, error="") == Cause.NEVER_UPLOADED
    assert cause_of(recorded=False, error="The upload address expired.") == Cause.URL_EXPIRED
    assert cause_of(recorded=True, error="") == Cause.DELETED_LATER


def test_a_missing_file_in_an_error_counts_as_failed() -> None:
    assert Selection().takes(document(error="(NoSuchKey) when calling GetObject"))
    assert not Selection().takes(document())
    assert not Selection().takes(document(status=DocumentStatus.DELETED, error="NoSuchKey"))
    assert Selection(document_id="doc-1").takes(document())


@pytest.mark.parametrize("place", list(Place))
def test_a_file_that_lies_elsewhere_is_never_given_up(place: Place) -> None:
    for facts in (GONE, replace(GONE, chunk_count=3)):
        steps = steps_for(examined(facts, Found(place=place, key="elsewhere")))
        assert not {Repair.MARK_DELETED, Repair.DELETE_CHUNKS} & set(steps)


def test_no_flag_allows_another_repair_than_its_own() -> None:
    flags = {
        "fix": Repair.FIX_KEY, "mark_deleted": Repair.MARK_DELETED, "delete_orphans": Repair.DELETE_CHUNKS,
        "reprocess": Repair.REPROCESS, "trigger_stuck": Repair.TRIGGER, "link_images": Repair.LINK_IMAGES,
    }  # fmt: skip
    for flag, repair in flags.items():
        request = replace(RepairRequest(), **{flag: True})
        assert [step for step in Repair if request.allows(step)] == [repair]
    assert not any(RepairRequest().allows(step) for step in Repair)


def test_a_plan_without_flags_names_what_could_be_done_and_healthy_ones_have_none() -> None:
    (step,) = plan_of(examined(GONE), RepairRequest())
    assert (step.action, step.flag, step.status) == ("mark_deleted", "--mark-deleted", "not_asked")
    assert plan_of(examined(WELL), RepairRequest(fix=True, reprocess=True, mark_deleted=True)) == []


@pytest.mark.parametrize(
    ("lost", "policies"),
    [
        ((), (Policy.DO, Policy.DO)),
        (("chunks",), (Policy.DO, Policy.DO)),
        (("transformation",), (Policy.DO, Policy.FORCE)),
        (("pages", "transcript"), (Policy.FORCE, Policy.DO)),
        (("pages", "products"), (Policy.FORCE, Policy.FORCE)),
    ],
)
def test_a_job_makes_again_only_what_was_lost_and_keeps_its_options(
    lost: tuple[str, ...], policies: tuple[Policy, Policy]
) -> None:
    last = Parameters(template="invoice", figures=True, phases=Phases(extract=False, ingest=False))
    made = parameters_for(document(), replace(WELL, twin_missing=lost), last)
    assert made.policies == Policies(extract=policies[0], metadata=policies[1], ingest=Policy.FORCE)
    assert (made.template, made.figures, made.phases.ingest) == ("invoice", True, True)
