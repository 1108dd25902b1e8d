"""Conformance table `policies`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import policies
from shared.job import Policies
from tests.conformance.table import agree, known, rows, rule_of


def parameters(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "parameters")
    return {"policies": msgspec.to_builtins(policies.from_parameters(given["parameters"]))}


def to_callback(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "policies")
    return {"ingestPolicy": policies.ingest_policy(msgspec.convert(given["policies"], Policies))}


def from_callback(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "ingestPolicy")
    return {"policies.ingest": policies.from_ingest_policy(given["ingestPolicy"])}


RULES = {
    "legacy_flags": parameters,
    "policies_object_or_flags": parameters,
    "ingest_policy_name_in_callback": to_callback,
    "ingest_policy_back": from_callback,
}


def check(row: dict[str, Any]) -> None:
    """One row."""
    agree(rule_of(row, RULES)(row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("policies"))
def test_policies(row: dict[str, Any]):
    check(row)
