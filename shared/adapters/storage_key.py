"""Which storage keys there may be: relative, `/`-separated, of visible characters."""

from __future__ import annotations

import re
import unicodedata

from shared.errors import RequestError

KEY_BYTES = 1024
SEGMENT_BYTES = 255
_ALLOWED = frozenset("LMNPS")
"""First letters of the Unicode categories that any name may use: letters, marks, numbers, punctuation, symbols."""
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]")
_ENCODED = re.compile(r"%(2f|5c|00)", re.IGNORECASE)


def check_key(key: str) -> str:
    """The key itself; raises RequestError bad_request unless it is one that storage may use."""
    if _sound(key):
        return key
    raise RequestError("bad_request", f"This is no storage key: {ascii(key)[:200]}")


def _sound(key: str) -> bool:
    if not all(map(_visible, key)) or _ENCODED.search(key) or len(key.encode()) > KEY_BYTES:
        return False
    return all(part not in ("", ".", "..") and len(part.encode()) <= SEGMENT_BYTES for part in key.split("/"))


def _visible(character: str) -> bool:
    category = unicodedata.category(character)
    if character == "\\" or _INVISIBLE.match(character):
        return False
    # Cf holds the soft hyphen; Cn and Co hold characters newer than this Python, or of private fonts.
    return category[0] in _ALLOWED or category in ("Zs", "Cf", "Cn", "Co")
