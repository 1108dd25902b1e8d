"""Plans: what they say is what the run does, and they change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Running

STEPS = {"extract": "extract_pdf", "template": "transform_template", "ingest": "ingest_rag"}


def ask(running: Running, pdf: Path, library: str, policies: dict[str, str]) -> dict[str, Any]:
    form = {"libraryId": library, "parameters": json.dumps({"policies": policies})}
    with pdf.open("rb") as file:
        answer = running.http.post("/api/jobs", params={"plan": "true"}, files={"file": (pdf.name, file)}, data=form)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_plan_of_a_new_file_runs_everything_and_leaves_nothing_behind(running: Running, sample: Path):
    plan = ask(running, sample, "plan-new", {})
    assert [(phase["phase"], phase["run"], phase["known"]) for phase in plan["phases"]] == [
        ("extract", True, True), ("template", True, True), ("ingest", True, True),
    ]  # fmt: skip
    assert plan["cost"] == {"usd": 0.0, "modelCalls": 0}
    assert running.http.get("/api/documents", params={"library": "plan-new"}).json()["documents"] == []
    assert running.http.get("/api/jobs", params={"library": "plan-new"}).json()["jobs"] == []


@pytest.mark.parametrize(
    ("policies", "run"),
    [
        ({"extract": "force"}, [True, True, True]),
        ({"metadata": "force"}, [False, True, True]),
        ({"ingest": "force"}, [False, False, True]),
        ({"extract": "ignore", "metadata": "ignore", "ingest": "force"}, [False, False, True]),
        ({"extract": "force", "ingest": "ignore"}, [True, True, False]),
    ],
)
def test_the_run_that_follows_does_exactly_what_the_plan_says(
    running: Running, sample: Path, policies: dict[str, str], run: list[bool]
):
    library = "plan-run"
    first = running.submit(sample, libraryId=library)
    if first["jobId"]:
        running.ended(first["jobId"])
    plan = ask(running, sample, library, policies)
    assert [phase["run"] for phase in plan["phases"]] == run
    form = {"libraryId": library, "parameters": json.dumps({"policies": policies})}
    with sample.open("rb") as file:
        accepted = running.http.post("/api/jobs", files={"file": (sample.name, file)}, data=form).json()
    job = running.ended(accepted["jobId"])
    steps = {step["name"]: step for step in job["steps"]}
    assert [not steps[STEPS[phase["phase"]]]["skipped"] for phase in plan["phases"]] == run
    for phase in plan["phases"]:
        if not phase["run"]:
            assert steps[STEPS[phase["phase"]]]["reason"] == phase["reason"]


def test_a_plan_without_any_force_on_a_processed_file_skips_all_and_so_does_the_upload(running: Running, sample: Path):
    job = running.process(sample, library="plan-skip")
    assert job["status"] == "completed"
    plan = ask(running, sample, "plan-skip", {})
    assert [phase["reason"] for phase in plan["phases"]] == [
        "shadow_twin_exists", "frontmatter_complete", "ingest_exists",
    ]  # fmt: skip
    assert running.submit(sample, libraryId="plan-skip")["status"] == "skipped"


def test_a_twin_that_is_gone_is_made_again_and_the_log_says_why(running: Running, sample: Path):
    first = running.submit(sample, libraryId="desync")
    running.ended(first["jobId"])
    running.twin_file(first["documentId"], "transcript").unlink()
    again = running.submit(sample, libraryId="desync")
    assert again["status"] == "queued"
    job = running.ended(again["jobId"])
    assert (job["status"], job["steps"][0]["skipped"]) == ("completed", False)
    said = [entry["message"] for entry in job["logs"] if entry["phase"] == "extract_gate_plan"]
    assert any("Status was completed but no data found in DB" in message for message in said)
    assert running.twin_file(first["documentId"], "transcript").exists()
