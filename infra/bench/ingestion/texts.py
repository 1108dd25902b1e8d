"""Made text for the bench: sentences, headings and tables of invented words whose frequencies follow Zipf's law."""

from __future__ import annotations

import random
import re
from itertools import accumulate

_SYLLABLES = re.findall("..", "bacedifogulamenirosutavewizubelordintanter")
WORDS = 30_000


def made_text(megabytes: float, seed: int = 1) -> str:
    """Markdown of about so many megabytes with a page anchor every 3,000 characters; only words repeat."""
    chance = random.Random(seed)
    words = list({"".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(WORDS)})
    words.sort()
    chance.shuffle(words)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    parts: list[str] = []
    size = page = 0
    while size < megabytes * 1_000_000:
        page += 1
        lines = [f"--- Seite {page} ---", "", f"## {page} {' '.join(chance.choices(words, k=4)).title()}", ""]
        while sum(map(len, lines)) < 2_900:
            drawn = chance.choices(words, cum_weights=weights, k=chance.randint(40, 90))
            if chance.random() < 0.1:
                lines += [
                    "| " + " | ".join(drawn[n : n + 4]) + f" | {chance.randint(1, 999)} |" for n in range(0, 40, 4)
                ]
            else:
                lines.append(" ".join(drawn).capitalize() + ".")
            lines.append("")
        parts.append("\n".join(lines))
        size += len(parts[-1])
    return "\n".join(parts)
