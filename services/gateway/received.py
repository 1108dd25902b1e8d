"""What is being received: whether it may be a PDF, and where it lies until it is one of our documents."""

from __future__ import annotations

import os
import socket
import time

from shared.errors import DocumentError

UPLOADS = "uploads"
DAY_SECONDS = 86_400

MAGIC_WITHIN = 1024
"""Bytes at the start of a file within which `%PDF-` must stand."""


def place() -> str:
    """Where this process receives uploads: named so that a later one can tell that it is gone."""
    return f"{socket.gethostname()}~{os.getpid()}~{int(time.time())}"


def abandoned(place: str) -> bool:
    """Whether the process that received there is gone: surely on this host, after a day elsewhere."""
    host, _, rest = place.partition("~")
    pid, _, started = rest.partition("~")
    if not (pid.isdigit() and started.isdigit()):
        return True
    if host != socket.gethostname() or int(pid) == os.getpid():
        return host == socket.gethostname() or time.time() - int(started) > DAY_SECONDS
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return time.time() - int(started) > 30 * DAY_SECONDS


def check_magic(head: bytes) -> None:
    """Raise DocumentError pdf_empty or pdf_not_a_pdf for the first bytes of a file."""
    if not head:
        raise DocumentError("pdf_empty")
    if b"%PDF-" not in head:
        raise DocumentError("pdf_not_a_pdf", f"The file is not a PDF; it looks like {_looks_like(head)}.")


_KINDS = (
    (b"PK\x03\x04", "a ZIP or Office file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{\\rtf", "an RTF file"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
)


def _looks_like(head: bytes) -> str:
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "an XML or SVG file" if start.startswith((b"<?xml", b"<svg")) else "something else"
