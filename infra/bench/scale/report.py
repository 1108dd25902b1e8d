"""What `bench scale` prints: the measured table, the simulation's check, and the plans for more machines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from infra.bench.scale import check, plans
from infra.bench.scale.check import Point
from infra.bench.scale.demand import demand
from infra.bench.scale.plans import Prices, Step
from infra.faults.snapshot import Json


def simulated(found: Json, arguments: argparse.Namespace) -> tuple[list[Point], list[Step]]:
    """The check against the figures, and the steps of every size."""
    prices = Prices(arguments.cpu_price, arguments.model_price)
    costs = demand(found)
    steps = [
        step
        for size in plans.SIZES
        for step in plans.ladder(size, costs, arguments.documents, prices, model_calls=arguments.model_calls)
    ]
    return check.points(found), steps


def lines(found: Json, points: Sequence[Point], steps: Sequence[Step], documents: int) -> list[str]:
    """All of it."""
    checked = [
        f"{point.name:<34}{point.measured:>10.2f} measured {point.simulated:>10.2f} simulated {point.error:>+7.0%}"
        for point in points
    ]
    return [*table(found), "", *checked, "", *plans.lines(list(steps), documents)]


def table(found: Json) -> list[str]:
    """The measured figures."""
    extract = found["extract"]
    told = [
        f"{found['machine']['cores']} cores, load {found['load'][0]} before and {found['loadAfter'][0]} after, "
        f"{found['disturbed']} rounds disturbed by others",
        f"extract-only jobs ({extract['documents']} documents of {extract['pages']} pages), 2 workers against 1: "
        f"{extract['medianRatio']:.2f} (pairs: {', '.join(format(pair['ratio'], '.2f') for pair in extract['pairs'])})",
        "",
        f"{'':<28}{'jobs/s':>8}{'speed-up':>10}{'efficiency':>12}  CPU ms a job",
    ]
    for what, series in (
        ("whole jobs, copies", found["whole"]["copies"]),
        ("no-op jobs, gateways", found["noop"]["gateways"]),
    ):
        for copies, one in series.items():
            used = ", ".join(f"{name} {value * 1000:.1f}" for name, value in one["cpuPerJob"].items())
            speed = f"{one['jobsPerSecond']:>8.2f}{one['speedUp']:>10.2f}{one['efficiency']:>12.2f}"
            told.append(f"{what + ' ' + copies:<28}{speed}  {used}")
    return told
