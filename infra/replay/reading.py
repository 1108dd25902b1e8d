"""Reading a bundle of unknown origin: nothing that it says about itself is believed before it was checked."""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from shared import bundle
from shared.bundle import BundleManifest
from shared.errors import RequestError

MOST_BYTES = 4 << 30
"""Of all members together, unpacked."""
MOST_MEMBERS = 100_000
DIRECTORY_BYTES = 64 << 20
MANIFEST_BYTES = 32 << 20
TEXT_BYTES = 256 << 20
"""Most bytes of a member that is read at once."""
PIECE = 1 << 20
_END = struct.Struct("<4s4H2LH")
_LONG_END = 56 + 20
"""Bytes of the long form's end record and of its locator, which follow each other."""
_ENTRY = b"PK\x01\x02"
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[^/\\:\x00-\x1f\x7f]{1,255}\Z")
_TOP = (bundle.JOB, bundle.LOG, bundle.DOCUMENT, bundle.SETTINGS, bundle.SOURCE, bundle.MANIFEST)
_FOLDERS = (bundle.TEMPLATES, bundle.SCHEMAS, bundle.TWIN, bundle.INDEX)
NEEDED = (bundle.JOB, bundle.LOG, bundle.DOCUMENT, bundle.SETTINGS)


class Bundle:
    """`with Bundle(path) as opened:` checks all of it first; raises RequestError bundle_invalid, bundle_version,
    bundle_too_large."""

    manifest: BundleManifest

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path, self._most = path, most_bytes

    def __enter__(self) -> Self:
        try:
            _check_directory(self.path)
            self._zip = zipfile.ZipFile(self.path)
        except _UNREADABLE as error:
            raise _invalid("it is no ZIP archive that can be read") from error
        try:
            self._check()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """All members but the manifest."""
        return [member.name for member in self.manifest.members]

    def read(self, name: str, most: int = TEXT_BYTES) -> bytes:
        """A member's content, at most so many bytes."""
        content = bytearray()
        for piece in self.pieces(name):
            content += piece
            if len(content) > most:
                raise RequestError("bundle_too_large", f"{name[:200]} in the bundle is larger than {most} bytes.")
        return bytes(content)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member's content, piece by piece; never more than its entry promised."""
        try:
            with self._zip.open(name) as member:
                while piece := member.read(PIECE):
                    yield piece
        except KeyError as error:
            raise _invalid(f"{name[:200]} is not in it") from error
        except _UNREADABLE as error:
            raise _invalid(f"{name[:200]} cannot be read") from error

    def digest(self, name: str) -> str:
        """SHA-256 as the manifest has it, and as it was found."""
        return self._digests[name]

    def _check(self) -> None:
        entries = self._zip.infolist()
        seen: set[str] = set()
        total = 0
        for entry in entries:
            name = entry.filename
            if not is_member(name) or name != entry.orig_filename or entry.is_dir():
                raise _invalid(f"{name[:200]!r} is no name of a member")
            if name.casefold() in seen:
                raise _invalid(f"{name[:200]} is in it twice")
            seen.add(name.casefold())
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _invalid(f"{name[:200]} is packed in a way that bundles are not")
            total += entry.file_size
        if total > self._most:
            raise RequestError("bundle_too_large", f"Unpacked, the bundle has {total} bytes; allowed are {self._most}.")
        self.manifest = self._manifest()
        listed = [member.name for member in self.manifest.members]
        there = {entry.filename for entry in entries} - {bundle.MANIFEST}
        if len(listed) != len(set(listed)) or set(listed) != there:
            odd = sorted(set(listed) ^ there)[:3] or ["a name twice"]
            raise _invalid(f"its list of members is not what it holds ({', '.join(odd)[:300]})")
        if missing := [name for name in NEEDED if name not in there]:
            raise _invalid(f"{missing[0]} is missing")
        self._digests = {member.name: member.sha256 for member in self.manifest.members}
        for member in self.manifest.members:
            digest, size = hashlib.sha256(), 0
            for piece in self.pieces(member.name):
                digest.update(piece)
                size += len(piece)
            if (digest.hexdigest(), size) != (member.sha256, member.size):
                raise _invalid(f"{member.name[:200]} is not as its list says (SHA-256, size)")

    def _manifest(self) -> BundleManifest:
        try:
            content = self.read(bundle.MANIFEST, MANIFEST_BYTES)
            said = msgspec.json.decode(content, type=_Said)
            if said.format != bundle.FORMAT:
                raise _invalid("it is no bundle of this system")
            if said.version != bundle.FORMAT_VERSION:
                raise RequestError("bundle_version", f"The bundle has the format version {said.version}.")
            return msgspec.json.decode(content, type=BundleManifest)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid("its manifest.json is not as described") from error


class _Said(msgspec.Struct):
    """What every version's manifest says."""

    format: str
    version: int


def is_member(name: str) -> bool:
    """Whether a bundle may hold a member of this name: none that leads out of its folder, none of another kind."""
    if name in _TOP:
        return True
    return name.startswith(_FOLDERS) and len(name) <= 1024 and all(_SEGMENT.match(part) for part in name.split("/"))


def _check_directory(path: Path) -> None:
    """Refuse a directory that would take much memory before zipfile reads all of it: zipfile goes by the directory's
    size, so its entries are counted, whatever number the archive claims."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65535 - _END.size))
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise zipfile.BadZipFile
        _, _, _, _, members, directory, _, _ = _END.unpack_from(tail, at)
        end = size - len(tail) + at
        if (long := _long_form(file, end)) is not None:
            members, directory = long
            end -= _LONG_END
        if directory <= min(DIRECTORY_BYTES, end):
            file.seek(end - directory)
            members = max(members, file.read(directory).count(_ENTRY))
    if members > MOST_MEMBERS or directory > DIRECTORY_BYTES:
        raise RequestError("bundle_too_large", f"The bundle has {members} members; allowed are {MOST_MEMBERS}.")


def _long_form(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Members and size of the directory, where they stand right before the archive's end as zipfile looks for them: of
    an archive over 4 GB or of more than 65,535 members."""
    if end < _LONG_END:
        return None
    file.seek(end - _LONG_END)
    long = file.read(_LONG_END)
    if long[56:60] != b"PK\x06\x07":
        return None
    if not long.startswith(b"PK\x06\x06"):
        raise zipfile.BadZipFile
    return int.from_bytes(long[32:40], "little"), int.from_bytes(long[40:48], "little")


def _invalid(why: str) -> RequestError:
    return RequestError("bundle_invalid", f"The bundle cannot be used: {why}.")
