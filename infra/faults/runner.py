"""Runs the faults one after the other and gathers what they found."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from infra.faults.bench import Bench, Reference
from infra.faults.world import Violated


class Scenario(NamedTuple):
    """One fault; `run` says what it saw and raises when an invariant was broken."""

    n: int
    name: str
    run: Callable[[Bench], Awaitable[None]]
    seconds: float = 240.0


class Result(NamedTuple):
    """How it went."""

    n: int
    name: str
    ok: bool
    seconds: float
    note: str


async def run_all(
    scenarios: Iterable[Scenario], seed: int, tell: Callable[[Result], Any], gateways: int = 1
) -> list[Result]:
    """All of them, each in a folder of its own, on stacks with so many gateways; the folders of failed ones are kept
    and named."""
    folder = Path(tempfile.mkdtemp(prefix="shadowtwin-faults-"))
    reference = Reference(folder / "reference")
    results = []
    try:
        for scenario in scenarios:
            results.append(await run_one(scenario, folder, seed, reference, gateways))
            tell(results[-1])
    finally:
        try:
            await reference.close()
        except Violated as error:
            results.append(Result(0, "the stack that nobody disturbs", False, 0.0, str(error)))
            tell(results[-1])
        if all(result.ok for result in results):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            for name in ("reference", "pdfs"):
                shutil.rmtree(folder / name, ignore_errors=True)
    return results


async def run_one(scenario: Scenario, folder: Path, seed: int, reference: Reference, gateways: int = 1) -> Result:
    """One fault, within its time; whatever it raises makes it fail."""
    started = time.monotonic()
    home = folder / str(scenario.n)
    bench = Bench(home, seed, reference, scenario.n, gateways)
    fault = ""
    try:
        async with asyncio.timeout(scenario.seconds * gateways) as limit:
            await scenario.run(bench)
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        if limit.expired():
            fault = f"not done within {scenario.seconds * gateways:.0f} s"
    said = "; ".join(bench.said)
    note = f"{fault[:1500]} [{said}] [kept: {home}]" if fault else said
    return Result(scenario.n, scenario.name, not fault, round(time.monotonic() - started, 1), note)
