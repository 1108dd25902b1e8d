"""Storage events: signed, repeated at will, and never more than a reason to look."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from services.gateway.routes.storage_events import EVENT_BYTES
from services.gateway.signatures import sign
from services.gateway.uploads.storage_events import objects_of
from shared.adapters.s3_direct import S3Direct
from shared.direct_upload import FOLDER
from shared.errors import RequestError
from tests.support.gateway import PDF, World, world
from tests.support.s3_bucket import bucket
from tests.support.s3_server import S3Server
from tests.wiring.test_direct_uploads import begin, put, show
from tests.wiring.test_direct_uploads import s3_server as s3_server

SECRET = "what-the-forwarder-of-events-knows"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "secret").write_text(SECRET)
    async with world(storage_events_secret_file=tmp_path / "secret") as made:
        yield made


def of_s3(name: str, bucket: str = "", kind: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    """A record of S3's notification."""
    place = {"bucket": {"name": bucket}, "object": {"key": quote_plus(name), "size": 1, "eTag": "x", **more}}
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": kind, "s3": place}


async def tell(
    gateway: World, body: Any, secret: str | None = None, at: int | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    moment = int(time.time()) if at is None else at
    signature = sign(
        hashlib.sha256((SECRET if secret is None else secret).encode()).hexdigest(), "evt-1", moment, content
    )
    shown = {"webhook-id": "evt-1", "webhook-timestamp": str(moment), "webhook-signature": signature} | (headers or {})
    answer = await gateway.http.post("/api/storage-events", content=content, headers=shown)
    await gateway.gateway.direct.idle()
    await gateway.settle()
    return answer


async def jobs(gateway: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gateway.http.get("/api/jobs")).json()["jobs"]
    return rows


@pytest.mark.parametrize("form", ["s3", "events", "one"])
async def test_an_event_completes_an_announced_upload_once(gateway: World, form: str) -> None:
    upload = await begin(gateway)
    await put(gateway, upload["url"], PDF)
    key = f"{FOLDER}/{upload['uploadId']}"
    body = {"s3": {"Records": [of_s3(key)]}, "events": {"events": [{"key": key}]}, "one": {"key": key}}[form]
    for _ in range(3):
        answer = await tell(gateway, body)
        assert answer.status_code == 202
        (heard,) = answer.json()["events"]
        assert (heard["outcome"], heard["uploadId"]) == ("confirmed", upload["uploadId"])
    assert (await show(gateway, upload))["status"] == "completed"
    assert len(await jobs(gateway)) == 1


async def test_an_event_of_a_bucket_is_told_by_its_bucket_and_prefix(s3_server: S3Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    async with (
        bucket(s3_server, tmp_path) as storage,
        world(
            storage=storage,  # type: ignore[arg-type]
            direct_storage=S3Direct(storage),
            storage_events_secret_file=tmp_path / "secret",
        ) as gateway,
    ):
        upload = await begin(gateway)
        await put(gateway, upload["url"], PDF)
        key, own = f"{FOLDER}/{upload['uploadId']}", storage.client.place.bucket
        strangers = [of_s3(f"its/prefix/{key}", "another-bucket"), of_s3(key, own), of_s3(f"its/prefix2/{key}", own)]
        heard = (await tell(gateway, {"Records": strangers})).json()["events"]
        assert [row["reason"] for row in heard] == ["other_bucket"] * 3
        assert await jobs(gateway) == []
        heard = (await tell(gateway, {"Records": [of_s3(f"its/prefix/{key}", own)]})).json()["events"]
        assert [row["outcome"] for row in heard] == ["confirmed"]
        assert (await show(gateway, upload))["status"] == "completed"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("lib/doc-1/images/1_1.png", "derived"),
        ("lib/doc-1/tables/1.csv", "derived"),
        ("lib/doc-1/charts/1.png", "derived"),
        ("lib/doc-1/checkpoints/1.json", "derived"),
        ("_templates/x.pdf", "derived"),
        ("lib/a b+c.pdf", "not_an_upload"),
        ("lib/doc-1/source.pdf", "not_an_upload"),
        (f"{FOLDER}/nobody", "unknown_upload"),
        (f"{FOLDER}/x.parts/00001", "part"),
        ("uploads/host~1~1/x", "not_an_upload"),
    ],
)
async def test_no_other_object_starts_a_job(gateway: World, key: str, reason: str) -> None:
    await gateway.storage.write(key, PDF)
    heard = (await tell(gateway, {"Records": [of_s3(key)]})).json()["events"]
    assert [(row["key"], row["outcome"], row["reason"]) for row in heard] == [(key, "ignored", reason)]
    assert await jobs(gateway) == []
    assert (await gateway.http.get("/api/documents")).json()["documents"] == []


