"""Tokens before they are counted by the endpoint: estimates that are rather too high than too low."""

from __future__ import annotations

IMAGE_TOKENS = 1_600
"""Of one image at full detail: more than what the large vendors charge for about a megapixel."""

MESSAGE_TOKENS = 12


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: one for three bytes of UTF-8."""
    return len(text.encode("utf-8", "surrogatepass")) // 3 + 1
