"""Settings of the ingestor."""

from __future__ import annotations

from typing import Literal

from shared.settings import Settings


class IngestorSettings(Settings):
    """`embed_large` also embeds the large windows; batches are rows.

    `chunker`: `windows` (exact token windows, seed 004) or `structure` (whole sections, lists, tables of one page).
    """

    concurrency: int = 2
    """Documents at a time."""
    embed_large: bool = False
    """Embed the large windows as well."""
    chunker: Literal["windows", "structure"] = "windows"
    """`windows` of exact tokens, or the `structure` of a page: whole sections, lists, tables."""
    embed_batch: int = 256
    """Rows that are embedded and stored together."""
    small_core: int = 200
    """Tokens of a small window."""
    small_guard: int = 60
    """Tokens before and behind a small window."""
    large_core: int = 1600
    """Tokens of a large window: whole small ones."""
    large_guard: int = 100
    """Tokens before and behind a large window."""