async def test_metadata_says_what_is_derived_before_its_path_does(gateway: World) -> None:
    marked = of_s3("lib/a.pdf", userMetadata={"X-Amz-Meta-Derived": "true", "content-type": "x"})
    own = {"events": [{"key": "lib/a.pdf", "metadata": {"derived": "true"}}]}
    for body in ({"Records": [marked]}, own):
        assert (await tell(gateway, body)).json()["events"][0]["reason"] == "derived"


async def test_an_event_before_the_file_changes_nothing(gateway: World) -> None:
    upload = await begin(gateway)
    assert (await tell(gateway, {"key": f"{FOLDER}/{upload['uploadId']}"})).status_code == 202
    assert (await show(gateway, upload))["status"] == "open"


@pytest.mark.parametrize("body", [{"Records": []}, {"Service": "Amazon S3", "Event": "s3:TestEvent"}, {"events": []}])
async def test_a_test_of_the_connection_is_heard(gateway: World, body: dict[str, Any]) -> None:
    answer = await tell(gateway, body)
    assert (answer.status_code, answer.json()) == (202, {"events": []})


def test_deletions_are_no_arrivals() -> None:
    body = json.dumps({"Records": [of_s3("a", kind="ObjectRemoved:Delete"), of_s3("b", kind="s3:ObjectCreated:Copy")]})
    assert [stored.name for stored in objects_of(body.encode())] == ["b"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b'{"Records": [{}]}', b'{"Records": {"a": 1}}', b'{"Records": null}',
     b'{"events": [{"key": 7}]}', b'{"events": [7]}', b'{"key": "a", "metadata": 1}', b"[" * 5000],
)  # fmt: skip
async def test_what_is_no_event_is_a_bad_request(gateway: World, body: bytes) -> None:
    answer = await tell(gateway, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_too_much_at_once_is_refused(gateway: World) -> None:
    with pytest.raises(RequestError):
        objects_of(json.dumps({"events": [{"key": "a"}] * 1001}).encode())
    assert (await tell(gateway, b" " * (EVENT_BYTES + 1))).status_code == 413


@pytest.mark.parametrize("wrong", ["secret", "old", "future", "unsigned", "body"])
async def test_only_what_is_signed_is_heard(gateway: World, wrong: str) -> None:
    body = {"key": "lib/a.pdf"}
    hour = 3600
    answers = {
        "secret": lambda: tell(gateway, body, secret="another"),
        "old": lambda: tell(gateway, body, at=int(time.time()) - hour),
        "future": lambda: tell(gateway, body, at=int(time.time()) + hour),
        "unsigned": lambda: tell(gateway, body, None, headers={"webhook-signature": ""}),
        "body": lambda: tell(gateway, body, None, headers={"webhook-id": "evt-2"}),
    }
    answer = await answers[wrong]()
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_without_a_secret_nobody_is_listened_to() -> None:
    async with world() as gateway:
        for secret in (SECRET, ""):
            assert (await tell(gateway, {"key": "a"}, secret=secret)).status_code == 401
