"""Which places and files the SQLite store refuses, and in what words."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from services.gateway.stores.sqlite_jobs import sqlite_stores
from services.gateway.stores.sqlite_place import check_place, file_system
from shared.adapters.folder_storage import FolderStorage
from shared.errors import ConfigurationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be; its folder does not exist yet."""
    return tmp_path / "data" / "jobs.db"


async def test_a_newer_schema_is_refused(path: Path) -> None:
    jobs, _ = sqlite_stores(path)
    await jobs.open()
    await jobs.close()
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="schema 99"):
        await jobs.open()


@pytest.mark.parametrize("kind", ["text", "foreign"])
async def test_a_file_of_something_else_is_refused(path: Path, kind: str) -> None:
    path.parent.mkdir()
    if kind == "text":
        await asyncio.to_thread(path.write_text, "this is no database " * 100)
    else:
        with contextlib.closing(sqlite3.connect(path)) as raw:
            raw.execute("CREATE TABLE theirs (x)")
    with pytest.raises(ConfigurationError):
        await sqlite_stores(path)[0].open()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("/srv/data/x", "nfs4"), ("/srv/database", "ext4"), ("/mnt/my disk", "cifs"), ("/mnt/over", "xfs")],
)
def test_the_file_system_is_that_of_the_deepest_mount(folder: str, expected: str) -> None:
    mounts = [
        "/dev/vda / ext4 rw 0 0",
        "host:/x /srv/data nfs4 rw 0 0",
        "//host/y /mnt/my\\040disk cifs rw 0 0",
        "host:/z /mnt/over nfs rw 0 0",
        "/dev/vdb /mnt/over xfs rw 0 0",
        "broken",
    ]
    assert file_system(Path(folder), mounts) == expected


@pytest.mark.parametrize("kind", ["nfs4", "9p", "fuse.sshfs", "cifs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.stores.sqlite_place.file_system", lambda *_: kind)
    with pytest.raises(ConfigurationError, match=f"network file system \\({kind}\\)"):
        check_place(tmp_path / "jobs.db")


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError):
        await sqlite_stores(tmp_path / "file" / "jobs.db")[0].open()


async def test_the_data_folder_is_made_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    check_place(folder / "jobs.sqlite")
    assert folder.is_dir()
    await FolderStorage(tmp_path / "neither" / "this").write("lib/twin.md", b"# Twin")
    assert (tmp_path / "neither" / "this" / "lib" / "twin.md").read_bytes() == b"# Twin"
