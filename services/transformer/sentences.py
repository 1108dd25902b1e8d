"""Sentences of a text: where they end in Latin, Cyrillic, Arabic and East Asian writing, and which of them inform."""

from __future__ import annotations

import re

_END = re.compile(r"(?<![.!?…؟۔])[.!?…؟۔]++[\"'”’»)\]]{0,2}(?=\s|\Z)|[。！？]+[」』”）]?")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|z\.\s?B|d\.\s?h|u\.\s?a|v\.\s?a|o\.\s?ä|bzw|ca|etc|vgl|Nr|No|no|Abs|Art|Fig|Figs|Abb|Tab|Eq"
    r"|Sec|Ch"
    r"|Vol|Bd|Hrsg|ed|eds|al|cf|vs|Dr|Prof|Mr|Mrs|Ms|St|Inc|Ltd|Co|Corp|Jr|Sr|pp|p|S|U\.S|approx|resp|usw|evtl|ggf|inkl"
    r"|Tel|M|Mme|art|op|cit|ibid|Kap|dept|est|т|е|г|др|стр|рис)|(?<![^\W\d_])[^\W\d_]|\b[0-9]{1,2})\.\Z"
)
_BOILERPLATE = re.compile(
    r"copyright|©|\(c\)\s?[12]|all rights reserved|permission|licen[sc]e|alle rechte|tous droits|derechos reservados"
    r"|isbn|issn|https?://|www\.|@[\w-]+\.|著作権|版权|저작권|GNU General|redistribut|trademark",
    re.IGNORECASE,
)
_CJK = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_LEADER = re.compile(r"\.{4,}|(?:\. ){4,}|…{2,}")


def split(text: str, limit: int = 2000) -> list[str]:
    """At most `limit` sentences of a one-line text, each an exact substring of it without surrounding blanks."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        tail = text[max(start, match.start() - 12) : match.start() + 1]
        following = text[match.end() : match.end() + 2].lstrip()
        if match.group()[0] == "." and (_ABBREVIATION.search(tail) or following[:1].islower()):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
        if len(found) >= limit:
            return found
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def informs(sentence: str, longest: int = 500) -> bool:
    """Whether a sentence is complete running prose: long enough, mostly letters, no licence, no contents line."""
    if not 20 <= len(sentence) <= longest or _LEADER.search(sentence):
        return False
    letters = len(_LETTER.findall(sentence))
    wide = len(_CJK.findall(sentence))
    words = sentence.count(" ") + 1
    if wide > 0.3 * letters:
        return wide >= 12 and letters > 0.6 * len(sentence) and ends(sentence)
    if len(sentence) < 40 or words < 7 or words > 80 or letters < 0.65 * len(sentence):
        return False
    return ends(sentence) and not sentence[0].islower() and not _BOILERPLATE.search(sentence)


def ends(sentence: str) -> bool:
    """Whether the text ends like a sentence."""
    return sentence.rstrip("\"'”’»)]」』）")[-1:] in set(".!?…。！？؟۔")
