"""The queue: fair shares, priorities, a cap, and requests that may be sent twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateway import PDF, World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_admitted=6, max_admitted_per_library=3, max_queued=12) as made:
        yield made


async def submit(gateway: World, number: int, **form: Any) -> dict[str, Any]:
    return await gateway.upload(PDF + str(number).encode(), **{key: str(value) for key, value in form.items()})


async def finish(gateway: World, job_id: str) -> None:
    assert (await gateway.http.post(f"/api/jobs/{job_id}/cancel")).status_code == 200
    await gateway.settle()


def started(gateway: World) -> list[str]:
    return [event.job_id for subject, event, _ in gateway.bus.told if subject == "pdf.requested"]


async def test_a_library_gets_its_share_and_another_ones_single_job_starts_at_once(gateway: World):
    jobs = [(await submit(gateway, number, libraryId="big"))["jobId"] for number in range(8)]
    assert started(gateway) == jobs[:3]
    single = (await submit(gateway, 99, libraryId="small"))["jobId"]
    assert started(gateway) == [*jobs[:3], single]


async def test_the_end_of_a_job_lets_the_oldest_of_the_highest_priority_start(gateway: World):
    jobs = [(await submit(gateway, number))["jobId"] for number in range(5)]
    urgent = (await submit(gateway, 9, priority=10))["jobId"]
    await finish(gateway, jobs[0])
    assert started(gateway)[-1] == urgent
    await finish(gateway, jobs[1])
    assert started(gateway)[-1] == jobs[3]


async def test_a_waiting_job_is_queued_and_can_be_cancelled(gateway: World):
    jobs = [(await submit(gateway, number))["jobId"] for number in range(4)]
    last = await gateway.job(jobs[3])
    assert (last.status, last.waiting, last.outbox) == ("queued", True, [])
    await finish(gateway, jobs[3])
    assert (await gateway.job(jobs[3])).status == "failed"
    assert jobs[3] not in started(gateway)


async def test_a_full_queue_answers_429_with_retry_after_and_keeps_nothing(gateway: World):
    for number in range(12):
        await submit(gateway, number)
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF + b"one more")})
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) > 0
    assert [key async for key in gateway.storage.keys("uploads")] == []


async def repeat(gateway: World, content: bytes, key: str, **form: str) -> Any:
    answer = await gateway.http.post(
        "/api/jobs", files={"file": ("a.pdf", content)}, data=form, headers={"Idempotency-Key": key}
    )
    await gateway.settle()
    return answer


async def test_the_same_key_and_body_is_the_same_job_even_after_it_has_ended(gateway: World):
    first = (await repeat(gateway, PDF, "k1")).json()
    assert (await repeat(gateway, PDF, "k1")).json()["jobId"] == first["jobId"]
    await finish(gateway, first["jobId"])
    again = (await repeat(gateway, PDF, "k1")).json()
    assert (again["jobId"], again["existing"]) == (first["jobId"], True)
    assert (await repeat(gateway, PDF, "k2")).json()["jobId"] != first["jobId"]


async def test_the_same_key_with_another_body_is_a_conflict(gateway: World):
    await repeat(gateway, PDF, "k1")
    assert (await repeat(gateway, PDF + b"!", "k1")).status_code == 409
    assert (await repeat(gateway, PDF, "k1", priority="5")).status_code == 409


@pytest.mark.parametrize("priority", ["high", "1000", "1.5"])
async def test_a_wrong_priority_is_a_400(gateway: World, priority: str):
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data={"priority": priority})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
