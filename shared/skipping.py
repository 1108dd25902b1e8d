"""Seed 002's vocabulary (`*_status`, `force_reprocess_*`, cascade) spoken by the engine of `shared.gates`.

    seed 002                                     here                  shared.gates.judge
    forced, or an upstream step ran              policy FORCE          runs
    neither                                      policy DO             runs unless the gate exists
    run_extraction / run_refinement say no       the phase is off      skipped
    status completed (and its data found)        the gate exists       skipped
    status completed, data missing (a desync)    the gate is broken    runs, after the status was corrected

`plan_step` decides one step, `plan_document` a whole run. Pure functions over a row of seed 002's `documents` table;
nothing is ever deleted: a step that runs makes what follows stale by setting its status to null (checklist A2).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from shared.errors import RequestError
from shared.gates import DESYNC as DESYNC
from shared.gates import Verdict, judge
from shared.job import Policy

COMPLETED = "completed"
FILE_GONE = "file not found"

Row = Mapping[str, Any]
Force = bool | list[str] | None
"""null | true | list of document ids, as `force_reprocess_*` and `run_refinement` take it."""


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller of `process_documents` may say; kept untyped until `chosen` has looked at it."""

    force_reprocess_ocr: Any = None
    force_reprocess_metadata: Any = None
    force_reprocess_extraction: Any = None
    run_extraction: bool = True
    run_refinement: Any = False


class Step(NamedTuple):
    """A row of the seed's step table. `data` says whether the step's result is there; None: the status alone counts.
    `stale` are the steps that become stale when this one runs."""

    name: str
    data: Callable[[Row], bool] | None = None
    stale: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """The column of its status."""
        return f"{self.name}_status"


class Decision(NamedTuple):
    """Whether a step runs, and the text its status is set to before (a desync); None leaves the status alone."""

    verdict: Verdict
    set_status: str | None = None

    @property
    def desync(self) -> bool:
        """Whether the status claimed data that is not there."""
        return self.set_status is not None


class StepPlan(NamedTuple):
    """One step of a document's run: the decision, and the columns to write before the step starts."""

    step: str
    decision: Decision
    before: dict[str, Any]


class DocumentPlan(NamedTuple):
    """A document's run: every step's plan in order, and the row as it is afterwards."""

    steps: list[StepPlan]
    after: dict[str, Any]

    @property
    def ran(self) -> list[str]:
        """The steps that run."""
        return [plan.step for plan in self.steps if plan.decision.verdict.run]

    @property
    def desync(self) -> list[str]:
        """The steps whose status was found to be wrong."""
        return [plan.step for plan in self.steps if plan.decision.desync]


class Outcome(NamedTuple):
    """How a step ended: the columns it filled, or the error that becomes its status."""

    row: Mapping[str, Any] = {}
    error: str = ""


def chosen(choice: object, document_id: str, concept: str = "invalid_force") -> bool:
    """Whether a choice (null | bool | list of ids) means this document; any other type is refused."""
    if choice is None or isinstance(choice, bool):
        return bool(choice)
    if isinstance(choice, list | tuple | set | frozenset) and all(isinstance(entry, str) for entry in choice):
        return document_id in choice
    raise RequestError("bad_request", f"{concept}: give null, true or a list of document ids.")


def is_forced(force: object, document_id: str) -> bool:
    """`is_forced` of the pseudocode; a bare string or number is refused rather than silently ignored."""
    return chosen(force, document_id)


def ocr_data_exists(row: Row) -> bool:
    """`document_content IS NOT NULL AND document_content != ''`."""
    return bool(row.get("document_content"))


def metadata_data_exists(row: Row) -> bool:
    """Any one of the three identifying fields; the `authors` array does not count, an empty text is no value."""
    return any(row.get(name) not in (None, "") for name in ("title", "first_author_lastname", "publication_year"))


def should_run_step(
    status: str | None, data_exists: bool, force: object, document_id: str, upstream_ran: bool
) -> Decision:
    """Status first, then data: for OCR and metadata."""
    verdict = _judge(status == COMPLETED and data_exists, force, document_id, upstream_ran)
    respected = verdict.reason == "no_artefact"
    return Decision(verdict, DESYNC if respected and status == COMPLETED else None)


def should_run_step_status_only(status: str | None, force: object, document_id: str, upstream_ran: bool) -> Decision:
    """The status alone: for extraction, where zero records are a valid result. Never a desync."""
    return Decision(_judge(status == COMPLETED, force, document_id, upstream_ran))


