"""The machine's own Chromium, driven by Playwright: no browser is ever fetched."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
"""Nothing but the pages asked for."""


def found() -> str | None:
    """The browser that CHROME names, or one that the system has."""
    named = os.environ.get("CHROME")
    if named:
        return named if Path(named).is_file() else None
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, which is gone afterwards."""
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found(), args=QUIET)
        try:
            yield opened
        finally:
            opened.close()
