"""What a worker gets when its claim of a step is granted, and what it reports back."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.document import Document
from shared.job import Artefact, Correlation, Parameters, StepName
from shared.stages import StageReport


class ClaimRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Body of `POST /api/internal/jobs/{jobId}/claim`. The same `owner` may ask again when an answer was lost."""

    process_id: str
    attempt: int
    step: StepName
    owner: str


class Ticket(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The granted step: token of this attempt, limits in seconds, and references to the inputs in storage.

    `spent_usd` is what the job has paid for model calls so far, `paid` the calls of this run's step that are counted.
    """

    token: str
    job_id: str
    process_id: str
    attempt: int
    step: StepName
    heartbeat_seconds: float
    deadline_seconds: float
    document: Document
    parameters: Parameters
    output_prefix: str
    checkpoint: dict[str, Any] = {}
    spent_usd: float = 0.0
    paid: list[str] = []
    correlation: Correlation | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the work of a phase gave: files by role, facts for the document record, counts, warnings, metadata.

    `handed`, if given, stands instead of all that: a foreign worker's result in the source's payload, of which the
    gateway writes the files.
    """

    outputs: dict[str, Artefact] = {}
    facts: dict[str, Any] = {}
    counts: dict[str, int] = {}
    warnings: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None
    handed: dict[str, Any] | None = None


class CallbackProcess(msgspec.Struct, frozen=True):
    """Which run a callback means."""

    id: str = ""


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /api/external/jobs/{jobId}`: the source's payload (FORMATS D4) and our workers' additions.

    `data` carries `extracted_text`, `images_archive_url`, `metadata` (foreign workers) or `outputs`, `facts`,
    `counts`, `warnings`, `meta`, `skipped`, `reason` (ours); `logs` are entries to append, `stages` the
    states of the step's stages that have changed, `costs` paid model calls (shared.costs.Charge). A step is given
    back with `phase: released`, to start again in `retry_after` seconds.
    """

    phase: str = ""
    status: str = ""
    progress: float | None = None
    message: str = ""
    process: CallbackProcess = CallbackProcess()
    attempt: int | None = None
    step: StepName | None = None
    pages_done: int = 0
    pages_total: int = 0
    logs: list[dict[str, Any]] = []
    stages: list[StageReport] = []
    checkpoint: dict[str, Any] | None = None
    costs: list[dict[str, Any]] = []
    retry_after: float = 0.0
    data: dict[str, Any] = {}
    error: dict[str, Any] | None = None
    callback_token: str = ""
