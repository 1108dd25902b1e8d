"""A page's language from its script and its most frequent words, and how far its text can be trusted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_STOP_WORDS = {
    "en": "the and of to in is that for with are this be on as by or from which not it",
    "de": "der die und das ist nicht mit von den zu ein eine auf für dem des sich auch werden im wird oder",
    "fr": "le la les et des est une dans pour que qui sur pas au avec par du ce sont aux",
    "es": "el los las que en una por con para del se es al como más son su está este",
    "it": "il di che della per una sono con non del gli dei alla nel è più delle questo si",
    "pt": "o os que em uma para com não do da dos das por ao mais na no são é como",
    "nl": "het een van de en dat niet voor met zijn op te aan wordt door ook naar bij deze",
    "sv": "och att det som en på är av för med till den inte ett om har kan eller vid",
    "da": "og at det som en på er af for med til den ikke et om har kan eller ved skal",
    "no": "og det som en på er av for med til den ikke et om har kan eller ved skal å",
    "pl": "i w na się nie z do to jest że o od jak za po dla przez oraz są lub",
    "cs": "a v na se je že s z do to pro jako by za po jsou nebo podle které tak",
    "fi": "ja on ei että se oli joka myös tai kun ovat mutta sen sekä niin kuin ovat",
    "hu": "a az és hogy nem is egy ez van meg vagy mint csak volt kell azt",
    "tr": "ve bir bu için ile de da olarak olan daha gibi en çok ne var veya",
    "ro": "și de la în cu pe un o nu că este din sau pentru care mai sunt prin",
    "ca": "el la els les que i en una per amb del es és com més són aquest",
    "id": "yang dan di dengan untuk dari pada ini itu adalah tidak dalam akan atau",
    "vi": "của và là có được cho trong các một những không với này đã",
}
_BY_WORD: dict[str, list[str]] = {}
for _code, _words in _STOP_WORDS.items():
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_code)
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = bytes(code if code > 127 or chr(code).isalpha() else 32 for code in range(256))
_OTHER_SCRIPT = re.compile(
    "[\u0370-\u06ff\u0900-\u097f\u0e00-\u0e7f\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af\ufb50-\ufefc]"
)
_BAD = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
_GREEK = re.compile("[\u0370-\u03ff]")
_COPTIC = re.compile("[\u03d7-\u03ef\u03f2-\u03f4\u03f7-\u03ff]")
_WRONG_BYTES = re.compile("(?:[ÃÂØÙ][\u00a0-\u00bf\u0152-\u0192\u02c6-\u2122]){3,}|(?:â€.){2,}")
_WRONG_START = ("Ã", "Â", "Ø", "Ù", "â€")
_LATIN = re.compile("[a-zà-öø-ÿ]")
_VOWEL = re.compile("[aeiouyà-æè-ïò-öø-ýÿ]")
_VOWEL_SHARE = (0.2, 0.62)
_GLANCE = 900
"""So many characters tell the language of most pages; where they are in doubt more are counted."""
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ar", re.compile("[\u0600-\u06ff\ufb50-\ufdff\ufe70-\ufefc]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("hi", re.compile("[\u0900-\u097f]")),
)


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language of `text`, or "und"."""
    sample = text[:6000]
    if not sample.isascii():
        script = _script(sample[:2000])
        if script:
            return script
    return _by_words(sample[:_GLANCE], sure=True) or _by_words(sample) or "und"


def _by_words(text: str, sure: bool = False) -> str:
    """The language that the most frequent words of `text` tell, or ""; `sure` asks for more than twice the next one."""
    votes: Counter[str] = Counter()
    words = _split(text.lower())
    for word, count in Counter(filter(_BY_WORD.__contains__, words)).items():
        for code in _BY_WORD[word]:
            votes[code] += count
    (best, most), (_, next_most) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    enough = most >= max(2, 0.05 * len(words)) and (not sure or (most >= 10 and most > 2 * next_most))
    return best if enough else ""


def _split(text: str) -> list[str]:
    """The words of `text`, parted by everything that is no letter."""
    if not text.isascii():
        for char in set(text):
            if char > "\x7f" and not _WORD.match(char):
                text = text.replace(char, " ")
    return text.encode().translate(_LETTERS).decode().split()  # two times faster than by the expression


def common_words(text: str, languages: Iterable[str]) -> float:
    """The share of the words of `text` that are among the most frequent of these languages."""
    common = {word for code in languages for word in _STOP_WORDS.get(code, "").split()}
    words = _WORD.findall(text[:6000].lower())
    return sum(word in common for word in words) / len(words) if words else 0.0


def knows(language: str) -> bool:
    """Whether frequent words of a language (ISO 639-1) are known here."""
    return language in _STOP_WORDS


def _script(sample: str) -> str:
    if not _OTHER_SCRIPT.search(sample):
        return ""
    counts = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
    if counts["ja"] and counts["ja"] * 12 >= counts["zh"]:
        counts["ja"] += counts["zh"]
    code = max(counts, key=lambda key: counts[key])
    letters = sum(map(str.isalpha, sample))
    if counts[code] < 0.3 * max(1, letters):
        return ""
    if code == "ru" and re.search("[іїєґ]", sample):
        return "uk"
    return "fa" if code == "ar" and len(re.findall("[پچژگ]", sample)) * 40 > counts["ar"] else code


def _vowel_share(text: str) -> float:
    """The share of vowels among Latin letters; a shifted character map gives itself away by it."""
    latin = _LATIN.findall(text.lower())
    return len(_VOWEL.findall("".join(latin))) / len(latin) if len(latin) > 200 else 0.4


def garbled_letters(text: str) -> int:
    """How many letters of `text` stand in words of mixed alphabets, as from a font without a character map."""
    if text.isascii():
        return 0
    count = (
        sum(len(found) for found in _WRONG_BYTES.findall(text)) if any(start in text for start in _WRONG_START) else 0
    )
    if _GREEK.search(text):
        for word in _WORD.findall(text):
            greek = 0 if word.isascii() else len(_GREEK.findall(word))
            if greek and ((len(word) > 2 and _COPTIC.search(word)) or (greek > 2 and len(word) - greek > 2)):
                count += len(word)
    return count


def confidence_of(text: str, language: str, garbled: int = 0) -> float:
    """How far extracted `text` can be trusted, from 0 (nothing or garbage) to 1; `garbled` letters count as bad."""
    letters = len(text) - text.count(" ") - text.count("\n")
    if letters < 1:
        return 0.0
    bad = len(_BAD.findall(text)) if not text.isascii() or not text.isprintable() else 0
    value = max(0.0, 1.0 - 5.0 * (bad + garbled) / letters)
    if language == "und" and not _VOWEL_SHARE[0] < _vowel_share(text) < _VOWEL_SHARE[1]:
        value = min(value, 0.3)
    if letters < 20:
        value = min(value, 0.5)
    return round(value, 3)
