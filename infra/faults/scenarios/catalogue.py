"""All faults, numbered."""

from __future__ import annotations

from infra.faults.runner import Scenario
from infra.faults.scenarios import kills

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(1, "kill -9 of each worker at five points", kills.workers),
    Scenario(2, "gateway killed before a publish and in an upload", kills.gateway),
)
