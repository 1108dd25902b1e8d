"""Dimensions, numbers, prices and article numbers as catalogues print them, with a decimal point or comma."""

from __future__ import annotations

import re

DIMENSION = re.compile(
    r"(?<![\w,.])(?:[Øø]\s?)?\d{1,5}(?:[.,]\d{1,3})?(?:\s?[x×X]\s?\d{1,5}(?:[.,]\d{1,3})?){1,2}(?:\s?(?:cm|mm|m|in|inch|\"))?(?!\w)"
    r"|(?<![\w,.])[Øø]\s?\d{1,5}(?:[.,]\d{1,3})?(?:\s?(?:cm|mm|m))?(?!\w)"
)
"""Such as "7,5x15 cm", "45 x 45 cm", "120×278", "Ø 30 cm"."""

WEIGHT = re.compile(r"(?<![\w,.])\d{1,5}(?:[.,]\d{1,3})?\s?(?:kg|g)(?:\s?/\s?(?:m²|m2|m|st|stk|pc|piece)\.?)?(?![\w²])")
YEAR = re.compile(r"(?<!\d)(?:19[3-9]\d|20[0-4]\d)(?!\d)")
_SKU = re.compile(r"(?=[A-Z0-9./_-]{5,30}\Z)(?=.*\d)[A-Z0-9]{1,12}(?:[./_-][A-Z0-9]{1,12}){0,5}\Z", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}(?:[ '.,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?")
_MONEY = re.compile(r"(?:€|eur|usd|\$|chf|gbp|£)", re.IGNORECASE)
_CURRENCIES = {
    "€": "EUR",
    "eur": "EUR",
    "euro": "EUR",
    "usd": "USD",
    "$": "USD",
    "chf": "CHF",
    "gbp": "GBP",
    "£": "GBP",
}
_PER = re.compile(r"/\s?(m²|m2|qm|m|stk|stück|pc|piece|kg|set)\b\.?", re.IGNORECASE)


def is_sku(text: str) -> bool:
    """Whether a text is an article number by its looks: one word of at least five characters with digits and letters
    or separators, that is no number, no dimension and no year."""
    if not _SKU.match(text) or DIMENSION.fullmatch(text):
        return False
    letters = sum(c.isalpha() for c in text)
    parts = re.split(r"[./_-]", text)
    if not letters:
        return len(parts) >= 3 and all(parts)
    return text.upper() == text and (len(parts) > 1 or letters < len(text) - 1)


def sku_stem(sku: str) -> str:
    """What the articles of one product have in common: the first part of the number; empty for bare numbers."""
    first = re.split(r"[./_ -]", sku)[0].upper()
    if first == sku.upper():
        match = re.match(r"[A-Z]{2,}\d?", first)
        return match.group() if match else ""
    return first if any(c.isalpha() for c in first) or len(first) >= 3 else ""


def number(text: str) -> float | None:
    """The first number of a text: "1.120,50" and "1,120.50" are 1120.5, "8,5 mm" is 8.5."""
    match = _NUMBER.search(text)
    if match is None:
        return None
    digits = match.group().replace(" ", "").replace("'", "")
    point, comma = digits.rfind("."), digits.rfind(",")
    mark = max(point, comma)
    if mark >= 0:
        whole = digits[:mark].replace(".", "").replace(",", "")
        grouped = point >= 0 > comma or comma >= 0 > point
        thousands = (
            grouped and len(digits) - mark - 1 == 3 and (len(digits[:mark]) <= 3 or digits.count(digits[mark]) > 1)
        )
        digits = whole + ("" if thousands and whole != "0" else ".") + digits[mark + 1 :]
    return float(digits)


def has_money(text: str) -> bool:
    """Whether a text names a currency."""
    return bool(_MONEY.search(text))


def currency(text: str) -> str:
    """ISO code of the first currency that a text names; empty for none."""
    match = _MONEY.search(text)
    return _CURRENCIES[match.group().lower()] if match else ""


def per_unit(text: str) -> str:
    """The unit that a price is for ("m²", "piece"); empty when none is named."""
    match = _PER.search(text)
    return match.group(1).replace("m2", "m²").replace("qm", "m²") if match else ""


def listed(text: str) -> list[str]:
    """The parts of an enumeration; a decimal comma does not part."""
    parts = re.split(r"\s+[/|•·]\s+|\s*;\s*|,\s+|(?<=[^\d\s])/(?=[^\d\s]{3})|\s+(?:und|and)\s+(?=\S+\Z)", text.strip())
    return [part.strip(" ,;/") for part in parts if part.strip(" ,;/")]
