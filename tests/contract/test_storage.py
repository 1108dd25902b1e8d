"""The contract of Storage; runs on memory, a folder and an S3 server. Then what only the folder promises."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import twin
from shared.adapters.folder_storage import FolderStorage
from shared.adapters.storage_key import check_key
from shared.errors import RequestError, ShadowtwinError, TransientError
from shared.ports import Storage


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A stream of the parts."""
    for part in parts:
        yield part


async def keys(storage: Storage, prefix: str) -> list[str]:
    """Every key below the prefix."""
    return [key async for key in storage.keys(prefix)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_was_written_is_read_back_with_its_hash(storage: Storage, streamed: bool) -> None:
    whole = os.urandom(3_000_000)
    content = pieces(whole[:10], whole[10:2_500_000], b"", whole[2_500_000:]) if streamed else whole
    artefact = await storage.write("lib/doc/Größe der Häuser.de.md", content)
    assert (artefact.size, artefact.sha256) == (3_000_000, hashlib.sha256(whole).hexdigest())
    assert artefact.key == "lib/doc/Größe der Häuser.de.md"
    assert await storage.read(artefact.key) == whole
    assert await storage.stat(artefact.key) == 3_000_000
    read = [piece async for piece in storage.stream(artefact.key, 1_000_000)]
    assert [len(piece) for piece in read] == [1_000_000] * 3
    assert b"".join(read) == whole


async def test_an_empty_object_is_an_object(storage: Storage) -> None:
    assert (await storage.write("a/b", b"")).size == 0
    assert (await storage.write("a/c", pieces())).size == 0
    assert await storage.stat("a/b") == 0
    assert [piece async for piece in storage.stream("a/b")] == []


async def test_a_missing_object_is_artefact_missing(storage: Storage, tmp_path: Path) -> None:
    await storage.write("a/b", b"x")
    for key in ("a/missing", "a", "a/b/c", "nowhere/at/all"):
        assert await storage.stat(key) is None
        for reading in (
            storage.read(key),
            anext(aiter(storage.stream(key))),
            storage.copy(key, "a/copy"),
            storage.local_path(key, str(tmp_path)),
        ):
            with pytest.raises(ShadowtwinError) as missing:
                await reading
            assert missing.value.code == "artefact_missing"
    assert await keys(storage, "a") == ["a/b"]


async def test_writing_again_replaces(storage: Storage) -> None:
    await storage.write("a/b", b"long first content")
    await storage.write("a/b", b"second")
    assert await storage.read("a/b") == b"second"


async def test_a_stream_that_breaks_leaves_the_old_object(storage: Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        raise ConnectionResetError("the client went away")

    await storage.write("a/b", b"old")
    with pytest.raises(ConnectionResetError):
        await storage.write("a/b", broken())
    with pytest.raises(ConnectionResetError):
        await storage.write("a/new", broken())
    assert await storage.read("a/b") == b"old"
    assert await keys(storage, "a") == ["a/b"]


async def test_a_copy_is_independent_of_its_source(storage: Storage) -> None:
    await storage.write("a/b", b"one")
    await storage.write("c/d", b"to be replaced")
    for _ in range(2):
        await storage.copy("a/b", "c/d")
    await storage.copy("a/b", "a/b")
    assert await storage.read("c/d") == b"one"
    await storage.write("a/b", b"two")
    assert await storage.read("c/d") == b"one"
    await storage.delete("c/d")
    assert await storage.read("a/b") == b"two"


async def test_deleting(storage: Storage) -> None:
    for key in ("p/1", "p/q/2", "p/q/r/3", "pq/4"):
        await storage.write(key, b"x")
    assert await keys(storage, "p") == ["p/1", "p/q/2", "p/q/r/3"]
    await storage.delete("p/1")
    await storage.delete("p/1")
    assert await storage.delete_prefix("p") == 2
    assert await storage.delete_prefix("p") == 0
    assert await keys(storage, "p") == []
    assert await storage.read("pq/4") == b"x"
    await storage.write("p/q/r/3", b"again")
    assert await keys(storage, "p/q") == ["p/q/r/3"]


async def test_a_local_path_holds_the_bytes(storage: Storage, tmp_path: Path) -> None:
    await storage.write("a/b.pdf", b"%PDF-")
    path = Path(await storage.local_path("a/b.pdf", str(tmp_path)))
    assert await asyncio.to_thread(path.read_bytes) == b"%PDF-"


async def test_many_writers_of_one_key_leave_one_whole_object(storage: Storage) -> None:
    contents = [bytes([n]) * 200_000 for n in range(12)]
    await asyncio.gather(*(storage.write("a/b", content) for content in contents))
    assert await storage.read("a/b") in contents
    assert await keys(storage, "a") == ["a/b"]


# the folder alone

BAD_KEYS = [
    *("", "/", "/etc/passwd", "a/", "a//b", ".", "..", "a/../b", "../a", "a/./b"),
    *("a\\b", "a%2fb", "a%2Fb", "a%5cb", "a\nb", "a\rb", "a\0b", "a\tb", "a\x7fb", "a\x85b"),
    *("a\u202eb", "a\u2066b", "a\u200fb", "a\u2028b", "a\ufeffb", "a\ud800b"),
    *("a" * 256, "ä" * 128, "/".join(["a" * 100] * 11)),
]


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    """A storage in an empty folder."""
    return FolderStorage(tmp_path / "twins")


def unfinished(tmp_path: Path) -> list[str]:
    """Files that are still being written, or were left over."""
    return sorted(path.name for path in (tmp_path / "twins" / ".incoming").iterdir())


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
async def test_a_bad_key_is_refused_everywhere(folder: FolderStorage, key: str) -> None:
    with pytest.raises(RequestError):
        await folder.write(key, b"x")
    with pytest.raises(RequestError):
        await folder.copy("a/b", key)
    with pytest.raises(RequestError):
        await folder.delete_prefix(key)
    with pytest.raises(RequestError):
        await folder.stat(key)


@pytest.mark.parametrize("key", ["a", "lib/Ünïcode 文書 ñ.de.md", "a/..b", "a/b..", "a/.b", "a" * 255, "100% sure.md"])
async def test_a_good_key_is_taken(folder: FolderStorage, key: str) -> None:
    await folder.write(key, b"x")
    assert await folder.read(key) == b"x"


@given(st.text(max_size=60))
def test_no_text_leads_out_of_the_folder(text: str) -> None:
    try:
        check_key(text)
    except RequestError:
        return
    root = Path("/root/objects")
    inside = Path(os.path.normpath(root / text))
    assert inside == root / text
    assert inside.is_relative_to(root)
    assert inside != root


@given(st.text(alphabet=st.characters(exclude_categories=["Cc"]), max_size=80))
def test_every_name_of_a_twin_is_a_key(name: str) -> None:
    check_key(f"lib/doc-1/{twin.stem(name)}.de.md")


async def test_nothing_is_left_over_after_writes_copies_and_failures(folder: FolderStorage, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ValueError

    await folder.write("a/b", b"x")
    await folder.copy("a/b", "a/c")
    await folder.copy("a/b", "a/c")
    with pytest.raises(ValueError):
        await folder.write("a/d", broken())
    with pytest.raises(ShadowtwinError):
        await folder.write("a/b/c", b"a is an object, not a folder")
    with pytest.raises(ShadowtwinError):
        await folder.copy("a/none", "a/e")
    assert unfinished(tmp_path) == []


async def test_a_cancelled_write_leaves_nothing(folder: FolderStorage, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2_000_000
            begun.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(folder.write("a/b", endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unfinished(tmp_path) == []
    assert await folder.stat("a/b") is None


async def test_what_is_cancelled_while_it_opens_its_file_closes_it(folder: FolderStorage) -> None:
    await folder.write("lib/doc/there", b"%PDF")

    async def read() -> None:
        async for _ in folder.stream("lib/doc/there"):
            pass

    async def write() -> None:
        await folder.write("lib/doc/new", pieces(b"x"))

    for turn in range(20):
        task = asyncio.create_task(write() if turn % 2 else read())
        for _ in range(1 + turn // 2 % 3):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    gc.collect()  # a file that nobody has closed would be a warning, which is an error


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("call", ["fsync", "replace"])
async def test_a_full_disk_is_a_transient_storage_error(
    folder: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool, call: str
) -> None:
    await folder.write("a/b", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(TransientError) as refused:
            await folder.write("a/b", pieces(b"new") if streamed else b"new")
    assert refused.value.code == "storage_write_failed"
    assert unfinished(tmp_path) == []
    assert await folder.read("a/b") == b"old"


async def test_without_hard_links_the_bytes_are_copied(
    folder: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    await folder.write("a/b", b"x" * 100)
    await folder.copy("a/b", "c/d")
    assert await folder.read("c/d") == b"x" * 100
    assert unfinished(tmp_path) == []
    with pytest.raises(ShadowtwinError) as missing:
        await folder.copy("a/none", "c/e")
    assert missing.value.code == "artefact_missing"


async def test_leftovers_of_a_dead_process_go_after_a_day(folder: FolderStorage, tmp_path: Path) -> None:
    incoming = tmp_path / "twins" / ".incoming"
    incoming.mkdir(parents=True)
    (incoming / "old").write_bytes(b"x")
    (incoming / "young").write_bytes(b"x")
    os.utime(incoming / "old", (0, 0))
    await folder.write("a/b", b"x")
    assert unfinished(tmp_path) == ["young"]


async def test_an_object_stays_readable_while_it_is_replaced(folder: FolderStorage) -> None:
    await folder.write("a/b", b"1" * 3_000_000)
    reading = aiter(folder.stream("a/b"))
    first = await anext(reading)
    await folder.write("a/b", b"2" * 3_000_000)
    rest = [piece async for piece in reading]
    assert set(b"".join([first, *rest])) == {ord("1")}


async def test_writing_and_removing_the_same_folder_at_once(folder: FolderStorage) -> None:
    async def remove() -> None:
        for _ in range(30):
            await folder.delete_prefix("a/b")

    await asyncio.gather(remove(), *(folder.write(f"a/b/{n}", b"x") for n in range(30)))
    await folder.delete_prefix("a")
    assert [key async for key in folder.keys("a")] == []


async def test_names_are_the_next_segments_each_once(storage: Storage) -> None:
    for key in ("lib/doc-1/a", "lib/doc-1/b/c", "lib/doc-2/a", "other/x", "top"):
        await storage.write(key, b"1")
    assert [name async for name in storage.names("lib")] == ["doc-1", "doc-2"]
    assert [name async for name in storage.names("")] == ["lib", "other", "top"]
    assert [name async for name in storage.names("nowhere")] == []
