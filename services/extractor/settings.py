"""Settings of the extractor."""

from __future__ import annotations

from services.extractor.caps import Caps
from services.extractor.reading import Reading, tessdata_folders
from shared.external_settings import ExternalSettings
from shared.job import Parameters


class ExtractorSettings(ExternalSettings):
    """Sizes in bytes, times in seconds.

    `child_seconds` is the wall clock of a document over all its children, `page_seconds` the longest time without a
    word of the child, which speaks at every page. `child_*` are the kernel's limits for one child: address space, CPU
    time, size of a written file, open descriptors. `max_restarts` bounds how many readers a document may kill.
    `respect_permissions` refuses a document whose owner forbids copying (pdf_copy_forbidden); off, because who owns
    the system's documents asks for their text, and the restriction of such a file is shown in its document.json.
    `page_chars` and `page_graphics` count characters and drawn lines of a page (`services.extractor.caps`).
    `slow_page_seconds` is that for text recognition or the layout model. `ocr_languages` and `escalation_seconds` stand
    in for job options that are not given, `ocr_pixels` bounds the picture of a page that is recognised.
    """

    concurrency: int = 2
    """Documents at a time."""
    max_pages: int = 5000
    """A longer PDF is refused."""
    max_restarts: int = 100
    """How many readers a document may kill."""
    child_memory_bytes: int = 3 << 30
    """The most memory of a reader."""
    child_cpu_seconds: int = 1800
    """The most CPU time of a reader."""
    child_file_bytes: int = 1 << 30
    """The largest file that a reader may write."""
    child_open_files: int = 256
    """The most open files of a reader."""
    child_seconds: float = 1800.0
    """The longest time of a document, over all its readers."""
    page_seconds: float = 60.0
    """The longest time of a page."""
    respect_permissions: bool = False
    """Refuse a PDF whose owner forbids copying (pdf_copy_forbidden)."""
    page_chars: int = 100_000
    """The most characters of a page."""
    page_graphics: int = 4_000
    """The most drawn lines of a page."""

    def caps(self) -> Caps:
        """How much of a page is looked at."""
        return Caps(chars=self.page_chars, graphics=self.page_graphics)

    slow_page_seconds: float = 240.0
    """The longest time of a page for text recognition or the layout model."""
    ocr_languages: str = "deu+eng"
    """Languages of the text recognition, unless a job names its own."""
    ocr_pixels: int = 12_000_000
    """The largest picture of a page that is recognised."""
    escalation_seconds: float = 600.0
    """How long `auto` may spend on slower methods for a document, unless a job says so."""

    def reading(self, parameters: Parameters) -> Reading:
        """How the pages of a job are read: its options, and what they leave open."""
        wanted = parameters.escalation_seconds
        return Reading(
            method=parameters.extraction_method,
            languages=parameters.ocr_languages or self.ocr_languages,
            tessdata=tessdata_folders(),
            budget=self.escalation_seconds if wanted is None else wanted,
            pixels=self.ocr_pixels,
        )
