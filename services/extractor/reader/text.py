"""Cleaning of text and joining of lines."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = dict.fromkeys(
    [
        *range(0x00, 0x20),
        *range(0x7F, 0xA0),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        0x2060,
        0xFEFF,
        0xFFFE,
        0xFFFF,
    ]
)
_CONTROL |= {
    c: " " for c in (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0xA0, 0x2000, 0x2001, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F)
}
_CONTROL |= {0x85: " ", 0x2028: " ", 0x2029: " ", 0x3000: " "}
_CONTROL |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_CONTROL |= {c: unicodedata.normalize("NFKC", chr(c)) for c in range(0xFB00, 0xFB07)}
_CONTROL[0x200C] = "\u200c"  # the zero-width non-joiner carries meaning in Persian
_SPECIAL = re.compile("[¨´ˆ˜˚¸ˇ˝\u0627\ufb00-\ufdff\ufe70-\ufefc\u2f00-\u2fd5\u2e80-\u2ef3]")
_PRESENTATION = re.compile("[\ufb00-\ufdff\ufe70-\ufefc\u2f00-\u2fd5\u2e80-\u2ef3]+")
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_KANA_HAN = re.compile("[\u2e80-\u312f\u31c0-\u9fff\uf900-\ufaff\uff00-\uffef]")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LTR = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u052f]")
_ACCENTS = {
    "¨": "\u0308",
    "´": "\u0301",
    "ˆ": "\u0302",
    "˜": "\u0303",
    "˚": "\u030a",
    "¸": "\u0327",
    "ˇ": "\u030c",
    "˝": "\u030b",
}
_ACCENTED = re.compile("([¨´ˆ˜˚¸ˇ˝])([A-Za-zıȷ])")
_LAM_ALEF = re.compile(
    "(\u0627)([\u0623\u0625\u0622])(\u0644)"
)  # "al-" before hamza, its ligature taken apart backwards
_HYPHENATED = re.compile(r"[^\W\d_]{2,}[-\u2010\u00ad]$")
_BROKEN_ADDRESS = re.compile(r"(?:://|\bwww\.)\S*$")
_ADDRESS_LENGTH = 200
_KEEP_HYPHEN = frozenset(["und", "oder", "or", "and", "bzw", "et", "ou", "y", "o", "e", "ed", "sowie", "als"])
_LOST_LEADERS = re.compile(r"(?<=[\w)\].,:%])\s{0,3}\ufffd{4,}\s?(?=\d|$)")
_TRAILING = re.compile(r"(?<=[\w)\]])\s*(?:[.·…_]\s?){3,}$")
_LEADERS = re.compile(r"(?:[.·…_]\s?){4,}|(?<=\s)\.\s\.(?:\s\.)?\s(?=\d{1,4}$)")


def clean(text: str) -> str:
    """`text` without control characters, ligatures, presentation forms or lone surrogates."""
    if not text.isprintable():
        text = text.translate(_CONTROL)
    if not _SPECIAL.search(text):  # what the three below look for
        return text
    if _PRESENTATION.search(text):
        text = _PRESENTATION.sub(lambda m: unicodedata.normalize("NFKC", m.group()), text)
    if _LAM_ALEF.search(text):
        text = _LAM_ALEF.sub(r"\1\3\2", text)
    if _ACCENTED.search(text):
        text = _ACCENTED.sub(_accented, text)
    return text


def _accented(match: re.Match[str]) -> str:
    """Accent and letter as TeX sets them one over the other, made one character."""
    letter = {"ı": "i", "ȷ": "j"}.get(match.group(2), match.group(2))
    whole = unicodedata.normalize("NFC", letter + _ACCENTS[match.group(1)])
    return whole if len(whole) == 1 else match.group()


def is_rtl(text: str) -> bool:
    """Whether most letters of `text` run from right to left."""
    if text.isascii():
        return False
    found = _RTL.findall(text)
    return bool(found) and len(found) > len(_LTR.findall(text))


def is_wide(char: str) -> bool:
    """Whether `char` belongs to a script that puts no spaces between words (Chinese, Japanese)."""
    return _KANA_HAN.match(char) is not None


def shorten_leaders(text: str) -> str:
    """`text` with the dot leaders of a table of contents made short."""
    if "...." in text or ". . " in text or "…" in text or "___" in text or "···" in text:
        return _LEADERS.sub(" ... ", text)
    return text


def drop_leaders(text: str) -> str:
    """`text` without the dots that lead from the label of a row to its first value."""
    return _TRAILING.sub("", text) if text[-1:] in ".·…_" else text


def find_lost_leaders(text: str) -> str:
    """`text` with the leaders made short that were set in a font without a character map."""
    return _LOST_LEADERS.sub(" ... ", text).strip() if "\ufffd\ufffd\ufffd\ufffd" in text else text


def is_broken_address(left: str, right: str) -> bool:
    """Whether `left` ends within a web address that goes on in `right`."""
    tail = left[-_ADDRESS_LENGTH:]
    if "://" not in tail and "www." not in tail:
        return False
    return (left[-1] != "." or right[0].islower()) and _BROKEN_ADDRESS.search(tail) is not None


def join(left: str, right: str) -> str:
    """Two lines of one paragraph as one, words broken by a hyphen made whole."""
    if not left or not right:
        return left or right
    last, first = left[-1], right[0]
    if last in "/-_=&?%." and is_broken_address(left, right):
        return left + right
    if last in "-\u2010\u00ad" and first.islower():
        word = right.split(None, 1)[0].strip(",.;")
        if last == "\u00ad" or (_HYPHENATED.search(left[-3:]) and word not in _KEEP_HYPHEN):
            return left[:-1] + right
        return left + (" " if word in _KEEP_HYPHEN else "") + right
    if last in "-\u2010" and len(left) > 1 and left[-2].isalnum() and first.isalnum():
        return left + right
    if ord(last) > 0x2E7F and ord(first) > 0x2E7F and is_wide(last) and is_wide(first):
        return left + right
    return f"{left} {right}"
