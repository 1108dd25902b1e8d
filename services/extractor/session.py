"""One document read by as many children as it takes: a page that kills its reader costs that page.

    session = Session(children, settings, take)
    await session.read(Task(path=...))

A child says which place it is about to touch (`services.extractor.places`). When it dies, that place is lost, and a
new child goes on behind what was taken, with the lost places to be left alone, also in its look-ahead (ADR 13).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from services.extractor.places import is_place, is_slow
from services.extractor.settings import ExtractorSettings
from services.extractor.task import Task
from shared.child import ChildFailed, ChildRaised, Children, Limits
from shared.errors import CATALOGUE, DocumentError, TransientError

logger = logging.getLogger("session")

TARGET = "services.extractor.child_extract:extract"
FAULTS = {
    "crash": "pdf_crashed",
    "timeout": "pdf_timeout",
    "cpu": "pdf_page_timeout",
    "idle": "pdf_page_timeout",
    "memory": "pdf_memory_limit",
}
"""Error code of the place, for each way in which a child can end badly."""
_GROWING = ("memory", "cpu")
"""What a child may also have used up on the pages before: the place is tried once more by a fresh child."""


class Session:
    """Drives the children of one document.

    `take` gets the child's messages in page order, except those about places, and {"lost": {place: code}} whenever
    that has grown.
    """

    def __init__(
        self,
        children: Children,
        settings: ExtractorSettings,
        take: Callable[[dict[str, Any]], Awaitable[None]],
        target: str = TARGET,
    ) -> None:
        self._children, self._settings, self._take, self._target = children, settings, take, target
        self._left = settings.child_seconds
        self._taking = 0.0
        self._suspects: set[str] = set()
        self._at = ""
        self._pages = 0
        self._sent: set[tuple[str, str]] = set()
        """Pictures of the page that is not finished: the next child finds them again."""
        self._marks: dict[str, dict[str, Any]] = {}
        self._task = Task(path="")

    @property
    def lost(self) -> dict[str, str]:
        """Places at which a child died, with the code of each."""
        return self._task.lost

    async def read(self, task: Task) -> None:
        """Read `task` to its end. DocumentError (a code of FAULTS, pdf_timeout) when it cannot be had within limits,
        and whatever the child says of the document; TransientError when the forkserver is lost."""
        self._task = task
        for _ in range(self._settings.max_restarts + 1):
            if await self._one_child():
                return
        code = next(reversed(self._task.lost.values()), "pdf_crashed")
        raise DocumentError(
            code,
            f"The PDF made its reader end {self._settings.max_restarts + 1} times; last: {CATALOGUE[code].message}",
        )

    async def _one_child(self) -> bool:
        """Whether the document has been read to its end."""
        self._at, self._pages, self._taking = "", 0, 0.0
        started = time.monotonic()
        try:
            await self._children.run(self._target, msgspec.to_builtins(self._task), self._limits(), self._hear)
            return True
        except ChildFailed as failed:
            await self._mourn(failed.kind, failed.detail)
        except ChildRaised as raised:
            logger.warning("the reader raised", extra={"place": self._at, "detail": raised.detail[-2000:]})
            await self._mourn("raised", raised.message)
        self._left -= time.monotonic() - started - self._taking
        return False

    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            memory_bytes=settings.child_memory_bytes,
            cpu_seconds=settings.child_cpu_seconds,
            file_bytes=settings.child_file_bytes,
            open_files=settings.child_open_files,
            wall_seconds=max(self._left, 0.0),
            idle_seconds=settings.page_seconds,
        )

    async def _hear(self, message: dict[str, Any]) -> float | None:
        if "at" in message:
            if is_place(message["at"]):
                self._at = message["at"]
            return self._settings.slow_page_seconds if is_slow(self._at) else None
        started = time.monotonic()
        if not self._is_known(message):
            await self._take(message)
        if "page" in message:
            self._finish(message["page"]["number"])
        elif "info" in message:
            self._task = replace(self._task, sha256="")  # checked once
        self._taking += time.monotonic() - started
        return None

    def _is_known(self, message: dict[str, Any]) -> bool:
        """Whether a picture was sent by an earlier child, which died before it had finished the page."""
        kind = next((kind for kind in ("image", "preview") if kind in message), "")
        if not kind:
            return False
        picture = (kind, str(message[kind]["name"]))
        if message.get("fingerprint"):
            self._marks[message["fingerprint"]] = message["image"]
        known = picture in self._sent
        self._sent.add(picture)
        return known

    def _finish(self, page: int) -> None:
        seen = {mark: image["name"] for mark, image in self._marks.items()}
        hashes = {image["name"]: image["sha256"] for image in self._marks.values()}
        self._task.seen.update(seen)
        self._task.hashes.update(hashes)
        self._task = replace(self._task, first=page + 1)
        self._sent, self._marks = set(), {}
        self._pages += 1
        self._at = ""

    async def _mourn(self, kind: str, detail: str) -> None:
        """Decide what the child's death has cost; raises when no single place is at fault, so that every return is a
        step forward: pages taken, a place lost, or a place that gets its one second try."""
        code, place = FAULTS.get(kind, "pdf_page_failed"), self._at
        logger.info("a reader ended", extra={"kind": kind, "detail": detail, "place": place})
        if kind == "lost":
            raise TransientError("unavailable", "The reader's process was lost.")
        if kind == "timeout":
            raise DocumentError("pdf_timeout", self._sentence("pdf_timeout"))
        if not place and self._pages:
            return
        if not place or place in self._task.lost:
            code = {"pdf_page_timeout": "pdf_timeout", "pdf_page_failed": "pdf_corrupt"}.get(code, code)
            raise DocumentError(code, self._sentence(code))
        if kind in _GROWING and self._pages and place not in self._suspects:
            self._suspects.add(place)
            return
        lost = {place: code}
        if self._sent and place.endswith("/images"):  # figures are numbered behind all images
            lost[place.removesuffix("images") + "figures"] = code
        self._task = replace(self._task, lost={**self._task.lost, **lost})
        await self._take({"lost": self._task.lost})

    def _sentence(self, code: str) -> str:
        done = self._task.first - 1
        return CATALOGUE[code].message + (f" (after page {done})" if done else "")
