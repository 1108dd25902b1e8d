"""What only the S3 storage promises, over the wire against a server process: parts, prefixes, failures, settings."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import socket
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.s3_failure import S3Refused, UploadGone
from shared.adapters.s3_parts import PART_BYTES
from shared.adapters.s3_storage import S3Storage
from shared.adapters.storage_choice import (
    StorageSettings,
    choose_direct,
    choose_storage,
    opened_bucket,
    opened_storage,
    place_of,
)
from shared.direct_upload import DirectUpload
from shared.errors import ConfigurationError, RequestError, TransientError
from tests.support.s3_bucket import bucket, settings
from tests.support.s3_server import VARIABLE, S3Server, start

MIB = 1 << 20


@pytest.fixture
async def s3(s3_server: S3Server, tmp_path: Path) -> AsyncIterator[S3Storage]:
    async with bucket(s3_server, tmp_path) as made:
        yield made


async def generated(mebibytes: int) -> AsyncIterator[bytes]:
    for number in range(mebibytes):
        yield number.to_bytes(4, "big") * (MIB // 4)


async def uploads(s3: S3Storage) -> list[Any]:
    return list((await s3.client.call("list_multipart_uploads")).get("Uploads", ()))


async def test_a_large_stream_goes_in_parts_and_memory_stays(s3: S3Storage) -> None:
    await s3.write("a/small", generated(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    artefact = await s3.write("a/large", generated(96))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < 60
    digest, size = hashlib.sha256(), 0
    async for piece in s3.stream("a/large"):
        digest.update(piece)
        size += len(piece)
    assert (artefact.size, artefact.sha256) == (size, digest.hexdigest())
    head = await s3.client.call("head_object", Key=s3.name("a/large"))
    assert head["ETag"].strip('"').endswith("-12")
    assert await uploads(s3) == []


async def test_a_stream_that_breaks_in_its_third_part_leaves_no_parts(s3: S3Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for piece in generated(3 * (PART_BYTES // MIB)):
            yield piece
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await s3.write("a/b", broken())
    assert await uploads(s3) == []
    assert await s3.stat("a/b") is None


async def test_a_cancelled_write_leaves_nothing(s3: S3Storage) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * PART_BYTES
            begun.set()

    task = asyncio.create_task(s3.write("a/b", endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await uploads(s3) == []
    assert await s3.stat("a/b") is None


async def test_a_completion_whose_answer_was_lost_is_seen_to_be_one(
    s3: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = s3.client.call

    async def lost(operation: str, key: str = "", **arguments: Any) -> dict[str, Any]:
        answer = await call(operation, key, **arguments)
        if operation == "complete_multipart_upload":
            raise UploadGone("unavailable")  # what the retry of a completed upload is told
        return answer

    monkeypatch.setattr(s3.client, "call", lost)
    artefact = await s3.write("a/b", generated(PART_BYTES // MIB + 1))
    assert await s3.stat("a/b") == artefact.size


async def test_more_than_a_copy_may_hold_is_copied_in_parts(s3: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = await s3.write("a/b", generated(12))
    call = s3.client.call

    async def small(operation: str, key: str = "", **arguments: Any) -> dict[str, Any]:
        if operation == "copy_object":
            raise S3Refused("InvalidRequest", writing=True)
        return await call(operation, key, **arguments)

    monkeypatch.setattr(s3.client, "call", small)
    await s3.copy("a/b", "c/one")
    await s3.copy_in_parts("a/b", "c/three", 5 * MIB)
    for key in ("c/one", "c/three"):
        assert hashlib.sha256(await s3.read(key)).hexdigest() == artefact.sha256
    assert await uploads(s3) == []


async def test_more_keys_than_a_page_holds_are_listed_and_deleted(s3: S3Storage) -> None:
    wanted = [f"p/{number:04}/x" for number in range(1100)]
    for first in range(0, len(wanted), 50):
        await asyncio.gather(*(s3.write(key, b"") for key in wanted[first : first + 50]))
    assert [key async for key in s3.keys("p")] == wanted
    assert [name async for name in s3.names("p")] == [f"{number:04}" for number in range(1100)]
    assert await s3.delete_prefix("p") == 1100
    assert [key async for key in s3.keys("p")] == []


async def test_a_name_that_is_an_object_and_a_prefix_is_named_once(s3: S3Storage, s3_server: S3Server) -> None:
    if s3_server.name == "versitygw":
        pytest.skip("this server keeps objects in folders")
    for key in ("lib/a", "lib/a/b", "lib/a-b"):
        await s3.write(key, b"1")
    assert [name async for name in s3.names("lib")] == ["a", "a-b"]


async def test_what_lies_beside_the_prefix_is_not_ours(s3: S3Storage) -> None:
    await s3.client.call("put_object", Key="its/prefix-of-others/a", Body=b"theirs")
    await s3.client.call("put_object", Key="a/b", Body=b"theirs")
    await s3.write("a/b", b"ours")
    assert [name async for name in s3.names("")] == ["a"]
    assert await s3.read("a/b") == b"ours"
    assert s3.key_of(s3.client.place.bucket, "its/prefix/a/b") == "a/b"
    assert s3.key_of(s3.client.place.bucket, "a/b") is None
    assert s3.key_of("another", "its/prefix/a/b") is None
    await s3.delete_prefix("a")
    answer = await s3.client.call("get_object", Key="a/b")
    assert await answer["Body"].read() == b"theirs"


async def test_what_processing_makes_is_marked_as_derived(s3: S3Storage) -> None:
    await s3.write("lib/doc-1/images/1_1.png", b"x")
    await s3.write("lib/doc-1/source.pdf", b"x")
    heads = [await s3.client.call("head_object", Key=s3.name(f"lib/doc-1/{name}")) for name in
             ("images/1_1.png", "source.pdf")]  # fmt: skip
    assert [head["Metadata"] for head in heads] == [{"derived": "true"}, {}]


@pytest.mark.parametrize("key", ["", "a/../b", "/a", "a//b", "a\nb", "ä" * 505])
async def test_a_bad_key_is_refused(s3: S3Storage, key: str) -> None:
    with pytest.raises(RequestError):
        await s3.write(key, b"x")
    with pytest.raises(RequestError):
        await s3.stat(key)


@pytest.mark.parametrize("key", ["100% sure.md", "a b+c&d?e#f.md", "a%20b", "~'\"<>.md", "文書/ñ ü.md"])
async def test_every_character_of_a_key_comes_back(s3: S3Storage, key: str) -> None:
    await s3.write(f"lib/{key}", b"x")
    assert [found async for found in s3.keys("lib")] == [f"lib/{key}"]
    await s3.copy(f"lib/{key}", f"to/{key}")
    assert await s3.read(f"to/{key}") == b"x"
    assert await s3.delete_prefix("lib") == 1


async def test_a_server_that_is_away_is_transient_and_stops_no_start(s3_server: S3Server, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = s3_server._replace(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
        async with opened_storage(tmp_path, settings(nobody, tmp_path, "a-bucket")) as storage:
            for work in (storage.write("a/b", b"x"), storage.stat("a/b")):
                with pytest.raises(TransientError):
                    await work


async def test_a_server_that_dies_in_the_middle_is_transient(tmp_path: Path) -> None:
    own = start()
    if own.name == VARIABLE:
        pytest.skip("that server is not ours to end")
    try:
        async with bucket(own, tmp_path) as s3:
            await s3.write("a/b", generated(64))
            reading = aiter(s3.stream("a/b"))
            await anext(reading)
            begun = asyncio.Event()

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield b"x" * PART_BYTES
                    begun.set()

            writing = asyncio.create_task(s3.write("a/c", endless()))
            await begun.wait()
            own.stop()
            with pytest.raises(TransientError):
                await writing
            with pytest.raises(TransientError):
                async for _ in reading:
                    pass
    finally:
        own.stop()


async def test_a_bucket_that_is_not_there_is_told_at_the_start(s3_server: S3Server, tmp_path: Path) -> None:
    named = settings(s3_server, tmp_path, f"missing-{uuid.uuid4().hex[:8]}")
    with pytest.raises(ConfigurationError) as told:
        async with opened_storage(tmp_path, named):
            pass
    assert "SHADOWTWIN_STORAGE" in told.value.message


async def test_a_wrong_secret_is_a_matter_of_configuration(s3: S3Storage, s3_server: S3Server, tmp_path: Path) -> None:
    if not s3_server.strict:
        pytest.skip(f"{s3_server.name} takes every credential")
    (tmp_path / "wrong").write_text("another-secret-than-that-one")
    named = settings(s3_server, tmp_path, s3.client.place.bucket)
    wrong = named.model_copy(update={"s3_secret_key_file": tmp_path / "wrong"})
    with pytest.raises(ConfigurationError):
        async with opened_storage(tmp_path, wrong):
            pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"storage": "s3://"},
        {"storage": "gs://bucket"},
        {"storage": "bucket"},
        {"storage": "s3://bucket?x=1"},
        {"storage": "s3://bucket", "s3_access_key_id": "half"},
    ],
)
def test_a_setting_that_names_no_storage_is_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as told:
        choose_storage(StorageSettings(**wrong), tmp_path)  # type: ignore[arg-type]
    assert "SHADOWTWIN_S" in told.value.message


async def test_other_buckets_are_named_as_storage_is(s3: S3Storage, s3_server: S3Server, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    named = settings(s3_server, tmp_path, s3.client.place.bucket)
    await s3.write("a/b", b"x")
    monkeypatch.setenv("SHADOWTWIN_S3_ENDPOINT", named.s3_endpoint)
    monkeypatch.setenv("SHADOWTWIN_S3_ACCESS_KEY_ID", named.s3_access_key_id)
    monkeypatch.setenv("SHADOWTWIN_S3_SECRET_KEY_FILE", str(named.s3_secret_key_file))
    async with opened_bucket(named.storage) as other:
        assert await other.read("a/b") == b"x"
    async with opened_bucket(str(tmp_path / "folder")) as folder:
        assert await folder.stat("a/b") is None
    assert place_of(tmp_path, named) == named.storage
    assert place_of(tmp_path, StorageSettings()) == str(tmp_path.resolve() / "twins")


async def test_addresses_are_those_that_clients_reach(s3_server: S3Server, tmp_path: Path) -> None:
    async with bucket(s3_server, tmp_path, s3_public_endpoint="https://objects.example:9443") as s3:
        direct = choose_direct(s3)
        assert direct is not None
        moment = datetime.now(UTC)
        upload = DirectUpload(
            upload_id="up-1", library_id="lib", name="a.pdf", size=9, created_at=moment, expires_at=moment
        )
        (url,) = await direct.addresses(upload, [0], 60)
        place = f"https://objects.example:9443/{s3.client.place.bucket}/its/prefix/_direct/up-1?"
        assert url.startswith(place)
        assert "X-Amz-Expires=60" in url
        assert "content-length" in url
        assert direct.own_key("", "its/prefix/_direct/up-1") == upload.key
