"""Authors: names under the title or after "by", checked against the PDF's own author field."""

from __future__ import annotations

import re

from services.transformer.keywords import unique
from services.transformer.reading import Block, Reading, Sheet
from services.transformer.titles import fold, is_generic

MOST = 60

_MARKS = re.compile(r"[∗*†‡§¶‖#$+^•◦◇⋆☆✉¹²³⁰⁴-⁹]+|(?<=[^\W\d_])\d+(?:,\d+)*")
_DEGREES = re.compile(
    r"\b(?:Ph\.?\s?D\.?|M\.?D\.?|MPH|ScD|M\.?Sc\.?|B\.?Sc\.?|MBA|DDS|DVM|RN|Esq\.?|(?:Prof|Dr|Dipl|Mag|Ing|Univ|rer"
    r"|nat|med|phil)\.(?:-Ing\.)?)"
    r"(?=[\s,;]|\Z)"
)
_BRACKETS = re.compile(r"[(\[<{][^()\[\]<>{}]{0,80}[)\]>}]")
_SPLIT = re.compile(r"\s*[,;/|、，；]\s*|\s+(?:and|und|et|y|e|en|og|och|i|oraz|with|&)\s+|\s*&\s+", re.IGNORECASE)
_BY = re.compile(
    r"(?:written by|edited by|prepared by|by|authors?|autor(?:en|in|innen|es|a)?|verfasser|auteurs?|von|par|por"
    r"|réalisé par|di|door|av"
    r"|herausgeber|hrsg\.?|著者|作者|저자|글|المؤلف)\s*[:：]?\s+(?=\S)",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"\b(?:directives?|rules?|commands?|codes?|terminal|responses?|screen|effective|dates?|law|regulation|purpose)\b|universit|institut|department|school"
    r"|college|laborator|research|division|center|centre|corporation|gmbh|\binc\b|\bltd\b"
    r"|ministry|agency|office|committee|section|journal|abstract|street|avenue|road|abteilung|fakultät|hochschule"
    r"|ministerium"
    r"|faculty|société|company|hospital|clinic|foundation|version|edition|release|draft|report|january|february"
    r"|\bmarch\b|april"
    r"|\bjune\b|\bjuly\b|august|september|october|november|december|januar|februar|märz|oktober|dezember|janvier"
    r"|février|juillet"
    r"|manual|handbook|guide|programming|analysis|graphics|introduction|overview|public|national|federal|united"
    r"|states|america"
    r"|copyright|reserved|contents|chapter|volume|number|page|table|figure|e-?mail|tel\b|fax\b|http|www|catalogue"
    r"|catalog|design"
    r"|meeting|notes?\b|data\b|system|project|projekt|projet|service|team\b|group|software|language|environment"
    r"|document|form\b"
    r"|security|standards?\b|technology|information|administration|general|commune|département|municipalité|plan\b"
    r"|rapport"
    r"|bericht|studie|study|survey|program|policy|health|education|corresponding|author",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    [
        *("van", "von", "der", "den", "de", "del", "della", "di", "da", "do", "dos", "du", "des", "la", "le", "ten"),
        *("ter", "af", "av", "zu", "zum", "zur", "bin", "ibn", "al", "el", "y", "e", "st", "san", "mac", "mc"),
    ]
)
_CJK_NAME = re.compile("[\u3400-\u9fff]{2,4}|[\u3400-\u9fff\u3041-\u30ff]{3,7}|[\uac00-\ud7af]{2,4}")
_CJK_NO_NAME = re.compile("[年月日会社部度表章節第号頁目次額計率高及的与和を]|제|및|관련|목차|자료")
_TOKEN = re.compile(r"(?:[^\W\d_]\.)+-?(?:[^\W\d_]\.)*|[^\W\d_][^\W\d_'’\-]*(?:[\-'’][^\W\d_]+)*\.?")
_SYSTEM_NAME = re.compile(
    r"(?:user|admin\w*|owner|office[-\s]?\d*|unknown|anonymous|author|default|windows|root|guest|pc|hp|dell|acer"
    r"|lenovo|scan\w*"
    r"|canon|xerox|ricoh|microsoft\b.*|adobe\b.*|latex|tex|n/?a|none|null|test|.*\bcomponent)\Z",
    re.IGNORECASE,
)


def find(reading: Reading, title: str) -> list[str]:
    """Authors in printed order, without marks and affiliations; empty when none can be told with some certainty."""
    front = reading.front(3)
    stated = _stated(reading.metadata.get("author", ""))
    text = " ".join(fold(block.text[:2000]) for sheet in front for block in sheet.blocks)
    confirmed = [name for name in stated if fold(name) in text]
    if stated and len(confirmed) * 2 >= len(stated):
        return stated[:MOST]
    printed = _under_title(front, title) or _after_by(front)
    if printed:
        return printed[:MOST]
    return [name for name in stated if is_name(name) or name in confirmed or _is_body(name)][:MOST]


