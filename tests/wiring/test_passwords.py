"""A PDF's password goes from the client to the extractor and is seen nowhere on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.job import JobStatus, StepName
from tests.support.gateway import World, world
from tests.support.pdfs import encrypted_pdf
from tests.support.phases import Route

PASSWORD = "hard to guess"


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def locked(tmp_path: Path) -> bytes:
    return encrypted_pdf(tmp_path / "locked.pdf").read_bytes()


async def submit(gateway: World, content: bytes, form: dict[str, str], key: str = "") -> dict[str, Any]:
    files = {"file": ("locked.pdf", content)}
    headers = {"Idempotency-Key": key} if key else {}
    answer = await gateway.http.post("/api/jobs", files=files, data=form, headers=headers)
    assert answer.status_code == 202, answer.text
    await gateway.settle()
    accepted: dict[str, Any] = answer.json()
    return accepted


@pytest.mark.parametrize(
    "form", [{"password": PASSWORD}, {"parameters": json.dumps({"password": PASSWORD})}], ids=["form", "parameters"]
)
async def test_a_locked_pdf_is_read_with_the_password_of_its_job(
    gateway: World, locked: bytes, form: dict[str, str]
) -> None:
    accepted = await submit(gateway, locked, form)
    await Route(gateway).run(until=StepName.TRANSFORM)
    job = await gateway.job(accepted["jobId"])
    assert job.error is None
    keys = [key async for key in gateway.storage.keys("default")]
    transcripts = [key for key in keys if key.endswith(".en.md")]
    assert transcripts, keys
    assert b"secret" in await gateway.storage.read(transcripts[0])


@pytest.mark.parametrize(
    ("form", "sentence"), [({}, "protected by a password."), ({"password": "cheese"}, "does not open it")]
)
async def test_a_missing_and_a_wrong_password_are_told_apart(
    gateway: World, locked: bytes, form: dict[str, str], sentence: str
) -> None:
    accepted = await submit(gateway, locked, form)
    await Route(gateway).run()
    job = await gateway.job(accepted["jobId"])
    assert job.status == JobStatus.FAILED
    assert job.error is not None
    assert (job.error.code, sentence in job.error.message) == ("pdf_encrypted", True)


async def test_a_password_is_in_no_document_ticket_event_log_or_stored_file(
    gateway: World, locked: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    accepted = await submit(gateway, locked, {"password": PASSWORD})
    await Route(gateway).run(until=StepName.TRANSFORM)
    job_id = accepted["jobId"]
    job = await gateway.job(job_id)
    sealed = job.parameters.sealed_password
    shown = [(await gateway.http.get(f"/api/jobs{path}")).text for path in ("", f"/{job_id}", f"/{job_id}/logs")]
    stored = [await gateway.storage.read(key) async for key in gateway.storage.keys("default")]
    told = msgspec.json.encode([[subject, event] for subject, event, _ in gateway.bus.told]).decode()
    everything = [
        *shown,
        told,
        caplog.text,
        msgspec.json.encode(job).decode(),
        *(file.decode("latin1") for file in stored),
    ]
    assert sealed
    assert len(stored) > 4
    assert not any(PASSWORD in text for text in everything)
    assert not any(sealed in text for text in [*shown, told, caplog.text])
    assert json.loads(shown[1])["parameters"]["sealedPassword"] == "***"


async def test_only_the_extractor_is_given_the_sealed_password(gateway: World, locked: bytes) -> None:
    accepted = await submit(gateway, locked, {"password": PASSWORD})
    await Route(gateway).run(until=StepName.TRANSFORM)
    ticket = await gateway.claim(accepted["jobId"], StepName.TRANSFORM)
    assert ticket["parameters"]["sealedPassword"] == ""


async def test_a_repeated_request_with_its_password_is_the_same_job(gateway: World, locked: bytes) -> None:
    first = await submit(gateway, locked, {"password": PASSWORD}, "once")
    assert (await submit(gateway, locked, {"password": PASSWORD}, "once"))["jobId"] == first["jobId"]


@pytest.mark.parametrize(
    "form",
    [
        {"password": "x" * 128},
        {"parameters": json.dumps({"password": 7})},
        {"parameters": json.dumps({"sealedPassword": "made by the client"})},
    ],
)
async def test_what_is_no_password_is_refused_without_being_repeated(
    gateway: World, locked: bytes, form: dict[str, str]
) -> None:
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", locked)}, data=form)
    assert answer.status_code == 400
    assert "xxxx" not in answer.text
