"""Keywords: the printed ones, the PDF's own, or phrases scored by frequency, spread and length (RAKE/YAKE kin)."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from services.transformer.reading import Reading
from services.transformer.stopwords import STOPWORDS

MOST, FEWEST = 12, 5
TEXT_LIMIT = 600_000

_LABEL = re.compile(
    r"(?:author )?(?:key\s?-?words?(?: and phrases)?|index terms|general terms|schlüsselwörter|schlüsselbegriffe"
    r"|schlagwörter"
    r"|schlagworte|stichwörter|mots[- ]cl[ée]s|palabras clave|parole chiave|palavras[- ]chave|trefwoorden|nyckelord"
    r"|słowa kluczowe|ключевые слова|ключові слова|キーワード|关键词|關鍵詞|关键字|키워드|주제어|핵심어"
    r"|الكلمات المفتاحية|كلمات مفتاحية|מילות מפתח)\s*[:：—–\-.]*\s*",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[,;·•、，；|]\s*|\s+[–—-]\s+")
_TOKEN = re.compile(r"[^\W_](?:[\w'’]|[-./+](?=\w))*\+*|[^\w\s]", re.UNICODE)
_WIDE = re.compile("[\u30a1-\u30ff]{3,15}|[\u3400-\u9fff]{2,30}")
_HAN_FUNCTION = re.compile("[的了是在和与及或为有不对于之也就都而以其所由被将等很受从向该各本]")
_KOREAN = re.compile("[\uac00-\ud7af]{2,15}")
_PARTICLE = re.compile(
    "(?:으로서|으로써|에서의|에서는|이라는|에게|에서|까지|부터|으로|라는|이나|하는|하여|하고|한다|했다|되는|된다|입니다|습니다"
    "|은|는|이|가|을|를|에|의|로|와|과|도|만|인)$"
)
_URL = re.compile(r"(?:https?://|www\.|mailto:)\S{0,300}|(?<!\S)\S{1,100}@\S{1,200}")
_WEAK_WORDS = """see section chapter example examples figure table page note notes following given using used
    called set number use
    first second third way different based including within available general possible one two three many several
    make made
    siehe abschnitt kapitel beispiel beispiele abbildung tabelle seite weitere weiteren weiterer informationen
    finden findet
    verschiedene verschiedenen folgende folgenden beim jedoch einige anderen andere ersten erste neue neuen
    voir section chapitre exemple figure tableau page suivant suivants autres plusieurs
    véase capítulo ejemplo figura tabla página siguiente otros primera vedi capitolo esempio pagina"""
_WEAK = frozenset(_WEAK_WORDS.split())
_ALL_STOP = frozenset().union(*STOPWORDS.values())


def extract(reading: Reading, text: str, language: str, title: str) -> list[str]:
    """5 to 12 keywords (fewer if the text gives fewer), best first, each as it is written in the document."""
    printed = _printed(reading)
    if len(printed) >= 3:
        return printed[:MOST]
    listed = [word for word in _split(reading.metadata.get("keywords", "")) if word]
    named = f"{title} {reading.metadata.get('title', '')} {reading.metadata.get('author', '')}".casefold()
    telling = [word for word in listed if word.casefold() not in named or len(word) < 25]
    if len(telling) >= 3:
        return listed[:MOST]
    return unique([*printed, *telling, *rank(text, language, 8)])[:MOST]


def rank(text: str, language: str, most: int = 8) -> list[str]:
    """The text's strongest phrases by statistics alone."""
    text = _URL.sub(" ; ", text[:TEXT_LIMIT])
    if language in ("zh", "ja"):
        return _wide(_HAN_FUNCTION.sub(" ", text) if language == "zh" else text, most)
    if language == "ko":
        return _korean(text, most)
    return _spaced(text, STOPWORDS.get(language, _ALL_STOP) | _WEAK, most)


def unique(words: Iterable[str]) -> list[str]:
    """The words without repeats that differ in case only."""
    return list({word.casefold(): word for word in reversed(list(words))}.values())[::-1]


def _printed(reading: Reading) -> list[str]:
    """The words of a line `Keywords: ...` on the first pages, or of the paragraph under such a heading."""
    for sheet in reading.sheets[:12]:
        for number, block in enumerate(sheet.blocks):
            match = _LABEL.match(block.text)
            if match is None or (
                block.kind != "heading" and not re.search(r"[:：—–.-]\s*\Z", match.group().rstrip() + " ")
            ):
                continue
            rest = block.text[match.end() :]
            if not rest and number + 1 < len(sheet.blocks):
                rest = sheet.blocks[number + 1].text
            words = _split(rest[:600])
            if words:
                return words
    return []


