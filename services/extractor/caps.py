"""How much of a page is looked at, whatever it holds. Imports no PDF library."""

from __future__ import annotations

import msgspec


class Caps(msgspec.Struct, frozen=True):
    """Counts for one page: characters of text (a glyph may stand for a long string), drawn lines in search of tables.

    What is cut off is told as a warning of the page: text_capped, graphics_limit.
    """

    chars: int = 100_000
    graphics: int = 4_000
