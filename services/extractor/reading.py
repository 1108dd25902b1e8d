"""What a reading of a document is asked for, beside the document. Imports no PDF library."""

from __future__ import annotations

import os

import msgspec


class Reading(msgspec.Struct, frozen=True):
    """Method (`shared.methods`), languages of the text recognition, and folders that may hold their data.

    `budget` is how many seconds of one document `auto` may spend on other methods than `fast`; pages after that stay
    as `fast` reads them. `pixels` bounds the picture of a page that is recognised.
    """

    method: str = "fast"
    languages: str = "deu+eng"
    tessdata: tuple[str, ...] = ()
    budget: float = 600.0
    pixels: int = 12_000_000


def tessdata_folders() -> tuple[str, ...]:
    """Folders that the environment names for the data of the text recognition."""
    return tuple(filter(None, (os.environ.get("SHADOWTWIN_TESSDATA"), os.environ.get("TESSDATA_PREFIX"))))
