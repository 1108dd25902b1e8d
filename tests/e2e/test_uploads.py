"""Uploads over the wire: memory stays where it is whatever the size, and a killed gateway leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Running

MEGABYTES = int(os.environ.get("SHADOWTWIN_TEST_UPLOAD_MB", "200"))
"""Size of the large upload; 1024 shows what the project promises."""

IGNORED = json.dumps({"policies": {"extract": "ignore", "metadata": "ignore", "ingest": "ignore"}})
BOUNDARY = uuid.uuid4().hex


def body(library: str, megabytes: int, after: Callable[[int], None] = lambda sent: None) -> Iterator[bytes]:
    """A multipart form with a generated PDF, piece by piece."""
    for name, value in (("libraryId", library), ("parameters", IGNORED)):
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.pdf"\r\n\r\n'.encode()
    yield b"%PDF-1.7\n"
    for number in range(megabytes):
        yield b"%" + os.urandom((1 << 19) - 1).hex().encode() + b"\n"
        after(number + 1)
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def post(running: Running, content: Iterator[bytes]) -> httpx.Response:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return running.http.post("/api/jobs", content=content, headers=headers, timeout=600)


def memory(pid: int, what: str) -> float:
    """Megabytes of a process: VmRSS now, VmHWM at most so far, RssAnon without what is mapped from files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def pid_of(running: Running) -> int:
    pid = running.stack.processes["gateway"].pid
    assert pid is not None
    return pid


def files_below(running: Running, folder: str) -> list[str]:
    return [str(path) for path in (running.stack.data_dir / "twins" / folder).rglob("*") if path.is_file()]


@pytest.mark.timeout(600)
def test_a_large_upload_needs_no_memory(running: Running) -> None:
    pid = pid_of(running)
    small = post(running, body("large", 3)).json()  # what is loaded at first use is loaded now
    running.ended(small["jobId"])
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak so far
    before = memory(pid, "VmRSS")
    own: list[float] = []
    started = time.monotonic()
    answer = post(running, body("large", MEGABYTES, lambda sent: own.append(memory(pid, "RssAnon"))))
    seconds = time.monotonic() - started
    assert answer.status_code == 202, answer.text
    peak = memory(pid, "VmHWM")
    print(
        f"{MEGABYTES} MB in {seconds:.1f} s: gateway {before:.0f} MB before, {peak:.0f} MB at most, "
        f"{max(own):.0f} MB of it its own (the rest are libraries)"
    )
    assert peak - before < 60
    assert peak < 150, "the gateway has loaded what belongs into another process"
    document = running.http.get(f"/api/documents/{answer.json()['documentId']}").json()
    assert document["size"] > MEGABYTES << 20
    running.ended(answer.json()["jobId"])
    assert running.http.delete(f"/api/documents/{document['documentId']}").status_code == 200


def test_a_gateway_killed_during_an_upload_leaves_no_document_and_no_object(running: Running) -> None:
    killed = pid_of(running)
    # workers that other tests have killed may have left unfinished files, which go after a day
    before = set(files_below(running, ".incoming"))

    def kill(sent: int) -> None:
        if sent == 20:
            assert not files_below(running, "half"), "it would be there before it is whole"
            os.kill(killed, signal.SIGKILL)

    with contextlib.suppress(httpx.HTTPError):
        post(running, body("half", 60, kill))
    assert files_below(running, "half") == []
    running.until_ready()
    end = time.monotonic() + 30
    assert running.http.get("/api/documents", params={"library": "half"}).json()["documents"] == []
    # others of the stack store things meanwhile, which are unfinished for a moment
    while left := {*files_below(running, "uploads"), *files_below(running, ".incoming")} - before:
        assert time.monotonic() < end, f"what the killed gateway had received is still there: {left}"
        time.sleep(0.1)


def test_a_client_that_is_still_sending_what_is_refused_hears_why(running: Running) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'.encode()

    def page() -> Iterator[bytes]:
        yield head
        yield b"<!DOCTYPE html>" + b" " * 2000
        for _ in range(50):
            yield b" " * (1 << 20)
            assert not files_below(running, "uploads")
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    answer = post(running, page())
    assert (answer.status_code, answer.json()["code"]) == (415, "pdf_not_a_pdf")


@pytest.mark.timeout(600)
def test_a_large_direct_upload_needs_no_memory_and_outlives_a_killed_gateway(running: Running) -> None:
    megabytes = min(MEGABYTES, 200)
    head = b"%PDF-1.7\n"
    size = len(head) + (megabytes << 20)
    form = {"parameters": json.loads(IGNORED), "libraryId": "direct", "filename": "large.pdf", "size": size}
    upload = running.http.post("/api/uploads", json={**form, "multipart": True}).json()

    def piece(number: int) -> Iterator[bytes]:
        left = upload["parts"][number - 1]["size"]
        if number == 1:
            yield head
            left -= len(head)
        for _ in range(left >> 20):
            yield b"%" * (1 << 20)
        yield b"%" * (left & ((1 << 20) - 1))

    # The gateway may have begun a moment ago: what it loads by itself, and at first use, is loaded now.
    assert running.http.post("/warmup", timeout=120).status_code == 200
    running.ended(post(running, body("direct-before", 3)).json()["jobId"])
    before = 0.0
    for part in upload["parts"]:
        if part["number"] == 3:
            before = memory(pid_of(running), "VmRSS")
            Path(f"/proc/{pid_of(running)}/clear_refs").write_text("5")
        length = {"Content-Length": str(part["size"])}
        answer = httpx.put(part["url"], content=piece(part["number"]), headers=length, timeout=120, trust_env=False)
        assert answer.status_code == 200, answer.text
    place = f"/api/uploads/{upload['uploadId']}"
    threading.Timer(0.3, os.kill, (pid_of(running), signal.SIGKILL)).start()
    peak = memory(pid_of(running), "VmHWM")
    with contextlib.suppress(httpx.HTTPError):
        running.http.post(f"{place}/complete", timeout=120)
    running.until_ready()
    answer = running.http.post(f"{place}/complete", timeout=300)
    assert answer.status_code == 202, answer.text
    print(f"{megabytes} MB in parts: gateway {before:.0f} MB before, {peak:.0f} MB at most")
    assert peak - before < 60
    accepted = answer.json()
    assert len(running.http.get("/api/jobs", params={"library": "direct"}).json()["jobs"]) == 1
    assert running.http.get(f"/api/documents/{accepted['documentId']}").json()["size"] == size
    running.ended(accepted["jobId"])
    assert files_below(running, "_direct") == []
    assert running.http.delete(f"/api/documents/{accepted['documentId']}").status_code == 200
