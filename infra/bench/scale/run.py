"""`bench scale`: runs the series, gathers them as one JSON object, and prints it as a table."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.bench.scale import measure
from infra.bench.scale.measure import Sizes
from infra.faults.snapshot import Json

Say = Callable[[str], None]
UNDISTURBED = 0.1
"""Of the machine's CPU time, others may take so much during a round before it counts as disturbed."""


def run(sizes: Sizes, say: Say) -> Json:
    """All series; figures are medians over the rounds."""
    found: Json = {"date": datetime.now(UTC).date().isoformat(), "machine": _machine(), "load": _load()}
    found["extract"] = _in_a_folder(lambda folder: measure.extraction(folder, sizes))
    say(f"extract-only, 2 workers against 1: {found['extract']['medianRatio']:.2f}")
    wholes: dict[int, list[Json]] = {}
    noops: dict[int, list[Json]] = {}
    for number in range(sizes.rounds):
        for copies in _turning(sizes.copies, number):
            one = _in_a_folder(lambda folder, n=copies: measure.whole(folder, sizes.whole, n))  # type: ignore[misc]
            wholes.setdefault(copies, []).append(one)
            say(f"whole jobs, {copies} of each worker: {one['jobsPerSecond']:.2f} jobs/s")
        for gateways in _turning(sizes.gateways, number):
            one = _in_a_folder(lambda folder, n=gateways: measure.nothing(folder, sizes, n))  # type: ignore[misc]
            noops.setdefault(gateways, []).append(one)
            say(f"no-op jobs, {gateways} gateways: {one['jobsPerSecond']:.1f} jobs/s")
    found["whole"] = {"documents": sizes.whole[0], "pages": sizes.whole[1], "copies": _series(wholes)}
    found["long"] = _in_a_folder(lambda folder: measure.whole(folder, sizes.long, 1)) | {"pages": sizes.long[1]}
    found["noop"] = {"documents": sizes.noop, "gateways": _series(noops)}
    found["limits"] = _in_a_folder(_limits)
    found["loadAfter"] = _load()
    found["disturbed"] = _disturbed(found)
    return found


def _turning(most: int, number: int) -> list[int]:
    """1 to `most`, backwards in every second round, so that no size is always the last."""
    return list(range(1, most + 1))[:: 1 if number % 2 == 0 else -1]


def _in_a_folder(series: Callable[[Path], Awaitable[Any]]) -> Any:
    with tempfile.TemporaryDirectory(prefix="shadowtwin-scale-") as name:

        async def measured() -> Any:
            return await series(Path(name))

        return asyncio.run(measured())


async def _limits(folder: Path) -> Json:
    from infra.bench.orchestration import publishes, swaps
    from infra.stack import Stack

    with Stack(folder / "data") as stack:
        publish = await publishes(f"nats://127.0.0.1:{stack.nats_port}")
    return {"publishAckPerSecond": publish, "swapPerSecond": await swaps(folder / "raw.db")}


def _series(rounds: dict[int, list[Json]]) -> dict[str, Json]:
    """By number of copies: the median round, and its speed-up over one copy for each copy."""
    middle = {copies: _median(found) for copies, found in sorted(rounds.items())}
    for copies, one in middle.items():
        one["speedUp"] = round(one["jobsPerSecond"] / middle[1]["jobsPerSecond"], 3)
        one["efficiency"] = round(one["speedUp"] / copies, 3)
    return {str(copies): one for copies, one in middle.items()}


def _median(rounds: list[Json]) -> Json:
    middle = statistics.median_low([one["jobsPerSecond"] for one in rounds])
    chosen = next(one for one in rounds if one["jobsPerSecond"] == middle)
    return {**chosen, "rounds": [one["jobsPerSecond"] for one in rounds]}


def _disturbed(found: Json) -> int:
    """Rounds during which others took more than a tenth of the machine."""
    rounds = [pair[which] for pair in found["extract"]["pairs"] for which in ("one", "two")]
    rounds += [found["long"], *found["whole"]["copies"].values(), *found["noop"]["gateways"].values()]
    return sum(one["foreignShare"] > UNDISTURBED for one in rounds)


def _machine() -> Json:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = model[0].split(":", 1)[1].strip() if model else platform.machine()
    return {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def _load() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]
