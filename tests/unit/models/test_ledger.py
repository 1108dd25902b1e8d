"""The job's ledger of model calls: every paid call once, whatever is told twice, late or never."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.gateway.reports import charges
from shared.account import Account
from shared.commands import Fail, Release, Report, Requeue, Settle
from shared.costs import Charge, Cost
from shared.edits import failure, spent, with_step
from shared.endings import cause_of
from shared.errors import BudgetExceeded, DocumentError, Paused, TransientError
from shared.job import Job, StepName, StepStatus
from shared.transitions import decide
from tests.support import records
from tests.support.records import seconds

ONE = Charge(id="a", model="m", purpose="metadata", tokens_in=10, tokens_out=2, usd=0.5)
TWO = Charge(id="b", model="m", purpose="metadata", tokens_in=1, tokens_out=1, usd=0.25)


def running_job() -> Job:
    return with_step(records.running_job(), StepName.EXTRACT, status=StepStatus.RUNNING)


def told(job: Job, command: type, **fields: Any) -> Job:
    return decide(job, command(process_id=job.process_id, step=StepName.EXTRACT, **fields), seconds(1))


def test_costs_are_summed_by_step_model_and_purpose() -> None:
    other = Charge(id="c", model="m", purpose="chapters", usd=1.0)
    job = told(running_job(), Report, costs=[ONE, TWO, other])
    step = StepName.EXTRACT
    assert job.costs == [
        Cost(step=step, model="m", purpose="metadata", calls=2, tokens_in=11, tokens_out=3, usd=0.75),
        Cost(step=step, model="m", purpose="chapters", calls=1, usd=1.0),
    ]
    assert spent(job) == 1.75


def test_what_is_told_again_by_any_later_report_is_counted_once() -> None:
    job = told(running_job(), Report, costs=[ONE])
    job = told(job, Report, costs=[ONE, TWO])
    job = told(job, Settle, costs=[TWO])
    assert (job.costs[0].calls, job.costs[0].usd) == (2, 0.75)
    assert job.paid == []


@pytest.mark.parametrize("command", [Report, Settle, Release, Fail])
def test_every_way_a_step_can_end_brings_its_costs(command: type) -> None:
    more: dict[type, dict[str, Any]] = {
        Release: {"reason": "x"},
        Fail: {"error": failure("extract_pdf", "x", "document", "x")},
    }
    assert spent(told(running_job(), command, costs=[ONE], **more.get(command, {}))) == 0.5


def test_the_next_attempt_knows_what_was_paid_and_a_new_run_keeps_the_sum() -> None:
    job = told(running_job(), Release, reason="x", lost=False, costs=[ONE])
    assert (job.paid, job.losses, spent(job)) == (["a"], 0, 0.5)
    again = Requeue(process_id=job.process_id, new_process_id="run-2", anyway=True)
    job = decide(job, again, seconds(2))
    assert (job.paid, spent(job)) == ([], 0.5)


def test_a_price_that_nobody_knows_is_not_nothing() -> None:
    unknown = Charge(id="a", model="m", purpose="p")
    assert told(running_job(), Report, costs=[unknown]).costs[0].usd is None
    known = Charge(id="b", model="m", purpose="p", usd=0.1)
    assert told(running_job(), Report, costs=[unknown, known]).costs[0].usd == 0.1


@pytest.mark.parametrize(
    "cost",
    [{}, {"id": 1}, {"id": "a", "model": "m", "purpose": "p", "tokensIn": "many"}, {"id": "a", "model": "m"}],
)
def test_a_report_cannot_bring_what_is_no_charge(cost: dict[str, Any]) -> None:
    assert charges([cost]) == []


def test_a_report_cannot_lower_the_sum_or_blow_it_up() -> None:
    cost = {"id": "a" * 999, "model": "m\x00\n", "purpose": "p", "tokensIn": -5, "tokensOut": 1 << 60, "usd": -1.0}
    (charge,) = charges([cost])
    assert (len(charge.id), charge.model, charge.tokens_in, charge.usd) == (64, "m", 0, None)
    assert charge.tokens_out <= 1 << 31
    assert len(charges([cost] * 100_000)) <= 5_000


async def test_a_budget_counts_what_earlier_attempts_have_spent() -> None:
    account = Account(budget_usd=1.0, spent_usd=0.9)
    with pytest.raises(BudgetExceeded):
        async with account.reserved(0.2, account.budget_usd, "x"):
            pass
    async with account.reserved(0.1, account.budget_usd, "x"):
        account.charge(Charge(id="a", model="m", purpose="p", usd=0.05))
    assert account.spent_usd == pytest.approx(0.95)


async def test_calls_that_may_fit_wait_for_those_under_way_and_cost_what_they_cost() -> None:
    account = Account(budget_usd=1.0)
    under_way = most = 0

    async def call(number: int) -> None:
        nonlocal under_way, most
        async with account.reserved(0.4, account.budget_usd, "x"):
            under_way, most = under_way + 1, max(most, under_way + 1)
            await asyncio.sleep(0)
            account.charge(Charge(id=f"{number}", model="m", purpose="p", usd=0.05))
            under_way -= 1

    results = await asyncio.gather(*(call(number) for number in range(30)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, BudgetExceeded)]
    assert most == 2
    assert len(refused) == 30 - 13
    assert account.spent_usd == pytest.approx(0.65)


def test_of_several_failures_the_one_that_no_waiting_mends_is_told() -> None:
    pause, broken, passing = Paused("m", "x", 5), DocumentError("pdf_corrupt"), TransientError()
    assert cause_of(ExceptionGroup("", [pause, ExceptionGroup("", [broken])])) is broken
    assert cause_of(ExceptionGroup("", [passing, pause])) is pause
    assert cause_of(ExceptionGroup("", [pause, BudgetExceeded("x")])).args[0].startswith("budget_exceeded")
    assert cause_of(passing) is passing
