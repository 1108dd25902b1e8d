"""`repair --generate-reupload-urls` as an operator runs it: what it prints brings the file back."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx

from infra.stack import REPO
from tests.e2e.conftest import Running


def test_a_lost_file_is_sent_to_the_printed_address_and_all_is_well(running: Running, sample: Path) -> None:
    job = running.process(sample, "lost")
    document = job["documentId"]
    running.twin_file(document, "source").unlink()
    where = ["--library", "lost", "--status", "any", "--data-dir", str(running.stack.data_dir)]
    command = [sys.executable, "-m", "infra.cli", "repair", "--generate-reupload-urls", *where]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"curl -T FILE '(\S+)'", done.stdout)
    assert found, done.stdout
    assert httpx.put(found[1], content=sample.read_bytes(), trust_env=False).status_code == 200
    upload = found[1].split("/")[-2]
    completed = running.http.post(f"/api/uploads/{upload}/complete").json()
    assert (completed["documentId"], running.ended(completed["jobId"])["status"]) == (document, "completed")
    left = running.http.get("/api/diagnosis", params={"status": "any", "library": "lost"}).json()
    assert left["summary"] == {"healthy": 1}
