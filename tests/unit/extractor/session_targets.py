"""Readers that are the real one until they come to a certain place, for test_session.py."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Any

from services.extractor.child_extract import extract

Send = Callable[[Any], None]


def _dying(places: set[str], death: Callable[[], Any], args: dict[str, Any], send: Send) -> None:
    def tell(message: dict[str, Any]) -> None:
        send(message)
        if message.get("at") in places:
            death()

    extract(args, tell)


def _segfault() -> None:
    ctypes.string_at(0)


def _hoard() -> None:
    raise MemoryError


def crash_at_3(args: dict[str, Any], send: Send) -> None:
    _dying({"3"}, _segfault, args, send)


def crash_everywhere(args: dict[str, Any], send: Send) -> None:
    _dying({str(number) for number in range(1, 1000)}, _segfault, args, send)


def crash_at_the_outline(args: dict[str, Any], send: Send) -> None:
    _dying({"outline"}, lambda: None if "outline" in args["lost"] else _segfault(), args, send)


def crash_at_the_outline_again_and_again(args: dict[str, Any], send: Send) -> None:
    _dying({"outline"}, _segfault, args, send)


def crash_at_the_images_of_2(args: dict[str, Any], send: Send) -> None:
    _dying({"2/images"}, _segfault, args, send)


def hang_at_3_and_6(args: dict[str, Any], send: Send) -> None:
    _dying({"3", "6"}, signal.pause, args, send)


def memory_ends_at_4(args: dict[str, Any], send: Send) -> None:
    _dying({"4"}, _hoard, args, send)


def memory_ends_on_the_way(args: dict[str, Any], send: Send) -> None:
    """The first child only: what it has used up came from the pages before."""
    pages: list[Any] = []

    def tell(message: dict[str, Any]) -> None:
        send(message)
        pages.extend([message["page"]] if "page" in message else [])
        if args["first"] == 1 and pages and message.get("at") == "9":
            _hoard()

    extract(args, tell)


def killed_from_outside_at_3(args: dict[str, Any], send: Send) -> None:
    _dying({"3"}, lambda: os.kill(os.getpid(), signal.SIGKILL), args, send)


def raise_at_3(args: dict[str, Any], send: Send) -> None:
    def fail() -> None:
        raise ValueError("unforeseen")

    _dying({"3"}, fail, args, send)


def crash_before_a_word(args: dict[str, Any], send: Send) -> None:
    _segfault()


def crash_behind_every_page(args: dict[str, Any], send: Send) -> None:
    def tell(message: dict[str, Any]) -> None:
        send(message)
        if "page" in message:
            _segfault()

    extract(args, tell)


def name_places_that_are_none(args: dict[str, Any], send: Send) -> None:
    send({"at": "../../etc/passwd"})
    send({"at": 7})
    _segfault()


def crash_behind_the_images_of_every_page(args: dict[str, Any], send: Send) -> None:
    """The first child of each page only."""
    images: list[Any] = []

    def tell(message: dict[str, Any]) -> None:
        send(message)
        images.extend([message["image"]] if "image" in message else [])
        if "at" in message and images and message["at"].endswith("/figures"):
            _segfault()

    extract(args, tell)


def measure(args: dict[str, Any], send: Send) -> None:
    """The real reader; at the end, by how much its memory has grown at most (KiB) and when its first page came (s)."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    first: list[float] = []

    def tell(message: dict[str, Any]) -> None:
        send(message)
        first.extend([time.monotonic() - started] if "page" in message else [])

    extract(args, tell)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    send({"measured": {"peak_kib": peak - before, "first_page": first[0]}})
