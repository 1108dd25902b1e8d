"""The scale bench: the simulation agrees with what was measured, and with what can be known without it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bench.scale import check, plans, plot, usage
from infra.bench.scale.demand import Cost, Demand, demand, measured
from infra.bench.scale.simulation import PHASES, Plant, Simulation
from infra.cli.parser import main

TOLERANCE = 0.3
"""Of the measured rate; see docs/scale.md."""
EVEN = Demand(Cost(0.01, 0), Cost(1.0, 0), Cost(0.2, 0), Cost(0.2, 0), 0.0, 0.0, 10, 0.0001, 0.0001)
"""A document costs a worker 1 s, 0.2 s and 0.2 s, and a gateway 10 ms, whatever its pages."""


def plant(**changes: object) -> Plant:
    roomy = {"workers": {"extractor": 10, "transformer": 10, "ingestor": 10}, "swap_seconds": 0.00001}
    return Plant(**{**roomy, **changes})  # type: ignore[arg-type]


def test_every_measured_configuration_is_predicted_within_the_tolerance():
    points = check.points(measured())
    assert len(points) == 8
    for point in points:
        assert abs(point.error) <= TOLERANCE, point


def test_the_committed_figures_show_what_two_workers_must_bring():
    figures = measured()
    assert len(figures["extract"]["pairs"]) == 5
    assert figures["machine"]["cores"] == 2
    ratios = [pair["ratio"] for pair in figures["extract"]["pairs"]]
    assert figures["extract"]["medianRatio"] == pytest.approx(statistics.median(ratios), abs=0.002)
    assert figures["disturbed"] == 0
    assert figures["extract"]["medianRatio"] >= 1.6


def test_ten_extractors_of_a_second_each_give_ten_documents_a_second():
    outcome = Simulation(plant(), EVEN, 600).run()
    assert outcome.per_second == pytest.approx(10 / 1.02, rel=0.05)
    assert outcome.bottleneck.name == "extractor"


@pytest.mark.parametrize(
    ("changes", "limit", "rate"),
    [
        ({"workers": dict.fromkeys(PHASES, 150), "admitted": 400}, "gateway", 100),
        ({"workers": dict.fromkeys(PHASES, 500), "admitted": 8}, "admission", 5.6),
        ({"swap_seconds": 0.05, "heartbeat": 1e9}, "store", 2),
        ({"model_calls": 1, "model_in_flight": 6, "model_seconds": 2.0, "admitted": 200}, "model in flight", 3),
        ({"model_calls": 2, "tokens_per_minute": 360_000.0, "model_seconds": 0.1}, "model tokens", 1),
        ({"rows_per_second": 240.0, "spread": 0.0}, "vector store", 2),
    ],
    ids=["gateway", "admission", "store", "model in flight", "model tokens", "vectors"],
)
def test_what_is_scarce_is_named_and_sets_the_rate(changes: dict[str, object], limit: str, rate: float):
    outcome = Simulation(plant(**changes), EVEN, 1_600).run()
    assert outcome.bottleneck.name == limit
    assert outcome.per_second == pytest.approx(rate, rel=0.12)


def test_shared_cores_are_shared():
    outcome = Simulation(plant(cores=2, admitted=8), EVEN, 100).run()
    assert outcome.per_second == pytest.approx(2 / 1.41, rel=0.05)


def test_the_same_seed_gives_the_same_walk():
    assert Simulation(plant(), EVEN, 200).run() == Simulation(plant(), EVEN, 200).run()


def test_a_ladder_lifts_what_limits_until_it_is_the_work_itself():
    steps = plans.ladder(40, EVEN, 100_000, plans.Prices(cpu_hour=0.1, model_document=0.01))
    assert [step.outcome.bottleneck.name for step in steps][-1] in PHASES
    rates = [step.outcome.per_second for step in steps]
    assert rates == sorted(rates)
    last = steps[-1]
    assert last.price == pytest.approx(last.cpu_hours * 0.1 + 1_000)
    assert last.cpu_hours == pytest.approx(last.hours * (40 + last.plant.gateways + plans.COMMON_CPUS))


def test_the_pictures_say_what_was_measured_and_simulated(tmp_path: Path):
    steps = plans.ladder(10, EVEN, 10_000, plans.Prices())
    paths = plot.write(tmp_path, [check.Point("two <workers>", 10.0, 9.0)], steps)
    drawn = [path.read_text() for path in paths]
    assert "two &lt;workers&gt;" in drawn[0]
    assert "9.00 simulated (-10%)" in drawn[0]
    assert f"limited by {steps[-1].outcome.bottleneck.name}" in drawn[1]


def test_costs_are_a_line_through_two_lengths():
    costs = demand(measured())
    assert costs.extractor.page > 0
    assert costs.gateway.job > 0
    assert costs.swaps > 6


def test_processor_time_counts_the_children_that_have_ended():
    before = usage._tree(usage._table(), os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(6_000_000))"], check=True)
    assert usage._tree(usage._table(), os.getpid()) - before >= 0.05


def test_too_few_documents_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "scale", "--simulate", "--documents", "5", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bad_request"


def test_several_gateways_are_several_or_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["faults", "--gateways", "0", "--json"]) == 2
    assert "1 to 8" in json.loads(capsys.readouterr().out)["error"]["message"]
