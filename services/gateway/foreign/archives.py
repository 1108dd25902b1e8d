"""Images out of a ZIP archive of unknown origin: nothing the archive says about itself is believed.

Sizes are counted while reading, kinds are told by the first bytes, and names are made anew. Blocking: run in a thread.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from shared import twin

_END = struct.Struct("<4s4H2LH")
_END_REACH = 65535 + _END.size
_DIRECTORY_ENTRY_MOST = 1024
_HEAD = 32
_PIECE = 1 << 16
_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "tiff"),
    (re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "jp2"),
)
_SAME_KIND = {"jpeg": "jpg", "tif": "tiff", "jpx": "jp2"}
_UNUSUAL = re.compile(r"[^\w.-]+")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


class ArchiveFailed(Exception):
    """The archive, or the rest of it, is not read; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ArchiveLimits(NamedTuple):
    """Most entries; most bytes of one image, and of all entries together, as unpacked."""

    entries: int = 5000
    file_bytes: int = 64 << 20
    total_bytes: int = 512 << 20


class Picture(NamedTuple):
    """One image: a name that is safe everywhere and unique in its archive, what it is by its bytes, and its size."""

    name: str
    ext: str
    data: bytes
    width: int
    height: int


def pictures(file: BinaryIO, limits: ArchiveLimits, dropped: Counter[str], taken: set[str]) -> Iterator[Picture]:
    """The archive's images in its order; what is left out is counted in `dropped` by reason.
    `taken` holds the names used so far, of earlier archives too.

    Raises ArchiveFailed when it is no ZIP archive or goes beyond the limits; images given before remain good.
    """
    _check_directory(file, limits)
    try:
        archive = zipfile.ZipFile(file)
    except _UNREADABLE as error:
        raise ArchiveFailed("not_a_zip") from error
    budget = limits.total_bytes
    with archive:
        entries = archive.infolist()
        if len(entries) > limits.entries:
            raise ArchiveFailed("too_many_entries")
        for entry in entries:
            if entry.is_dir():
                continue
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                dropped["unsupported"] += 1
                continue
            try:
                data, kind = _read(archive, entry, min(limits.file_bytes, budget))
            except _UNREADABLE:
                dropped["unreadable"] += 1
                continue
            budget -= len(data)
            if budget <= 0:
                raise ArchiveFailed("unpacks_too_large")
            if not kind or len(data) > limits.file_bytes:
                dropped["too_large" if kind else "no_image"] += 1
                continue
            yield Picture(_unique(_safe_name(entry.filename, kind), taken), kind, data, *dimensions(data, kind))


def _check_directory(file: BinaryIO, limits: ArchiveLimits) -> None:
    """Refuse a directory that would take much memory before zipfile reads all of it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_REACH))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveFailed("not_a_zip")
    directory = _END.unpack_from(tail, at)[5]
    if tail.rfind(b"PK\x06\x07") >= 0 or directory > limits.entries * _DIRECTORY_ENTRY_MOST:
        raise ArchiveFailed("too_many_entries")
    file.seek(0)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> tuple[bytes, str]:
    """The bytes, at most one more than `most`, and the kind; of what is no image only its beginning."""
    with archive.open(entry) as member:
        data = bytearray(member.read(_HEAD))
        kind = next((name for magic, name in _KINDS if magic.match(data)), "")
        while kind and len(data) <= most:
            piece = member.read(min(_PIECE, most + 1 - len(data)))
            if not piece:
                break
            data += piece
        return bytes(data), kind


def _safe_name(name: str, kind: str) -> str:
    """The last part of the name, of letters, digits, dot, dash and underscore only, its ending the image's kind."""
    path = PurePosixPath(twin.display_name(name))
    stem = _UNUSUAL.sub("_", path.stem).strip("._-")[:80] or "image"
    ending = path.suffix[1:].lower()
    return f"{stem}.{ending if _SAME_KIND.get(ending, ending) == kind else kind}"


def _unique(name: str, taken: set[str]) -> str:
    stem, _, ending = name.rpartition(".")
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}.{ending}"
    taken.add(name.casefold())
    return name


def dimensions(data: bytes, kind: str) -> tuple[int, int]:
    """Width and height as the image's header says, (0, 0) where that is not understood."""
    try:
        if kind == "png":
            width, height = struct.unpack_from(">2L", data, 16)
        elif kind == "gif":
            width, height = struct.unpack_from("<2H", data, 6)
        elif kind == "jpg":
            height, width = _jpeg_frame(data)
        else:
            return 0, 0
    except struct.error:
        return 0, 0
    return (width, height) if max(width, height) < 1 << 20 else (0, 0)


def _jpeg_frame(data: bytes) -> tuple[int, int]:
    at = 2
    while at < len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return int(height), int(width)
        if marker < 0xFF00 or length < 2:
            break
        at += 2 + length
    return 0, 0
