"""Words that catalogues use in English and German (and some of their neighbours): labels, columns, sections."""

from __future__ import annotations

import re

from services.transformer.titles import words

LABELS: dict[str, tuple[str, ...]] = {
    "designer": (
        "designer", "designers", "designerin", "design", "design by", "designed by", "entwurf", "entworfen von",
        "gestaltung", "gestaltet von", "progetto", "créateur", "diseño",
    ),
    "collection": ("collection", "kollektion", "serie", "series", "linie", "produktlinie", "range", "collezione"),
    "year": ("year", "jahr", "entwurfsjahr", "erscheinungsjahr", "design year", "launched", "introduced", "anno"),
    "dimensions": (
        "dimensions", "dimension", "sizes", "size", "formats", "format", "formate", "abmessungen", "abmessung", "maße",
        "masse", "größen", "größe", "available sizes", "available formats", "verfügbare formate", "lieferbare formate",
        "formati", "dimensioni", "tailles", "medidas",
    ),
    "materials": (
        "materials", "material", "materialien", "werkstoff", "werkstoffe", "matériaux", "matériau", "materiali",
        "materiale", "composition", "zusammensetzung", "upholstery", "bezug",
    ),
    "colours": (
        "colours", "colour", "colors", "color", "farben", "farbe", "farbtöne", "farbton", "couleurs", "colori",
        "available colours", "available colors", "verfügbare farben", "colores",
    ),
    "finishes": (
        "finish", "finishes", "surface", "surfaces", "oberfläche", "oberflächen", "surface finish", "finition",
        "finitions", "finitura", "finiture", "ausführung", "ausführungen", "acabado",
    ),
    "weight": ("weight", "gewicht", "flächengewicht", "poids", "peso"),
    "thickness": ("thickness", "stärke", "dicke", "materialstärke", "épaisseur", "spessore"),
    "application": (
        "application", "applications", "use", "suitable for", "anwendung", "anwendungen", "einsatz", "einsatzbereich",
        "verwendung", "geeignet für",
    ),
    "origin": ("origin", "made in", "country of origin", "herkunft", "ursprungsland", "hergestellt in"),
    "price": ("price", "preis", "list price", "listenpreis", "prix", "prezzo", "precio"),
    "article": (
        "sku", "article", "article no", "article number", "art no", "item no", "item number", "product code",
        "order code", "order number", "artikelnummer", "artikel nr", "art nr", "bestellnummer", "bestell nr",
        "artikel", "référence", "codice", "code", "model", "modell", "reference", "ref", "item",
    ),
    "power": ("power", "leistung", "wattage", "light source", "leuchtmittel"),
    "inspiration": ("inspiration", "inspired by", "inspiriert von"),
}  # fmt: skip
"""Canonical metadata key -> the labels printed for it."""

TELLING = frozenset(
    ("designer", "dimensions", "materials", "colours", "finishes", "weight", "thickness", "price", "article")
)
"""Keys that only products have; two of them beside one another describe one."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "sku": (*LABELS["article"], "nr", "no", "bestellnr", "artnr", "artikelnr"),
    "dimension": (*LABELS["dimensions"], "cm", "format cm", "size cm", "maß", "nennmaß"),
    "colour": (*LABELS["colours"], "colour name", "farbname", "colourway", "shade"),
    "finish": LABELS["finishes"],
    "thickness": (*LABELS["thickness"], "mm", "thickness mm", "stärke mm", "dicke mm", "thick"),
    "price": (*LABELS["price"], "eur", "euro", "usd", "chf", "gbp", "€", "rrp", "uvp", "vk"),
}
"""Field of a variant -> the words of its column's header."""

PROPERTY = frozenset(
    words("property properties characteristic test feature eigenschaft eigenschaften merkmal kennwert prüfung")
)
STANDARD = frozenset(words("standard standards norm normen method prüfnorm prüfverfahren norme norma"))
VALUE = frozenset(words("value values result results wert werte ergebnis requirement anforderung valeur valore"))
"""Words of the columns of a table of specifications."""

_PHRASES = """
all collections|all products|at a glance|alle kollektionen|alle produkte|auf einen blick|how it is made
so wird es gemacht|so entsteht es|wie es gemacht wird|back cover|order form|bestellformular|über uns|about us
who we are|wer wir sind|thank you|vielen dank|terms and conditions|general terms|allgemeine geschäftsbedingungen
price list|table of contents|what is new|new in
"""
_WORDS = """
contents content index inhalt inhaltsverzeichnis inhaltsübersicht verzeichnis register sommaire indice
certificates certificate certifications certification marks zertifikate zertifikat zertifizierung zertifizierungen
prüfzeichen siegel zeichen
specifications specification technical data information info technische technischen daten spezifikationen spezifikation
eigenschaften informationen hinweise sustainability environment responsibility nachhaltigkeit umwelt verantwortung
care cleaning maintenance pflege reinigung wartung pflegehinweise
contact contacts kontakt imprint impressum legal notice rechtliches story history stories geschichte historie
company unternehmen philosophy philosophie brand marke people menschen designers designer team
projects project references reference referenzen referenz referenzprojekte referenzobjekte objekte showrooms showroom
ausstellung ausstellungen overview übersicht überblick glance blick
collections kollektionen legend legende symbols symbole key terms agb packaging verpackung logistics logistik
delivery lieferung installation laying verlegung montage fixing cover titel deckblatt umschlag titelseite
preface foreword introduction welcome editorial vorwort einleitung einführung willkommen
variants variant varianten variante versions sizes articles artikel article price prices list preise preis preisliste
glossary glossar notes notizen appendix anhang production manufacturing manufacture produktion herstellung fertigung
materials materialkunde quality qualität warranty garantie guarantee made made dealers händler partner partners
awards auszeichnungen news neuheiten faq service services inspiration inspirations details detail tables
workshop werkstatt craft handwerk process fertigungsprozess products produkte catalogue catalog katalog
"""
_LINKING = frozenset(
    words(
        "a an the and of for our your us we it is at in on to with how und der die das den dem des unser unsere unserer"
    )
    + words("ihr ihre für im in am auf von zu zur zum mit aus et la le les de von über ein eine einen")
)
_SECTION_WORDS = frozenset(words(_WORDS))
_SECTION_PHRASES = tuple(" ".join(words(phrase)) for phrase in re.split(r"[|\n]", _PHRASES) if phrase.strip())


def is_section(title: str) -> bool:
    """Whether a title names a part that catalogues have beside their products: contents, care, our story, variants."""
    own = [word for word in words(title) if not word.isdecimal()]
    telling = [word for word in own if word not in _LINKING]
    if not own or (telling and all(word in _SECTION_WORDS for word in telling)):
        return True
    line = f" {' '.join(own)} "
    return any(f" {phrase} " in line for phrase in _SECTION_PHRASES)


def label_key(text: str) -> str:
    """The canonical key that a printed label stands for; empty for none."""
    return _BY_LABEL.get(" ".join(words(text)), "")


def column_field(header: str) -> str:
    """The field of a variant that a column's header names; empty for none. "EUR/m²" is a price, "mm" a thickness."""
    own = words(header)
    whole = " ".join(own)
    if whole in _BY_COLUMN:
        return _BY_COLUMN[whole]
    if "€" in header:
        return "price"
    found = [_BY_COLUMN[word] for word in own if word in _BY_COLUMN]
    if "price" in found:
        return "price"
    return found[0] if found else ""


_BY_LABEL = {" ".join(words(label)): key for key, labels in LABELS.items() for label in labels}
_BY_COLUMN = {" ".join(words(name)) or name: field for field, names in COLUMNS.items() for name in names}
