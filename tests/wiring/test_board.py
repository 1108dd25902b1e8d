"""Board, alert rules and their documentation name what the services really expose; rules fire on staged failures."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from services.gateway.telemetry import counters, gauges, requests
from services.gateway.webhooks.endpoints import Standing
from shared import metrics
from shared.adapters.nats_roll_call import Present
from shared.alert import AlertKind
from shared.models import LaneState
from shared.ports import OpenJobs
from tests.support.records import seconds

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "telemetry"
PAGE = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((FOLDER / "grafana" / "shadowtwin.json").read_text())
BOARD_EXPRESSIONS = [
    target["expr"].replace("$__rate_interval", "5m") for p in BOARD["panels"] for target in p["targets"]
]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *BOARD_EXPRESSIONS]
STANDARD = {"process_resident_memory_bytes": {"instance", "job"}, "up": {"instance", "job"}}
"""Those of prometheus_client and of Prometheus."""
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
PROMTOOL = shutil.which("promtool")


class Known(NamedTuple):
    """A metric of ours."""

    kind: str
    labels: tuple[str, ...]
    meaning: str


def _ours() -> dict[str, Known]:
    """By name: what the modules declare, and what a look at a store, a broker and a model with everything gives."""
    declared = [value for module in (metrics, counters, requests) for value in vars(module).values()]
    known = {
        each._name: Known(each._type, tuple(each._labelnames), each._documentation)
        for each in declared
        if hasattr(each, "_labelnames")
    }
    seen = gauges._Seen(
        now=seconds(9),
        jobs=[OpenJobs(library_id="a", status="queued", count=1, waiting=1, stillest=seconds(1))],
        alerts=Counter({AlertKind.LIBRARY_FAILS: 1}),
        present=[Present("extractor", "host:1", "1")],
        lanes=[LaneState(endpoint="https://models.test", model="m", breaker="closed")],
        webhooks=Standing(pending=1, oldest_seconds=1.0, enabled=1, disabled=0),
    )
    families: list[Metric] = [*gauges._queue(seen), *gauges._fleet(seen), *gauges._webhooks(seen)]
    looked = {each.name: Known("gauge", tuple(each.samples[0].labels), each.documentation) for each in families}
    return known | looked


OURS = _ours()
SAMPLES = STANDARD | {
    name + suffix: {*known.labels, "instance", "job", *(["le"] if suffix == "_bucket" else [])}
    for name, known in OURS.items()
    for suffix in SUFFIXES[known.kind]
}


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Names that an expression selects, with the labels it matches by."""
    found: list[tuple[str, set[str]]] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((str(node.name), {matcher.name for matcher in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return iter(found)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_parses_and_names_metrics_and_labels_that_there_are(expression: str):
    selected = list(selectors(expression))
    assert selected
    for name, labels in selected:
        assert name in SAMPLES, name
        assert labels <= SAMPLES[name], (name, labels)
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert grouped <= set().union(*(SAMPLES[name] for name, _ in selected))


def test_every_metric_has_a_row_in_the_page_and_most_are_on_the_board():
    rows = []
    for name, known in sorted(OURS.items()):
        shown_as = f"{name}_total" if known.kind == "counter" else name
        rows.append(f"| `{shown_as}` | {known.kind} | {', '.join(known.labels)} | {known.meaning} |")
    rows.sort()
    shown = PAGE.split("|---|---|---|---|\n", 1)[1].split("<!-- end of metrics -->")[0].strip().splitlines()
    assert shown == rows, "\n".join(rows)
    on_board = {name for expression in EXPRESSIONS for name, _ in selectors(expression)}
    missing = [name for name, known in OURS.items() if not any(name + end in on_board for end in SUFFIXES[known.kind])]
    assert missing == ["shadowtwin_attempt_seconds", "shadowtwin_jobs_waiting"]


def test_every_alert_says_what_it_is_and_the_page_says_what_to_do():
    told = re.findall(r"^- \*\*(\w+)\*\*: (.+)$", PAGE, re.MULTILINE)
    assert [name for name, _ in told] == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")


def test_panels_of_the_board_do_not_overlap_and_have_units():
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on the PATH (it comes with Prometheus)")
def test_the_rules_fire_on_staged_failures_and_only_then():
    assert PROMTOOL is not None
    for arguments in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        said = subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, said.stdout + said.stderr


def test_every_alert_is_staged_with_series_that_exist_and_is_seen_to_stay_quiet():
    staged = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    fired = {check["alertname"] for test in staged for check in test["alert_rule_test"] if check["exp_alerts"]}
    quiet = {check["alertname"] for test in staged for check in test["alert_rule_test"] if not check["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}
    assert quiet == fired
    for series in (series["series"] for test in staged for series in test["input_series"]):
        ((name, labels),) = selectors(series)
        assert labels <= SAMPLES[name], series


def test_the_registry_of_a_process_has_nothing_of_ours_that_is_not_in_the_list():
    ours = {family.name for family in REGISTRY.collect() if family.name.startswith("shadowtwin_")}
    assert ours <= set(OURS)