def should_refine(records: int, run_refinement: object, document_id: str) -> Decision:
    """Opt-in and without a status: refinement runs for chosen documents that have records."""
    wanted = chosen(run_refinement, document_id, "invalid_refinement")
    return Decision(judge(Policy.DO, wanted, records < 1, "no_records"))


def _judge(exists: bool, force: object, document_id: str, upstream_ran: bool) -> Verdict:
    forced = is_forced(force, document_id)
    verdict = judge(Policy.FORCE if forced or upstream_ran else Policy.DO, True, exists, COMPLETED)
    return replace(verdict, reason="upstream_ran") if upstream_ran and not forced else verdict


OCR = Step("ocr", ocr_data_exists, ("metadata", "extraction"))
METADATA = Step("metadata", metadata_data_exists, ("extraction",))
EXTRACTION = Step("extraction")
REFINEMENT = Step("refinement")
STEPS: tuple[Step, ...] = (OCR, METADATA, EXTRACTION, REFINEMENT)
"""The pipeline in order."""

UPSTREAM: dict[str, str] = {"metadata": "ocr", "extraction": "metadata"}
"""Whose run makes a step run; OCR reaches extraction through metadata, which it makes run."""


def decide_step(step: Step, row: Row, params: Params, ran: Collection[str]) -> Decision:
    """Whether a step runs on this row, given the steps that have run before it."""
    document_id = str(row["document_id"])
    if step is REFINEMENT:
        return should_refine(int(row.get("records") or 0), params.run_refinement, document_id)
    if step is EXTRACTION and not params.run_extraction:
        return Decision(judge(Policy.DO, False, False, ""))
    force = getattr(params, f"force_reprocess_{step.name}")
    upstream = UPSTREAM.get(step.name) in ran
    if step.data is None:
        return should_run_step_status_only(row.get(step.status), force, document_id, upstream)
    return should_run_step(row.get(step.status), step.data(row), force, document_id, upstream)


def plan_step(step: Step, row: Row, params: Params, ran: Collection[str]) -> StepPlan:
    """The decision, and what is written before the step starts: a wrong status corrected, what follows made stale."""
    decision = decide_step(step, row, params, ran)
    if not decision.verdict.run:
        return StepPlan(step.name, decision, {})
    if step is OCR and not row.get("file_on_disk", True):
        # What is stored stays usable: no status is touched and nothing becomes stale.
        return StepPlan(step.name, Decision(Verdict(False, FILE_GONE, decision.verdict.exists)), {})
    before: dict[str, Any] = {f"{name}_status": None for name in step.stale}
    if decision.set_status is not None:
        before[step.status] = decision.set_status
    return StepPlan(step.name, decision, before)


def _succeeds(step: Step, row: Row) -> Outcome:
    """The assumption of a plan: every step does its work, and an extraction finds something to refine."""
    return Outcome({"records": max(1, int(row.get("records") or 0))}) if step is EXTRACTION else Outcome()


def plan_document(
    row: Row, params: Params, work: Callable[[Step, Row], Outcome] = _succeeds, steps: Sequence[Step] = STEPS
) -> DocumentPlan:
    """A document's whole run. Without `work` it is a plan and assumes success; a step that fails puts its error into
    its status and stops the later ones."""
    after: dict[str, Any] = dict(row)
    plans: list[StepPlan] = []
    ran: set[str] = set()
    for step in steps:
        plan = plan_step(step, after, params, ran)
        plans.append(plan)
        if plan.decision.verdict.reason == FILE_GONE and not ocr_data_exists(after):
            break
        if not plan.decision.verdict.run:
            continue
        after |= plan.before
        outcome = work(step, after)
        after |= outcome.row
        after[step.status] = _error_text(outcome.error) if outcome.error else COMPLETED
        if outcome.error:
            break
        ran.add(step.name)
    return DocumentPlan(plans, after)


def _error_text(error: str) -> str:
    return error if error.startswith("Error") else f"Error: {error}"


class Writes(NamedTuple):
    """Keys of the records that a step may insert and update."""

    inserted: list[str]
    updated: list[str]


def allowed_writes(step: str, existing: Collection[str], returned: Sequence[str]) -> Writes:
    """Extraction inserts only, refinement updates only; what else the model returned is left alone (A2.21, A2.22)."""
    known = [key for key in dict.fromkeys(returned) if key in existing]
    fresh = [key for key in dict.fromkeys(returned) if key not in existing]
    return {"extraction": Writes(fresh, []), "refinement": Writes([], known)}[step]