def _split(text: str) -> list[str]:
    words = [part.strip(" .:\"'") for part in _SEPARATOR.split(text[:1500])]
    good = [word for word in words if 2 <= len(word) <= 60 and word.count(" ") <= 5 and any(c.isalpha() for c in word)]
    return unique(good)


def _spaced(text: str, stop: frozenset[str], most: int) -> list[str]:
    """Runs of up to three content words, scored by frequency x length x spread over the text."""
    phrases: Counter[tuple[str, ...]] = Counter()
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first: dict[tuple[str, ...], int] = {}
    run: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        low = token.lower()
        content = len(low) > 2 and low not in stop and low[0].isalpha() and sum(map(str.isdigit, low)) <= 1
        if content:
            forms[low][token] += 1
            run.append(low)
        if not content or len(run) == 3:
            _count(run, phrases, first, match.start())
            run = run[-2:] if content else []
    _count(run, phrases, first, len(text))
    size = len(text) or 1
    floor = 2 if sum(phrases.values()) > 60 else 1

    def score(phrase: tuple[str, ...]) -> float:
        early = 1.25 - 0.5 * first[phrase] / size
        return phrases[phrase] * math.log(2 + len("".join(phrase))) * (0.4, 1.6, 1.9)[len(phrase) - 1] * early

    ranked = sorted((p for p, n in phrases.items() if n >= floor), key=lambda p: (-score(p), p))
    return _distinct(ranked, forms, most)


def _count(run: list[str], phrases: Counter[tuple[str, ...]], first: dict[tuple[str, ...], int], position: int) -> None:
    """Count the phrases that end with the run's last word."""
    for length in range(1, len(run) + 1):
        phrase = tuple(run[-length:])
        phrases[phrase] += 1
        first.setdefault(phrase, position)


def _distinct(ranked: list[tuple[str, ...]], forms: dict[str, Counter[str]], most: int) -> list[str]:
    chosen: list[tuple[str, ...]] = []
    for phrase in ranked[:400]:
        stems = set(map(_stem, phrase))
        taken = [set(map(_stem, other)) for other in chosen]
        if len(set(phrase)) == len(phrase) and not any(stems <= other or other <= stems for other in taken):
            chosen.append(phrase)
        if len(chosen) == most:
            break
    return [" ".join(forms[word].most_common(1)[0][0] for word in phrase) for phrase in chosen]


def _stem(word: str) -> str:
    """What inflected forms of a word mostly share."""
    return word[:6] if len(word) > 6 else word.rstrip("s")


def _wide(text: str, most: int) -> list[str]:
    """Katakana words, and Han sequences of two to six characters that repeat; longer ones absorb their parts."""
    counts: Counter[str] = Counter()
    for match in _WIDE.finditer(text):
        run = match.group()
        if run[0] <= "\u30ff":
            counts[run] += 1
            continue
        if len(run) <= 8:
            counts[run] += 1
        for length in range(2, min(7, len(run)) + (len(run) > 8)):
            counts.update(run[i : i + length] for i in range(len(run) - length + 1))
    floor = 2 if len(text) > 600 else 1
    ranked = sorted((w for w, n in counts.items() if n >= floor), key=lambda w: (-counts[w] * len(w) ** 1.2, w))
    return _maximal(ranked[:300], counts, most)


def _maximal(ranked: list[str], counts: Counter[str], most: int) -> list[str]:
    chosen: list[str] = []
    for word in ranked:
        longer = any(word in other and counts[other] >= 0.6 * counts[word] for other in ranked if other != word)
        if not longer and not any(word in other or other in word for other in chosen):
            chosen.append(word)
        if len(chosen) == most:
            break
    return chosen


def _korean(text: str, most: int) -> list[str]:
    """Words with their particle cut off, by frequency."""
    stop = STOPWORDS["ko"]
    words = (match.group() for match in _KOREAN.finditer(text))
    stems = (word if len(word) < 3 else _PARTICLE.sub("", word) for word in words if word not in stop)
    counts = Counter(stem for stem in stems if len(stem) >= 2 and stem not in stop)
    floor = 2 if len(text) > 600 else 1
    ranked = sorted((w for w, n in counts.items() if n >= floor), key=lambda w: (-counts[w] * math.sqrt(len(w)), w))
    return ranked[:most]
