"""Lines set like a heading that head no section: labels of boxed remarks, dates, versions and addresses."""

from __future__ import annotations

import re
from functools import lru_cache

# The admonitions of DocBook, reStructuredText and AsciiDoc with their usual translations.
_ADMONITION = re.compile(
    r"^(?:n\.?b\.?|note|notes|warning|caution|important|tip|hint|danger|attention|remark|"
    r"hinweis|hinweise|warnung|achtung|vorsicht|wichtig|tipp|anmerkung|bemerkung|gefahr|"
    r"remarque|avertissement|mise en garde|astuce|conseil|"
    r"nota|aviso|advertencia|precaución|atención|importante|consejo|sugerencia|cuidado|dica|atenção|"
    r"avviso|avvertenza|avvertimento|attenzione|suggerimento|cautela|"
    r"opmerking|waarschuwing|let op|belangrijk|"
    r"uwaga|ostrzeżenie|ważne|wskazówka|poznámka|upozornění|varování|důležité|"
    r"примечание|замечание|внимание|предупреждение|важно|подсказка|"
    r"注|注意|注記|注意事項|警告|重要|ヒント|備考|提示|참고|주의|경고|중요)\s*[:：.!！]?$",
    re.I,
)
_ADDRESS = re.compile(r"\S@\S|https?://|\bwww\.\S")
_PHONE = re.compile(r"^\W*(?:tel|tél|phone|telephone|telefon|téléphone|fax|mobile?)\.?\s*:?\s*[+(]?\d", re.I)
_LABEL_LENGTH = 40
_VERSION = re.compile(r"^\W*(?:version|release|revision|ver\.?|rev\.?|v\.?)\s?\d[\w.\-]*\W*", re.I)
_MONTH = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|"
    r"september|october|november|december|januar|jänner|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|"
    r"mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|"
    r"agosto|septiembre|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|"
    r"dicembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|dezembro|monday|tuesday|wednesday|thursday|"
    r"friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)\b",
    re.I,
)
_REST = re.compile(r"[\d\W_]+|\b(?:de|st|nd|rd|th|of|den|der|le|date)\b|[年月日년월일]", re.I)


@lru_cache(512)
def is_label(text: str) -> bool:
    """Whether `text` only says what kind of remark follows ("Note", "Warnung:")."""
    return len(text) <= _LABEL_LENGTH and _ADMONITION.match(text) is not None


def is_address(text: str) -> bool:
    """Whether `text` holds an e-mail or web address, or is a telephone number."""
    if ("@" in text or "://" in text or "www." in text) and _ADDRESS.search(text):
        return True
    return text[-1:].isdigit() and _PHONE.match(text) is not None


@lru_cache(128)
def is_dateline(text: str) -> bool:
    """Whether `text` is nothing but a version or a date."""
    rest = _VERSION.sub("", text, count=1)
    bare = _MONTH.sub("", rest)
    return (rest != text or bare != text or any(map(str.isdigit, text))) and not _REST.sub("", bare)
