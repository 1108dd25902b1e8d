"""Deletion in a running system: during a run, and with the gateway killed in the middle of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import lancedb
import pytest

from tests.e2e.conftest import Running
from tests.support.pdfs import long_pdf


def left_of(running: Running, library: str, document_id: str) -> list[str]:
    """Every object, row and vector that names the document, read past the gateway."""
    folder = running.stack.data_dir
    files = [str(path) for path in (folder / "twins" / library / document_id).rglob("*") if path.is_file()]
    with contextlib.closing(sqlite3.connect(folder / "shadowtwin.db")) as store:
        for rows in ("jobs", "documents"):
            files += [row[0] for row in store.execute(f"SELECT documentId FROM {rows}") if row[0] == document_id]
    for table in (folder / "vectors").glob("*.lance"):
        opened = lancedb.connect(table.parent).open_table(table.stem)
        if "document_id" in opened.schema.names:
            files += [table.stem] * opened.count_rows(f"document_id = '{document_id}'")
    return files


def gone(running: Running, library: str, document_id: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while left := left_of(running, library, document_id):
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_a_document_deleted_during_a_run_leaves_no_vector_object_or_row(running: Running, tmp_path: Path) -> None:
    pdf = long_pdf(tmp_path / "long.pdf", 400)
    accepted = running.submit(pdf, libraryId="deleted")
    path = f"/api/documents/{accepted['documentId']}"
    running.wait_until(accepted["jobId"], lambda job: job["progress"] and job["progress"]["pagesDone"] > 0)
    assert running.http.get(path).json()["status"] == "processing"
    answer = running.http.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_open")
    running.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    assert running.http.delete(path).status_code == 200
    time.sleep(1.5)  # longer than the worker needs to hear that its attempt is over: it may write until then
    gone(running, "deleted", accepted["documentId"])
    assert running.http.get(path).status_code == 404


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.012, 0.03])
def test_a_deletion_in_which_the_gateway_is_killed_is_finished_by_the_next(
    running: Running, tmp_path: Path, delay: float
) -> None:
    pdf = long_pdf(tmp_path / "paper.pdf", 3)
    job = running.process(pdf, "killed")
    assert job["status"] == "completed", job["error"]
    document_id = job["documentId"]

    def delete() -> None:
        with contextlib.suppress(httpx.HTTPError):
            running.http.delete(f"/api/documents/{document_id}")

    asked = threading.Thread(target=delete)
    asked.start()
    time.sleep(delay)
    killed = running.stack.processes["gateway"].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    asked.join()
    while running.stack.processes["gateway"].pid == killed:  # a connection to it may still look alive
        time.sleep(0.01)
    running.until_ready()
    document = running.http.get(f"/api/documents/{document_id}")
    if document.status_code == 200 and document.json()["status"] == "processed":
        again = running.http.delete(f"/api/documents/{document_id}")  # it was killed before it began
        assert again.status_code in (200, 202), again.text  # 202: the new gateway's index is still starting
    gone(running, "killed", document_id)
    assert running.process(pdf, "killed")["status"] == "completed"
    running.http.delete(f"/api/documents/{document_id}")
