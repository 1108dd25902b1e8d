"""The language of a text, from its scripts and function words (no model, no data files)."""

from __future__ import annotations

import re
from collections import Counter

from services.transformer.reading import Reading
from services.transformer.stopwords import STOPWORDS

SAMPLE = 300_000
"""Characters that are looked at, taken evenly from the whole text."""

_SCRIPTS: dict[str, re.Pattern[str]] = {
    "kana": re.compile("[\u3041-\u30ff\uff66-\uff9d]"),
    "han": re.compile("[\u3400-\u9fff\uf900-\ufaff]"),
    "hangul": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "arabic": re.compile("[\u0620-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]"),
    "hebrew": re.compile("[\u05d0-\u05ea\ufb1d-\ufb4f]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "thai": re.compile("[\u0e01-\u0e5b]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "armenian": re.compile("[\u0531-\u0587]"),
    "georgian": re.compile("[\u10a0-\u10ff]"),
    "latin": re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
}
_LETTERS_PER_WORD = {"kana": 2.0, "han": 1.5, "hangul": 2.5, "thai": 4.0}
_BY_SCRIPT = {"thai": "th", "devanagari": "hi", "armenian": "hy", "georgian": "ka", "greek": "el", "hebrew": "he"}
_LATIN = ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "da", "nb", "fi", "cs", "hu", "ro", "tr", "ca", "la")
_LETTERS = {
    "de": "äöüß", "fr": "éèêàçœùûîôë", "es": "ñáíóú¿¡é", "it": "àèìòù", "pt": "ãõçáéíóâê", "sv": "åäö",
    "pl": "łąęśżźćń",
    "da": "æøå", "nb": "æøå", "cs": "řěůščžýáí", "hu": "őűáéö", "ro": "șțăâî", "tr": "ğışçöü", "fi": "äö",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")


def sample(reading: Reading, size: int = SAMPLE) -> str:
    """Prose of the document, taken evenly from its sheets, at most about `size` characters."""
    prose = [block.text for sheet in reading.sheets for block in sheet.blocks if block.kind != "code"]
    total = sum(map(len, prose))
    if total <= size:
        return "\n".join(prose)
    step = total // size + 1
    return "\n".join(text for number, text in enumerate(prose) if number % step == 0)[: 2 * size]


def detect(text: str, default: str = "und") -> str:
    """ISO 639-1 code of the language most of the text is in; `default` when nothing speaks for any."""
    letters = {script: len(pattern.findall(text)) for script, pattern in _SCRIPTS.items()}
    words = {script: count / _LETTERS_PER_WORD.get(script, 5.0) for script, count in letters.items()}
    cjk = words["han"] + words["kana"]
    others = {k: v for k, v in words.items() if k not in ("latin", "han", "kana")} | {"cjk": cjk}
    script = max(others, key=lambda name: others[name])
    if others[script] < 1 or others[script] < 0.3 * words["latin"]:
        return _by_words(text, _LATIN, default) if words["latin"] else default
    if script == "cjk":
        return "ja" if letters["kana"] > 0.05 * (letters["kana"] + letters["han"]) else "zh"
    if script == "hangul":
        return "ko"
    if script == "arabic":
        return "fa" if _share(text, "پچژگی") > 0.08 and _share(text, "ةيىأ") < 0.05 else "ar"
    if script == "cyrillic":
        return "uk" if _share(text, "іїєґ") > 0.01 else _by_words(text, ("ru", "bg"), "ru")
    return _BY_SCRIPT[script]


def _by_words(text: str, codes: tuple[str, ...], default: str) -> str:
    """The language whose function words (shared ones count less) and own letters are most frequent."""
    counts = Counter(_WORD.findall(text.lower()))
    scores = dict.fromkeys(codes, 0.0)
    for code in codes:
        for word in STOPWORDS[code]:
            if counts[word]:
                scores[code] += counts[word] / sum(word in STOPWORDS[other] for other in codes)
        if scores[code]:
            scores[code] *= 1 + 5 * _share(text, _LETTERS.get(code, ""))
    best = max(codes, key=lambda code: scores[code])
    return best if scores[best] > 0 else default


def _share(text: str, letters: str) -> float:
    return sum(text.count(letter) for letter in letters) / (len(text) or 1)
