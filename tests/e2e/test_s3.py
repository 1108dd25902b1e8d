"""The whole stack on an S3 server: the same twin, and nothing of it in the data folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running
from tests.e2e.test_uploads import body, memory, pid_of, post
from tests.support.s3_bucket import bucket, served_s3, settings
from tests.support.s3_server import S3Server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    yield from served_s3()


@pytest.fixture(scope="module")
def on_s3(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("s3-stack")

    async def make() -> str:
        async with bucket(s3_server, folder) as storage:
            return storage.client.place.bucket

    named = settings(s3_server, folder, asyncio.run(make()))
    chosen = {
        "SHADOWTWIN_STORAGE": named.storage,
        "SHADOWTWIN_S3_ENDPOINT": named.s3_endpoint,
        "SHADOWTWIN_S3_ACCESS_KEY_ID": named.s3_access_key_id,
        "SHADOWTWIN_S3_SECRET_KEY_FILE": str(named.s3_secret_key_file),
        "SHADOWTWIN_UPLOAD_SWEEP_SECONDS": "0.5",
    }
    with (
        Stack(folder / "data", settings={**QUICK, **chosen}) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        running = Running(stack, http)
        running.until_ready()
        yield running


def test_a_pdf_becomes_a_searchable_twin_in_the_bucket(on_s3: Running, sample: Path) -> None:
    job = on_s3.process(sample, "lib")
    assert job["status"] == "completed", job["error"]
    document = on_s3.http.get(f"/api/documents/{job['documentId']}").json()
    assert (document["status"], document["size"]) == ("processed", sample.stat().st_size)
    twin = on_s3.http.get(f"/api/documents/{job['documentId']}/twin", params={"library": "lib"})
    assert twin.text.startswith("---")
    source = on_s3.http.get(f"/api/documents/{job['documentId']}/source", params={"library": "lib"})
    assert source.content == sample.read_bytes()
    assert on_s3.search("twin", "lib")
    diagnosis = on_s3.http.get("/api/diagnosis", params={"status": "any", "library": "lib"}).json()
    assert diagnosis["summary"]["healthy"] == 1
    assert [path for path in (on_s3.stack.data_dir / "twins").rglob("*") if path.is_file()] == []
    assert on_s3.http.delete(f"/api/documents/{job['documentId']}", params={"library": "lib"}).status_code == 200
    assert on_s3.http.get("/api/documents", params={"library": "lib"}).json()["documents"] == []


def test_a_file_sent_to_the_bucket_itself_is_found_without_any_event(on_s3: Running, sample: Path) -> None:
    content = sample.read_bytes()
    announced = {"filename": "direct.pdf", "size": len(content), "libraryId": "direct"}
    upload = on_s3.http.post("/api/uploads", json=announced).json()
    assert upload["url"].startswith("http://127.0.0.1:")
    assert not upload["url"].startswith(on_s3.stack.api_url)
    with httpx.Client(trust_env=False) as http:
        assert http.put(upload["url"], content=content).status_code == 200
    shown = until(lambda: on_s3.http.get(f"/api/uploads/{upload['uploadId']}").json(), "completed")
    assert on_s3.ended(shown["jobId"])["status"] == "completed"
    again = on_s3.http.post(f"/api/uploads/{upload['uploadId']}/complete")
    assert again.json()["jobId"] == shown["jobId"]


@pytest.mark.timeout(400)
def test_a_large_upload_into_the_bucket_needs_no_memory(on_s3: Running) -> None:
    pid = pid_of(on_s3)
    on_s3.ended(post(on_s3, body("large", 12)).json()["jobId"])  # loads what is loaded at first use
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    answer = post(on_s3, body("large", 100))
    assert answer.status_code == 202, answer.text
    peak = memory(pid, "VmHWM")
    print(f"100 MB into the bucket: gateway {before:.0f} MB before, {peak:.0f} MB at most")
    assert peak - before < 60
    document = on_s3.http.get(f"/api/documents/{answer.json()['documentId']}").json()
    assert document["size"] > 100 << 20
    on_s3.ended(answer.json()["jobId"])


def until(look: Callable[[], dict[str, Any]], status: str, seconds: float = 30) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (shown := look())["status"] != status:
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    return shown