def is_name(text: str) -> bool:
    """Whether a text looks like one person's name: 2 to 5 capitalised words or initials, or East Asian letters."""
    if not 2 <= len(text) <= 45 or any(c.isdigit() for c in text) or _NO_NAME.search(text):
        return False
    if _CJK_NAME.fullmatch(text):
        return not _CJK_NO_NAME.search(text)
    tokens = text.split()
    proper = [token for token in tokens if token.lower() not in _PARTICLES]
    if not 2 <= len(tokens) <= 6 or not 1 <= len(proper) <= 5 or tokens[-1] not in proper:
        return False
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        return False
    cased = [token for token in proper if token[0].isupper()]
    uncased = [token for token in proper if not token[0].isupper() and not token[0].islower()]
    if len(cased) + len(uncased) != len(proper) or (uncased and len(tokens) > 4):
        return False
    return any(len(token.strip(".")) > 1 for token in proper)


def names(text: str) -> list[str]:
    """The names in a line of authors; empty when less than half of its parts are names."""
    clean = _DEGREES.sub(",", _MARKS.sub(",", _BRACKETS.sub(" ", text[:3000])))
    parts = [part.strip(" .:·-–—\t") for part in _SPLIT.split(clean)]
    parts = [part for part in (re.sub(r"^(?:and|und|et)\s+|\s+(?:and|und|et)$", "", p) for p in parts) if len(part) > 1]
    if len(parts) == 1:
        parts = _pairs(parts[0])
    found = [part for part in parts if is_name(part)]
    return unique(found) if found and len(found) * 2 >= len(parts) else []


def _pairs(text: str) -> list[str]:
    """Six or more capitalised words in a row are names whose line breaks were lost: first and last, first and last."""
    tokens = text.split()
    paired = [" ".join(pair) for pair in zip(tokens[0::2], tokens[1::2], strict=False)]
    return paired if len(tokens) >= 6 and len(tokens) % 2 == 0 and all(map(is_name, paired)) else [text]


def _under_title(front: list[Sheet], title: str) -> list[str]:
    """Names in the blocks between the title and the first prose; they end where two blocks in a row hold none."""
    wanted = fold(title)
    for sheet in front[:2]:
        after = [n for n, block in enumerate(sheet.blocks[:30]) if wanted and _belongs(block, wanted)]
        if not after:
            continue
        found: list[str] = []
        misses = 0
        for block in sheet.blocks[after[-1] + 1 : after[-1] + 40]:
            here = [] if block.kind in ("table", "code") else _line_names(block)
            misses = 0 if here else misses + 1
            found += here
            if _is_prose(block) or (block.kind == "heading" and is_generic(block.text)) or misses > (3 if found else 4):
                break
        if found:
            return unique(found)
    return []


def _belongs(block: Block, wanted: str) -> bool:
    folded = fold(block.text)
    if block.kind == "table" or len(folded) * 3 < len(wanted) or len(folded) > 3 * len(wanted):
        return False
    return folded in wanted or wanted in folded


def _line_names(block: Block) -> list[str]:
    text = _BY.sub("", block.text, count=1) if _BY.match(block.text) else block.text
    return [] if _is_prose(block) else names(text)


def _is_prose(block: Block) -> bool:
    text = block.text
    return len(text) > 120 and sum(word[:1].islower() for word in text.split()) > 0.45 * len(text.split())


def _after_by(front: list[Sheet]) -> list[str]:
    """Names after "by", "von", "Author:" at the start of a short block of the first two sheets."""
    for sheet in front[:2]:
        for block in sheet.blocks[:30]:
            match = _BY.match(block.text)
            if match and len(block.text) < 300 and (found := names(block.text[match.end() :])):
                return found
    return []


def _stated(author: str) -> list[str]:
    """The metadata's authors without accounts, machines and programs; `Last, First` is one name."""
    clean = _BRACKETS.sub("", author[:3000])
    if re.fullmatch(r"[^\W\d_][\w'’-]+,\s*[^\W\d_][\w.'’ -]*", clean.strip()) and " and " not in clean:
        last, rest = clean.split(",", 1)
        if " " not in last.strip() and len(rest.split()) <= 3 and is_name(f"{rest.strip()} {last.strip()}"):
            return [f"{rest.strip()} {last.strip()}"]
    separator = re.compile(r"\s*[;/|]\s*|\s+and\s+|\s*&\s+(?=\S+\s+\S)") if ";" in clean else _SPLIT
    parts = [part.strip(" .,") for part in separator.split(clean)]
    if ";" not in clean and _is_body(clean) and not all(map(is_name, parts)):
        parts = [clean.strip()]
    return unique(part for part in parts if len(part) > 1 and not _SYSTEM_NAME.match(part) and _plausible(part))


def _plausible(name: str) -> bool:
    return is_name(name) or _is_body(name)


def _is_body(name: str) -> bool:
    """Whether a text may be an organisation: at least two words, each with letters only."""
    tokens = name.split()
    return 2 <= len(tokens) <= 10 and len(name) <= 90 and not any(c.isdigit() or c in "_\\@" for c in name)
