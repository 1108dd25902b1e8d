"""A bundle is input of unknown origin: whatever is wrong with it is told by a code, and nothing of it is believed."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.replay.reading import MOST_MEMBERS, NEEDED, Bundle, is_member
from shared import bundle
from shared.errors import RequestError


def members() -> dict[str, bytes]:
    return {name: b"{}\n" for name in NEEDED} | {"twin/pages.jsonl": b'{"number":1}\n'}


def manifest(content: dict[str, bytes], **changed: Any) -> bytes:
    said = {
        "format": bundle.FORMAT,
        "version": bundle.FORMAT_VERSION,
        "madeBy": "0",
        "jobId": "j",
        "documentId": "d",
        "libraryId": "l",
        "sourceSha256": "s",
        "members": [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in content.items()
        ],
    }
    return json.dumps(said | changed).encode()


def packed(path: Path, entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return path


def written(path: Path, extra: dict[str, bytes] | None = None, **changed: Any) -> Path:
    content = members() | (extra or {})
    return packed(path, [*content.items(), (bundle.MANIFEST, manifest(content, **changed))])


def code_of(path: Path, most_bytes: int = 1 << 20) -> str:
    with pytest.raises(RequestError) as refused, Bundle(path, most_bytes):
        raise AssertionError("it was taken")
    assert refused.value.message
    return refused.value.code


def test_a_sound_bundle_is_read_member_by_member(tmp_path: Path):
    with Bundle(written(tmp_path / "b.zip")) as opened:
        assert sorted(opened.names) == sorted(members())
        assert opened.read("twin/pages.jsonl") == b'{"number":1}\n'
        assert opened.digest("twin/pages.jsonl") == hashlib.sha256(b'{"number":1}\n').hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "/etc/passwd", "twin/../../evil", "twin/./a", "twin//a", "twin/", "C:/evil", "twin\\..\\evil",
        "twin/a:b", "twin/a\nb", "other/a", "twin/" + "a" * 2000, "", "twin/..", "manifest.json/x",
    ],
)  # fmt: skip
def test_a_member_that_leads_elsewhere_is_refused(tmp_path: Path, name: str):
    assert not is_member(name)
    if name and not name.endswith("/"):
        assert code_of(written(tmp_path / "b.zip", {name: b"x"})) == "bundle_invalid"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["twin/pages.jsonl", "twin/PAGES.jsonl", "manifest.json"])
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path, again: str):
    content = members()
    entries = [*content.items(), (bundle.MANIFEST, manifest(content)), (again, b"other")]
    assert code_of(packed(tmp_path / "b.zip", entries)) == "bundle_invalid"


def test_content_that_is_not_what_the_list_says_is_refused(tmp_path: Path):
    content = members()
    entries = [*(content | {"twin/pages.jsonl": b'{"number":2}\n'}).items(), (bundle.MANIFEST, manifest(content))]
    assert code_of(packed(tmp_path / "b.zip", entries)) == "bundle_invalid"


@pytest.mark.parametrize("left", [{"twin/more": b"x"}, {}])
def test_a_list_that_is_not_of_these_members_is_refused(tmp_path: Path, left: dict[str, bytes]):
    listed = manifest(members() | left) if left else manifest({})
    entries = [*members().items(), (bundle.MANIFEST, listed)]
    assert code_of(packed(tmp_path / "b.zip", entries)) == "bundle_invalid"


def test_a_bundle_without_a_needed_member_is_refused(tmp_path: Path):
    content = {name: data for name, data in members().items() if name != bundle.JOB}
    entries = [*content.items(), (bundle.MANIFEST, manifest(content))]
    assert code_of(packed(tmp_path / "b.zip", entries)) == "bundle_invalid"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"version": 99}, "bundle_version"),
        ({"version": 0}, "bundle_version"),
        ({"format": "something"}, "bundle_invalid"),
        ({"version": "1"}, "bundle_invalid"),
        ({"members": "all"}, "bundle_invalid"),
    ],
)
def test_another_format_or_version_is_told(tmp_path: Path, changed: dict[str, Any], code: str):
    assert code_of(written(tmp_path / "b.zip", **changed)) == code


def test_a_version_that_comes_later_is_told_although_its_manifest_has_another_form(tmp_path: Path):
    entries = [*members().items(), (bundle.MANIFEST, json.dumps({"format": bundle.FORMAT, "version": 7}).encode())]
    assert code_of(packed(tmp_path / "b.zip", entries)) == "bundle_version"


def test_a_bundle_that_unpacks_to_more_than_allowed_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = written(tmp_path / "b.zip", {"twin/zeros": bytes(3 << 20)})
    assert path.stat().st_size < 1 << 16
    assert code_of(path, 1 << 20) == "bundle_too_large"


def test_a_size_that_is_a_lie_is_noticed_while_it_is_read(tmp_path: Path):
    path = written(tmp_path / "b.zip", {"twin/zeros": bytes(1 << 18)})
    content = path.read_bytes()
    true, told = struct.pack("<L", 1 << 18), struct.pack("<L", 10)
    path.write_bytes(content.replace(true, told))
    assert code_of(path) == "bundle_invalid"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06", b"PK\x05\x06" + b"\xff" * 18, b"%PDF-1.4\n"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "b.zip"
    path.write_bytes(content)
    assert code_of(path) in ("bundle_invalid", "bundle_too_large")


def test_half_of_a_bundle_is_refused(tmp_path: Path):
    path = written(tmp_path / "b.zip")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert code_of(path) == "bundle_invalid"


def test_other_ways_of_packing_are_refused(tmp_path: Path):
    content = members()
    entries = [*content.items(), (bundle.MANIFEST, manifest(content))]
    assert code_of(packed(tmp_path / "b.zip", entries, zipfile.ZIP_LZMA)) == "bundle_invalid"


def test_a_damaged_member_is_refused(tmp_path: Path):
    path = written(tmp_path / "b.zip", {"twin/noise": hashlib.sha256(b"noise").digest() * 50})
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo("twin/noise").header_offset + 60
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert code_of(path) == "bundle_invalid"


def crowded(members: int) -> bytes:
    """The directory of an archive with so many members, of which it has none."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, *[0] * 7, 8, *[0] * 6)
    return b"".join(entry + b"%08d" % number for number in range(members))


def test_members_are_counted_whatever_number_the_archive_claims(tmp_path: Path):
    directory, path = crowded(MOST_MEMBERS + 1), tmp_path / "b.zip"
    path.write_bytes(directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0))
    assert code_of(path) == "bundle_too_large"


def test_the_end_of_the_archive_is_looked_for_where_it_is_read(tmp_path: Path):
    directory, path = crowded(MOST_MEMBERS + 1), tmp_path / "b.zip"
    harmless = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 60, 0)
    comment = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)  # where such a locator stands, it is none
    ended = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(harmless), len(comment))
    path.write_bytes(harmless + directory + ended + comment)
    assert code_of(path) == "bundle_too_large"
