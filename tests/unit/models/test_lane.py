"""The shared state of a model's endpoint: limits and circuit breaker, as pure changes."""

from __future__ import annotations

from typing import Any

from shared.adapters.model_lane import (
    POISON_OPENINGS,
    Lane,
    LaneRecord,
    Verdict,
    Wait,
    admitted,
    poisoned,
    renewed,
    settled,
)

NOW = 1_800_000_000.0


class Bench:
    """A lane with a clock; calls are admitted, or the wait is told."""

    def __init__(self, **limits: Any) -> None:
        self.lane = Lane(endpoint="http://e/v1", model="m", **limits)
        self.record = LaneRecord(endpoint="http://e/v1", model="m")
        self.now = NOW

    def ask(self, owner: str = "a", tokens: float = 0.0) -> Wait | None:
        after, wait = admitted(self.record, self.lane, self.now, owner, tokens)
        if wait is None:
            self.record = after
        return wait

    def end(self, owner: str = "a", **verdict: Any) -> None:
        self.record = settled(self.record, self.lane, self.now, owner, Verdict(**verdict))

    def call(self, owner: str = "a", **verdict: Any) -> None:
        assert self.ask(owner) is None
        self.end(owner, **verdict)

    def state(self) -> str:
        return self.record.breaker(self.now)


def test_no_minute_sees_more_requests_than_allowed() -> None:
    bench = Bench(requests_per_minute=60, in_flight=10_000)
    moments: list[float] = []
    while bench.now < NOW + 300:
        wait = bench.ask()
        if wait is None:
            moments.append(bench.now)
        else:
            assert wait.why == "rate"
            bench.now += max(wait.seconds, 0.001)
    most = max(sum(start <= moment < start + 60 for moment in moments) for start in moments)
    assert most <= 60
    assert len(moments) >= 0.85 * 60 * 5


def test_tokens_are_counted_too_and_corrected_by_what_was_used() -> None:
    bench = Bench(tokens_per_minute=10_000, in_flight=100)
    assert bench.ask(tokens=1_000) is None
    assert bench.ask(tokens=1_000) is not None
    bench.end(kind="ok", tokens=-900)
    assert bench.ask(tokens=900) is None
    assert bench.ask(tokens=900) is not None


def test_a_call_larger_than_the_bucket_is_let_through_alone() -> None:
    bench = Bench(tokens_per_minute=600, in_flight=100)
    assert bench.ask(tokens=50_000) is None
    wait = bench.ask(tokens=1)
    assert wait is not None
    assert wait.seconds > 3_600


def test_calls_in_flight_are_counted_over_all_processes() -> None:
    bench = Bench(in_flight=3)
    assert [bench.ask(owner) for owner in "abc"] == [None] * 3
    assert bench.ask("a") is not None
    bench.end("b", kind="ok")
    assert bench.ask("a") is None
    assert bench.record.in_flight(bench.now) == 3


def test_the_calls_of_a_process_that_is_gone_count_no_longer_than_its_lease() -> None:
    bench = Bench(in_flight=2, lease_seconds=10)
    assert [bench.ask("dead"), bench.ask("alive")] == [None, None]
    for _ in range(5):
        bench.now += 4
        bench.record = renewed(bench.record, bench.lane, bench.now, "alive", 1)
    assert bench.ask("alive") is None
    assert bench.ask("alive") is not None


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    bench = Bench(failures_to_open=3, open_seconds=10)
    bench.call(kind="unreachable", reason="gone")
    bench.call(kind="ok")
    for _ in range(3):
        assert bench.state() == "closed"
        bench.call(kind="unreachable", reason="gone")
    wait = bench.ask()
    assert (bench.state(), wait) == ("open", Wait(10, "open", "gone"))
    bench.now += 10
    assert bench.state() == "half_open"
    assert bench.ask("prober") is None
    other = bench.ask("other")
    assert other is not None
    assert other.why == "half_open"
    bench.end("prober", kind="ok")
    assert bench.state() == "closed"
    assert bench.ask("other") is None


def test_each_failed_try_doubles_the_rest_up_to_its_limit() -> None:
    bench = Bench(failures_to_open=1, open_seconds=10, open_seconds_most=35)
    rests = []
    for _ in range(4):
        bench.call(kind="answered", call="x")
        rests.append(bench.record.open_until - bench.now)
        bench.now = bench.record.open_until
    assert rests == [10, 20, 35, 35]


def test_a_prober_that_was_killed_or_cancelled_does_not_keep_the_breaker_half_open() -> None:
    bench = Bench(failures_to_open=1, open_seconds=10, lease_seconds=5)
    bench.call(kind="unreachable")
    bench.now += 10
    assert bench.ask("killed") is None
    bench.now += 5
    assert bench.ask("cancelled") is None
    bench.end("cancelled", kind="neutral")
    assert bench.ask("next") is None


def test_failures_that_come_late_do_not_lengthen_the_rest_and_a_late_success_ends_it() -> None:
    bench = Bench(failures_to_open=2, open_seconds=10)
    assert [bench.ask() for _ in range(5)] == [None] * 5
    for _ in range(4):
        bench.end(kind="unreachable")
    assert (bench.record.openings, bench.record.open_until) == (1, bench.now + 10)
    bench.end(kind="ok")
    assert bench.state() == "closed"


def test_being_told_to_slow_down_is_no_failure_and_holds_for_all() -> None:
    bench = Bench(failures_to_open=1)
    bench.call("a", kind="limited", retry_after=7)
    assert bench.ask("b") == Wait(7, "asked", "it asked to slow down")
    assert bench.state() == "closed"
    bench.now += 7
    assert bench.ask("b") is None


def test_one_call_that_the_endpoint_cannot_answer_is_told_from_an_endpoint_that_is_down() -> None:
    bench = Bench(failures_to_open=1, open_seconds=1)
    for _ in range(POISON_OPENINGS):
        bench.call(kind="answered", call="poison")
        bench.now = bench.record.open_until
    assert poisoned(bench.record, "poison")
    assert not poisoned(bench.record, "another")
    bench.call(kind="answered", call="another")
    assert not poisoned(bench.record, "poison")
    down = Bench(failures_to_open=1, open_seconds=1)
    for _ in range(2 * POISON_OPENINGS):
        down.call(kind="unreachable", call="poison")
        down.now = down.record.open_until
    assert not poisoned(down.record, "poison")


def test_a_clock_that_is_behind_gives_nothing_away() -> None:
    bench = Bench(requests_per_minute=60, in_flight=100)
    while bench.ask() is None:
        pass
    bench.now -= 3600
    assert bench.ask() is not None
    bench.now += 3602
    assert bench.ask() is None
