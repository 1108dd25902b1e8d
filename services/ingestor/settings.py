"""Settings of the ingestor."""

from __future__ import annotations

from typing import Literal

from shared.settings import Settings


class IngestorSettings(Settings):
    """`embed_large` also embeds the large windows; batches are rows.

    `chunker`: `windows` (exact token windows, seed 004) or `structure` (whole sections, lists, tables of one page).
    """

    concurrency: int = 2
    embed_large: bool = False
    chunker: Literal["windows", "structure"] = "windows"
    embed_batch: int = 256
    small_core: int = 200
    small_guard: int = 60
    large_core: int = 1600
    large_guard: int = 100
