"""When a delivery is tried again, and how long things may take. Constants, not settings: receivers rely on them."""

from __future__ import annotations

import random
from typing import NamedTuple

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Schedule(NamedTuple):
    """All in seconds. `waits` lie between the attempts: twelve attempts within about five days. A receiver has
    `attempt` for its answer. `lease` is how long a gateway that died keeps others from its endpoints; it is prolonged
    whenever a sixth of it has passed, so that it outlasts the attempt that begins then."""

    waits: tuple[float, ...] = (
        5.0, 30.0, 2 * MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, DAY, DAY,
    )  # fmt: skip
    jitter: float = 0.2
    attempt: float = 15.0
    lease: float = 30.0
    failing: float = 5 * DAY
    """An endpoint without a success for so long is disabled."""
    outage: float = 5 * MINUTE
    """After so long without a success, the next one brings forward what waits; a single delivery that the receiver
    cannot take is not hurried by others that it takes."""
    poll: float = 1.0
    proof: float = 30.0
    """How long the writer of what an event tells has, before others look whether it was written."""
    most_quiet: float = DAY
    """How long a Retry-After is honoured at most."""

    def wait(self, tries: int) -> float | None:
        """Seconds until the next attempt after so many; None when there is none."""
        if tries > len(self.waits):
            return None
        return self.waits[tries - 1] * random.uniform(1 - self.jitter, 1 + self.jitter)
