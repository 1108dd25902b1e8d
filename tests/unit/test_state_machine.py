"""Any interleaving of workers, sweepers, brokers and people keeps the job's invariants.

The machine plays everyone at once: claims and reports of the current and of long dead attempts, deliveries done once
and twice, messages of the future, requeues, cancels. `shared.transitions.decide` may refuse; what it accepts is held
against what a job must never do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from shared import route
from shared.bands import BANDS
from shared.commands import (
    Admit,
    Advance,
    Cancel,
    Claim,
    Command,
    Delivered,
    Fail,
    Release,
    Report,
    Requeue,
    Restart,
    Settle,
    Told,
)
from shared.edits import failure
from shared.job import Artefact, Job, JobStatus, StepName, StepStatus
from shared.stages import STEP_OF, StageReport
from shared.transitions import Refused, decide
from tests.unit.test_transitions import NOW, a_job

WORKED = (StepName.EXTRACT, StepName.TRANSFORM, StepName.INGEST)
ORDER = {StepStatus.PENDING: 0, StepStatus.RUNNING: 1, StepStatus.COMPLETED: 2, StepStatus.FAILED: 2}
MANIFEST = {"manifest": Artefact(key="k", sha256="s", size=1)}

SLOW = [HealthCheck.too_slow]
AGE = st.integers(0, 6)
"""0: the newest ticket, run or message; higher numbers: older ones, as late and stale commands hold them."""


class Held(NamedTuple):
    """What a worker knows of its attempt."""

    process_id: str
    attempt: int
    step: StepName
    owner: str


class JobMachine(RuleBasedStateMachine):
    """One job and everybody who may change it."""

    def __init__(self) -> None:
        super().__init__()
        self.job: Job = a_job()
        self.now: datetime = NOW
        self.held: list[Held] = []
        self.deliveries: list[tuple[str, str, StepName]] = []
        self.runs = [self.job.process_id]
        self.owners: dict[tuple[str, str, int], str] = {}
        self.published: set[StepName] = set()

    # everyone who acts

    @rule(seconds=st.integers(-3, 900))
    def time_passes(self, seconds: int) -> None:
        """Also backwards: the store's clock may be set."""
        self.now += timedelta(seconds=seconds)

    @rule()
    def admit(self) -> None:
        self.apply(Admit(process_id=self.job.process_id))

    @initialize(moves=st.integers(0, 9))
    def some_way(self, moves: int) -> None:
        """Stories start anywhere on the route, otherwise few would come far."""
        self.good_moves(moves)

    @rule(moves=st.integers(1, 4))
    def good_moves(self, moves: int) -> None:
        for _ in range(moves):
            if self.job.open:
                self.one_good_move()

    @rule(step=st.sampled_from(WORKED), owner=st.sampled_from(["w1", "w2"]), age=AGE, attempt=st.integers(-1, 1))
    def claim(self, step: StepName, owner: str, age: int, attempt: int) -> None:
        """A worker acts on a message: of this run or an older one, of this attempt or one before or after."""
        self.claimed(Held(self.run(age), self.job.attempt + attempt, step, owner))

    def claimed(self, held: Held) -> bool:
        command = Claim(
            **who(held),
            owner=held.owner,
            secret_hash=f"hash of {held}",
            deadline_at=self.now + timedelta(hours=1),
        )
        if not self.apply(command):
            return False
        self.held.append(held)
        key = (held.process_id, held.step, held.attempt)
        assert self.owners.setdefault(key, held.owner) == held.owner, f"two owners of {key}"
        earlier = WORKED[: WORKED.index(held.step)]
        assert set(earlier) <= self.published, f"{held.step} starts before the results it reads are published"
        return True

    @precondition(lambda self: self.held)
    @rule(age=AGE, percent=st.floats(-10, 200), coalesced=st.booleans())
    def report(self, age: int, percent: float, coalesced: bool) -> None:
        held = self.ticket(age)
        entries = [{"phase": "running", "progress": round(percent)}]
        self.apply(Report(**who(held), entries=entries, percent=percent, coalesced=coalesced))

    @precondition(lambda self: self.held)
    @rule(age=AGE, name=st.sampled_from(list(STEP_OF)), percent=st.floats(-1, 2), ended=st.booleans())
    def report_of_a_stage(self, age: int, name: StepName, percent: float, ended: bool) -> None:
        status = StepStatus.COMPLETED if ended else StepStatus.RUNNING
        told = StageReport(name=name, status=status, fraction=percent)
        self.apply(Report(**who(self.ticket(age)), percent=percent, stages=[told]))

    @precondition(lambda self: self.held)
    @rule(age=AGE, skipped=st.booleans())
    def settle(self, age: int, skipped: bool) -> None:
        self.settled(self.ticket(age), skipped)

    def settled(self, held: Held, skipped: bool) -> bool:
        if not self.apply(Settle(**who(held), skipped=skipped, outputs={} if skipped else MANIFEST)):
            return False
        to_deliver = [entry for entry in self.job.outbox if entry.kind == "deliver"]
        assert to_deliver or skipped, "results that nobody publishes"
        self.deliveries += [(held.process_id, entry.event_id, held.step) for entry in to_deliver]
        if not to_deliver:
            self.published.add(held.step)
        return True

    @precondition(lambda self: self.held)
    @rule(age=AGE, retryable=st.booleans())
    def worker_fails(self, age: int, retryable: bool) -> None:
        held = self.ticket(age)
        if retryable:
            self.apply(Release(**who(held), reason="away", delay=2.0))
        else:
            self.apply(Fail(**who(held), error=failure(held.step, "pdf_corrupt", "document", "broken")))

    @precondition(lambda self: self.deliveries)
    @rule(age=AGE, well=st.booleans())
    def delivery(self, age: int, well: bool) -> None:
        """The gateway's own work ends, well or not; another replica may end it once more, or much later."""
        process_id, event_id, step = self.deliveries[-1 - age % len(self.deliveries)]
        if well:
            self.delivered(process_id, event_id, step)
        elif any(entry.event_id == event_id for entry in self.job.outbox):
            owner = StepName.STORE if step == StepName.EXTRACT else step
            self.apply(Fail(process_id=process_id, step=owner, error=failure(owner, "internal", "internal", "disk")))

    def delivered(self, process_id: str, event_id: str, step: StepName) -> bool:
        done = self.apply(Delivered(process_id=process_id, event_id=event_id, step=step))
        if done:
            self.published.add(step)
        return done

    @rule(age=AGE)
    def relay(self, age: int) -> None:
        """Events that nobody of ours takes are struck when the broker has them."""
        done = [e.event_id for e in self.job.outbox if e.kind == "event" and not route.leg_of(e.subject).consumer]
        self.apply(Told(process_id=self.run(age), event_ids=frozenset(done)))

    @rule(age=AGE)
    def template_done(self, age: int) -> None:
        """The orchestrator's message: in time, doubled, late, or published by hand before its time."""
        self.apply(Advance(process_id=self.run(age), step=StepName.INGEST, after=route.TEMPLATE_DONE))

    @precondition(lambda self: self.held)
    @rule(age=AGE)
    def sweep(self, age: int) -> None:
        self.apply(Restart(**who(self.ticket(age)), reason="silent"))

    @rule(age=AGE, step=st.sampled_from(WORKED), anyway=st.booleans(), really=st.integers(0, 2))
    def requeue(self, age: int, step: StepName, anyway: bool, really: int) -> None:
        if really != 2:
            return
        new = f"run-{len(self.runs) + 1}"
        command = Requeue(process_id=self.run(age), step=step, new_process_id=new, anyway=anyway, quiet_seconds=60)
        if self.apply(command):
            self.runs.append(new)
            kept = {row.name for row in self.job.steps if row.status == StepStatus.COMPLETED} - {StepName.STORE}
            assert kept <= self.published, "a step is kept whose results were never published"
            self.published = set(kept)

    @rule(age=AGE, really=st.integers(0, 3))
    def cancel(self, age: int, really: int) -> None:
        if really == 3:
            self.apply(Cancel(process_id=self.run(age), reason="a person"))

    # what is held against the job

    def apply(self, command: Command) -> bool:
        before = self.job
        try:
            after = decide(before, command, self.now)
        except Refused:
            return False
        assert command.process_id == before.process_id, "an effect from a stale run"
        assert command.attempt in (None, before.attempt), "an effect from a stale attempt"
        assert after.logs[: len(before.logs)] == before.logs, "the log is not a prefix of its later self"
        if after.process_id == before.process_id:
            same_run(before, after)
        self.job = replace(after, revision=before.revision + 1)
        return True

    @invariant()
    def the_log_is_one_numbered_column(self) -> None:
        assert [row["seq"] for row in self.job.logs] == list(range(1, self.job.log_count + 1))
        times = [row["timestamp"] for row in self.job.logs]
        assert times == sorted(times)

    @invariant()
    def a_step_is_asked_for_once(self) -> None:
        ids = [entry.event_id for entry in self.job.outbox]
        assert len(ids) == len(set(ids))
        legs = [route.leg_of(entry.subject) for entry in self.job.outbox if entry.kind == "event"]
        asked = [leg.step for leg in legs if leg.step is not None]
        assert len(asked) == len(set(asked)), f"asked for twice: {asked}"
        for step in asked:
            assert self.job.step(step).status == StepStatus.PENDING, f"{step} is asked for but not pending"

    @invariant()
    def who_holds_what(self) -> None:
        lease, running = self.job.lease, [row.name for row in self.job.steps if row.status == StepStatus.RUNNING]
        if lease is not None:
            assert self.job.status == JobStatus.RUNNING
            assert lease.step in running
            assert self.job.job_secret_hash
        for name in running:
            kinds = {entry.kind for entry in self.job.outbox}
            assert (lease and lease.step == STEP_OF.get(name, name)) or (
                name == StepName.STORE and "deliver" in kinds
            ), name

    @invariant()
    def nothing_is_stuck(self) -> None:
        if self.job.open:
            assert self.job.lease or self.job.outbox or self.job.waiting, "nobody will ever come back to this job"
        else:
            left = [entry for entry in self.job.outbox if entry.kind != "event" or route.leg_of(entry.subject).consumer]
            assert left == [], "an ended job still asks for something"

    def teardown(self) -> None:
        """From wherever the story ends, workers that behave bring an open job to its end."""
        for _ in range(40):
            if not self.job.open:
                return
            self.one_good_move()
        raise AssertionError(f"the job does not end: {self.job}")

    def one_good_move(self) -> None:
        """The next thing that is due, done as it should be; it must be accepted."""
        run = self.job.process_id
        events = [entry for entry in self.job.outbox if entry.kind == "event"]
        deliver = next((entry for entry in self.job.outbox if entry.kind == "deliver"), None)
        if self.job.waiting:
            assert self.apply(Admit(process_id=run))
        elif self.job.lease is not None:
            held = Held(run, self.job.attempt, self.job.lease.step, self.job.lease.owner)
            assert self.settled(held, skipped=False)
        elif deliver is not None:
            assert self.delivered(run, deliver.event_id, StepName(deliver.data["step"]))
        elif events[0].subject == route.TEMPLATE_DONE:
            assert self.apply(Advance(process_id=run, step=StepName.INGEST, after=route.TEMPLATE_DONE))
        else:
            step = route.leg_of(events[0].subject).step
            assert step is not None
            held = Held(run, events[0].data["attempt"], step, "w1")
            assert self.claimed(held), "the event that is told cannot be taken"

    def run(self, age: int) -> str:
        return self.runs[-1 - age % len(self.runs)]

    def ticket(self, age: int) -> Held:
        return self.held[-1 - age % len(self.held)]


