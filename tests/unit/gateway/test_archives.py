"""Images out of an archive: nothing it says about itself is believed."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter

import pytest

from services.gateway.foreign.archives import ArchiveFailed, ArchiveLimits, Picture, dimensions, pictures
from tests.support.file_server import png, zipped

JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x05\x00\x07\x01\x01\x11\x00\xff\xd9"


def unpacked(archive: bytes, **limits: int) -> tuple[list[Picture], Counter[str]]:
    dropped: Counter[str] = Counter()
    return list(pictures(io.BytesIO(archive), ArchiveLimits(**limits), dropped, set())), dropped


def test_images_are_told_by_their_bytes_and_named_by_their_kind():
    found, dropped = unpacked(zipped({"1_0.png": png(), "1_1.png": JPEG, "a.svg": b"<svg/>", "b.png": b"MZ..."}))
    assert [(p.name, p.ext, p.width, p.height) for p in found] == [("1_0.png", "png", 3, 2), ("1_1.jpg", "jpg", 7, 5)]
    assert dropped == {"no_image": 2}


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/x.png",
        "/etc/x.png",
        "..\\..\\x.png",
        "C:\\x.png",
        "a/b/../x.png",
        "x\u202e.png",
        "x\n.png",
        "....png",
    ],
)
def test_no_name_leads_out_of_its_folder(name: str):
    found, _ = unpacked(zipped({name: png()}))
    assert len(found) == 1
    assert found[0].name in ("x.png", "x_.png", "image.png")


def test_names_that_would_meet_are_kept_apart():
    found, _ = unpacked(zipped({"a/x.png": png(), "b/X.png": png(), "c/x.png": png()}))
    assert [p.name for p in found] == ["x.png", "X-2.png", "x-3.png"]


def test_a_bomb_ends_at_the_limit_of_all_entries_together():
    bomb = zipped({f"{n}.png": png() + b"\0" * 1_000_000 for n in range(20)})
    assert len(bomb) < 40_000
    with pytest.raises(ArchiveFailed, match="unpacks_too_large"):
        unpacked(bomb, total_bytes=5_000_000)


def test_an_entry_beyond_its_own_limit_is_left_out():
    found, dropped = unpacked(zipped({"a.png": png() + b"\0" * 1_000_000, "b.png": png()}), file_bytes=100_000)
    assert [p.name for p in found] == ["b.png"]
    assert dropped == {"too_large": 1}


def test_a_size_in_the_header_that_lies_changes_nothing():
    archive = bytearray(zipped({"a.png": png() + b"\0" * 1_000_000}))
    at = archive.rfind(b"PK\x01\x02")
    struct.pack_into("<L", archive, at + 24, 10)
    found, dropped = unpacked(bytes(archive), file_bytes=100_000)
    assert not found or len(found[0].data) <= 10
    assert sum(dropped.values()) + len(found) == 1


def test_too_many_entries_are_refused():
    with pytest.raises(ArchiveFailed, match="too_many_entries"):
        unpacked(zipped({f"{n}.png": b"" for n in range(11)}), entries=10)


def test_a_directory_that_claims_to_be_huge_is_refused_before_it_is_read():
    archive = bytearray(zipped({"a.png": png()}))
    struct.pack_into("<L", archive, archive.rfind(b"PK\x05\x06") + 12, 1 << 30)
    with pytest.raises(ArchiveFailed, match="too_many_entries"):
        unpacked(bytes(archive))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", b"PK\x05\x06" + b"\xff" * 18, zipped({})[:-1]])
def test_what_is_no_archive_is_named_so(content: bytes):
    with pytest.raises(ArchiveFailed):
        unpacked(content)


def test_a_damaged_entry_does_not_stop_the_others():
    archive = bytearray(zipped({"a.png": png(shade=1), "b.png": png(shade=2)}))
    with zipfile.ZipFile(io.BytesIO(bytes(archive))) as made:
        first = made.getinfo("a.png")
    archive[first.header_offset + 30 + len("a.png") + 50] ^= 0xFF
    found, dropped = unpacked(bytes(archive))
    assert [p.name for p in found] == ["b.png"]
    assert sum(dropped.values()) == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x00", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "webp"])
def test_a_header_that_is_cut_off_gives_no_size(data: bytes, kind: str):
    assert dimensions(data, kind) == (0, 0)


def test_an_encrypted_entry_is_left_out():
    archive = bytearray(zipped({"a.png": png()}))
    archive[archive.rfind(b"PK\x01\x02") + 8] |= 1
    assert unpacked(bytes(archive)) == ([], {"unsupported": 1})
