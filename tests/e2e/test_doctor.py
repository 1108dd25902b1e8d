"""A library in every state of health: diagnosis, plan, repair and diagnosis again, by the commands a person types.

SHADOWTWIN_DOCTOR_EACH documents are put into each of the five states (2 by default; the full show has 40).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import REPO, Stack
from tests.e2e.conftest import QUICK
from tests.support.staging import FINER, STATES, Staging

EACH = int(os.environ.get("SHADOWTWIN_DOCTOR_EACH", "2"))
FINER_EACH = 1
LIBRARY = "ward"
ALL_FLAGS = ("--fix", "--mark-deleted", "--delete-orphans", "--reprocess", "--backfill")


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[httpx.Client]:
    with (
        Stack(data_dir, settings=QUICK) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60) as http,
    ):
        end = time.monotonic() + 90
        while http.get("/ready").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        yield http


def cli(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        cwd=REPO, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def as_json(*arguments: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(cli(*arguments, "--json").stdout)
    return body


def diagnosed(where: tuple[str, ...]) -> tuple[dict[str, str], dict[str, Any]]:
    found = as_json("doctor", "--status", "any", "--library", LIBRARY, *where)
    return {row["documentId"]: row["state"] for row in found["documents"]}, found


@pytest.mark.timeout(400 + 60 * EACH)
def test_a_ward_of_every_state_is_diagnosed_and_repaired(tmp_path: Path) -> None:
    staging = Staging(tmp_path, LIBRARY)
    with running(tmp_path) as http:
        staging.upload(http, EACH, FINER_EACH)
        assert set(diagnosed(("--api-url", str(http.base_url)))[0].values()) == {"healthy"}
    staging.fall_ill()
    where = ("--data-dir", str(tmp_path))
    states, found = diagnosed(where)  # without a stack: the folder is read by the command itself
    assert states == staging.states
    assert found["summary"] == {**dict.fromkeys(STATES, EACH), **dict.fromkeys(FINER, FINER_EACH)}
    with running(tmp_path) as http:
        where = ("--api-url", str(http.base_url))
        assert diagnosed(where)[0] == staging.states
        check_commands(staging, where)
        before = staging.everything()
        selection = ("--status", "any", "--library", LIBRARY, *where)
        plan = as_json("repair", *selection, *ALL_FLAGS, "--dry-run")
        assert plan["planned"] == {
            "mark_deleted": EACH + EACH // 2,
            "delete_chunks": EACH // 2,
            "fix_key": EACH - EACH // 2,
            "backfill_images": EACH,
            "reprocess": EACH + len(FINER) * FINER_EACH,
        }
        assert staging.everything() == before
        told = cli("repair", *selection)
        assert "not asked" in told.stdout
        assert staging.everything() == before
        done = as_json("repair", *selection, *ALL_FLAGS)
        assert "failed" not in done["counts"]
        assert done["jobCounts"] == {"completed": EACH + len(FINER) * FINER_EACH}
        assert [row["status"] for row in done["backfill"]] == ["done"] * EACH
        assert set(done["left"]) == {"healthy", "deleted"}
        after, found = diagnosed(where)
        given_up = {
            patient.document_id
            for state in ("null_pointer", "orphaned_chunks")
            for patient in staging.patients[state]
            if state == "null_pointer" or patient.number % 2
        }
        assert {name for name, state in after.items() if state == "deleted"} == given_up
        assert Counter(after.values()) == Counter(deleted=len(given_up), healthy=len(states) - len(given_up))
        for state in set(staging.patients) - {"healthy"}:
            for patient in staging.patients[state]:
                history = http.get(f"/api/documents/{patient.document_id}").json()["history"]
                assert history, (state, patient.document_id)
        print(f"\nfirst: {dict(Counter(states.values()))}\nplan: {plan['planned']}\nthen: {found['summary']}")


def check_commands(staging: Staging, where: tuple[str, ...]) -> None:
    """`check`, `debug` and the grouped output on one of the patients."""
    patient = staging.patients["not_processed"][0]
    told = cli("check", patient.document_id, *where).stdout
    assert "state: not_processed" in told
    assert "--reprocess" in told
    card = as_json("debug", patient.document_id, "--library", LIBRARY, *where)
    assert (card["state"], card["status"], card["chunksInIndex"]) == ("not_processed", "processed", 0)
    assert card["job"]["steps"]["ingest_rag"] == "completed"
    grouped = cli("doctor", "--status", "any", "--library", LIBRARY, *where).stdout
    assert f"null_pointer: {EACH}" in grouped
    assert "Files not found: " in grouped
    dry = as_json("images", "backfill", "--library", LIBRARY, "--dry-run", *where)
    assert Counter(row["status"] for row in dry["documents"]) == Counter(planned=EACH, skipped=EACH)
    (one,) = as_json("images", "backfill", "--library", LIBRARY, "--limit", "1", "--dry-run", *where)["documents"]
    assert one["status"] in ("planned", "skipped")