def who(held: Held) -> dict[str, Any]:
    return {"process_id": held.process_id, "attempt": held.attempt, "step": held.step}


def same_run(before: Job, after: Job) -> None:
    """What holds as long as the run does not change."""
    if not before.open:
        assert (after.status, after.error, after.steps) == (before.status, before.error, before.steps)
    if before.progress is not None:
        assert after.progress is not None
        assert after.progress.percent >= before.progress.percent, "progress went back"
        assert all(b >= a for a, b in zip(before.progress.stages, after.progress.stages, strict=True))
    undelivered = {entry.data["step"] for entry in before.outbox if entry.kind == "deliver"}
    rows = {row.name: row for row in after.steps}  # stages may have joined them
    for old in before.steps:
        new = rows[old.name]
        restarted = (old.status, new.status) == (StepStatus.RUNNING, StepStatus.PENDING)
        assert ORDER[new.status] >= ORDER[old.status] or (restarted and after.attempt == before.attempt + 1)
        if ORDER[old.status] == 2 and new.status != old.status:
            assert old.name in undelivered, f"{old.name}: {old.status} became {new.status}"


class CatalogueMachine(JobMachine):
    """The same with a job that asks for products, which shows the bands of seed 001."""

    def __init__(self) -> None:
        super().__init__()
        self.job = replace(self.job, parameters=replace(self.job.parameters, products=True))

    @invariant()
    def every_stage_is_in_its_band(self) -> None:
        shown = self.job.progress
        if shown is None:
            return
        assert shown.stage is not None
        assert all(low <= at <= high for at, (low, high) in zip(shown.stages, BANDS, strict=True))
        assert BANDS[shown.stage][0] <= shown.percent <= BANDS[shown.stage][1]


TestCatalogueMachine = CatalogueMachine.TestCase
TestCatalogueMachine.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=SLOW
)
TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(max_examples=250, stateful_step_count=40, deadline=None, suppress_health_check=SLOW)
