"""What a catalogue states beside its products: certificates, specifications, marks, and claims made plainly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from services.transformer.discovery.facts import Facts
from services.transformer.discovery.records import Entity, entity_id
from services.transformer.discovery.specifications import specifications
from services.transformer.discovery.view import Line, Sheet, View
from services.transformer.titles import fold

DESCRIPTION_MOST = 400
ENTITIES_MOST = 2000
_CERTIFIED = re.compile(
    r"\b(?:certifi\w*|zertifi\w*|prüfzeichen|prüfzeugnis|urkunde|licen[cs]e|lizenz|registration|registrier\w*)[\s-]*"
    r"(?:no|nr|number|nummer|id|code)?\b\.?\s*:?\s*#?\s*(?P<number>[A-Z]{0,6}[-/ ]?\d[\w./-]{1,30})",
    re.IGNORECASE,
)
_VALID = re.compile(
    r"(?:valid (?:until|to|through)|expir\w+(?: on)?|gültig bis(?: zum)?|gültigkeit(?: bis)?|valable jusqu'au)"
    r"\s*:?\s*"
    r"(?P<until>\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d{1,2}/\d{4}"
    r"|(?:[^\W\d_]{3,10}\.?\s)?(?:\d{1,2},?\s)?\d{4})",
    re.IGNORECASE,
)
_TITLED = re.compile(r"certificat|certified|zertifi|prüfzeichen|prüfsiegel|gütesiegel", re.IGNORECASE)
_MARK = re.compile(
    r"(?:ISO\s?\d{4,5}|CE|UKCA|LEED|BREEAM|DGNB|EPD|FSC|PEFC|GREENGUARD|EMAS|OEKO-TEX|GOTS|GRS|Blauer Engel|Blue Angel"
    r"|Cradle to Cradle|Ecolabel|EU Ecolabel|Nordic Swan|NSF|UL|TÜV|GS|Energy Star|Declare|WELL|A\+)\b",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"\b(?:certified |zertifizierte[mnrs]? )?(?:renewable (?:electricity|energy)"
    r"|(?:100 ?% )?green (?:electricity|energy)"
    r"|(?:erneuerbare\w*|regenerative\w*) (?:energie\w*|strom)|ökostrom|grünstrom"
    r"|(?:climate|carbon|co2|co₂)[- ]neutral\w*|klimaneutral\w*|co2-neutral\w*"
    r"|\d{1,3} ?% (?:recycled|recycelt\w*|recyceltes)[^.;]{0,40}|(?:fully|vollständig) (?:recyclable|recycelbar)"
    r"|(?:plastic|solvent|formaldehyde)-free|lösemittelfrei|formaldehydfrei)",
    re.IGNORECASE,
)


class _Stated(NamedTuple):
    name: str
    text: str
    at: int


def find(view: View, facts: Mapping[int, Facts], product_pages: Sequence[int], document_id: str) -> list[Entity]:
    """All entities in the order of the sheets; ids are the same every time."""
    products = set(product_pages)
    found: list[Entity] = []
    previous: tuple[str, ...] = ()
    for number in sorted(facts):
        fact = facts[number]
        rows, previous = specifications(fact.sheet, previous, document_id, is_statement)
        found += rows
        if number in products:
            continue
        certificates = _certificates(fact, document_id)
        found += certificates
        found += _marks(fact.sheet, certificates, document_id) if certificates else []
        found += _claims(fact, document_id)
    found += [_mark(document_id, row, "repeated on many pages") for row in view.repeated]
    return found[:ENTITIES_MOST]


def is_statement(text: str) -> bool:
    """Whether a text gives the number or the validity of a certificate."""
    return bool(_CERTIFIED.search(text) or _VALID.search(text))


def is_certificates(fact: Facts) -> bool:
    """Whether a sheet is about certificates: by its title, or by at least two numbers or terms of validity."""
    said = (
        [line.text for line in fact.sheet.lines if line.kind == "heading"][:2]
        + list(fact.sheet.running)
        + [fact.section]
    )
    if any(_TITLED.search(text) and len(text) < 80 for text in said):
        return True
    text = fact.sheet.text
    return len(_CERTIFIED.findall(text)) >= 2 and bool(_VALID.search(text))


def _certificates(fact: Facts, document_id: str) -> list[Entity]:
    if not is_certificates(fact):
        return []
    found = []
    for stated in _stated(fact.sheet):
        number, until = _CERTIFIED.search(stated.text), _VALID.search(stated.text)
        if not number and not until and not _MARK.match(stated.name):
            continue
        cuts = [match.start() for match in (number, until) if match]
        description = stated.text[: min(cuts)] if cuts else stated.text
        found.append(
            Entity(
                entity_id=entity_id(
                    document_id, "certificate", stated.name, fact.number, number["number"] if number else ""
                ),
                kind="certificate",
                name=stated.name,
                page=fact.number,
                description=description.strip(" ,;.:-|")[:DESCRIPTION_MOST],
                number=number["number"] if number else "",
                valid_until=until["until"] if until else "",
                confidence=round(
                    0.5 + 0.2 * bool(number) + 0.2 * bool(until) + 0.05 * bool(_MARK.match(stated.name)), 2
                ),
            )
        )
    return _with_images(found, fact.sheet)


def _stated(sheet: Sheet) -> list[_Stated]:
    """What a sheet states under short titles: (title, text below it). Rows of a table state their first cell; a text
    in which several numbers stand is parted behind each."""
    found: list[_Stated] = []
    names = _names(sheet)
    for at, line in enumerate(sheet.lines):
        if line.cells:
            if len(line.cells) >= 2 and line.cells[0]:
                found.append(_Stated(line.cells[0], " ".join(line.cells[1:]), at))
        elif fold(line.text) in names or (line.kind == "heading" and not _TITLED.search(line.text)):
            found.append(_Stated(line.text, "", at))
        elif found and not _several(line) and not _starts(line, names):
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {line.text}".strip())
        else:
            found += [_Stated(name, text, at) for name, text in _parted(line.text, names)]
    return found


def _names(sheet: Sheet) -> set[str]:
    """Folded titles of certificates: what pictures are called, and short lines that name a known mark."""
    captions = [str(row.get("caption") or "") for row in sheet.images]
    names = {fold(caption) for caption in captions}
    names |= {
        fold(line.text) for line in sheet.lines if len(line.text) <= 40 and not line.cells and _MARK.match(line.text)
    }
    stated = {fold(text) for text in captions if is_statement(text)}
    return {name for name in names - stated if name and len(name) <= 60}


def _several(line: Line) -> bool:
    return len(_CERTIFIED.findall(line.text)) > 1


def _starts(line: Line, names: set[str]) -> bool:
    """Whether a line begins with the title of a certificate and states something of it."""
    return _named(line.text, names) != "" and is_statement(line.text)


def _named(text: str, names: set[str]) -> str:
    """The title that a text begins with: a picture's, else a known mark's."""
    parts = text.split()
    for count in range(min(5, len(parts)), 0, -1):
        if fold(" ".join(parts[:count])) in names:
            return " ".join(parts[:count])
    mark = _MARK.match(text)
    return mark.group() if mark else ""


def _parted(text: str, names: set[str]) -> list[tuple[str, str]]:
    found = []
    start = 0
    ends = [match.end() for match in _VALID.finditer(text)] or [match.end() for match in _CERTIFIED.finditer(text)]
    for end in ends:
        part = text[start:end].strip(" .,;")
        start = end
        name = _named(part, names) or re.split(r"\s[-–:|]\s|:\s", part)[0]
        if len(name) <= 60:
            found.append((name, part[len(name) :].strip(" -–:|,")))
    return found


def _with_images(found: list[Entity], sheet: Sheet) -> list[Entity]:
    """Each certificate with its picture: by order when there are as many, else the one of its name."""
    by_name = {fold(str(row.get("caption") or "")): str(row.get("name") or "") for row in sheet.images}
    ordered = [str(row.get("name") or "") for row in sheet.images]
    result = []
    for at, entity in enumerate(found):
        image = ordered[at] if len(ordered) == len(found) else by_name.get(fold(entity.name), "")
        result.append(replace(entity, image=image))
    return result


def _marks(sheet: Sheet, certificates: Sequence[Entity], document_id: str) -> list[Entity]:
    """The pictures of a sheet of certificates, as marks."""
    names = {entity.image: entity.name for entity in certificates if entity.image}
    return [_mark(document_id, row, "", names.get(str(row.get("name") or ""), "")) for row in sheet.images]


def _mark(document_id: str, row: Mapping[str, Any], description: str, name: str = "") -> Entity:
    page = int(row.get("page") or 1)
    image = str(row.get("name") or "")
    shown = name or str(row.get("caption") or "")[:80] or image
    return Entity(
        entity_id=entity_id(document_id, "logo", shown, page, image),
        kind="logo",
        name=shown,
        page=page,
        description=description,
        image=image,
        confidence=0.7 if name else 0.5,
    )


def _claims(fact: Facts, document_id: str) -> list[Entity]:
    """Claims of a sheet that is about them: its section names sustainability or the environment."""
    if not re.search(
        r"sustainab|environment|nachhaltig|umwelt|responsib|verantwort|climate|klima", fact.section, re.IGNORECASE
    ):
        return []
    found: dict[str, Entity] = {}
    for line in fact.sheet.lines:
        for match in _CLAIM.finditer(line.text):
            name = re.sub(r"\A(?:certified|zertifizierte\w?)\s", "", match.group(), flags=re.IGNORECASE)
            start = line.text.rfind(". ", 0, match.start()) + 1
            end = line.text.find(".", match.end())
            sentence = line.text[start : end + 1 if end >= 0 else None].strip()
            found.setdefault(
                fold(name),
                Entity(
                    entity_id=entity_id(document_id, "claim", name, fact.number),
                    kind="claim",
                    name=name,
                    page=fact.number,
                    description=sentence[:DESCRIPTION_MOST],
                    confidence=0.6,
                ),
            )
    return list(found.values())
