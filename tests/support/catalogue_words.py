"""The words that made catalogues are set with, by language."""

from __future__ import annotations

from typing import Any

NAMES = ("Velmora", "Tarn", "Oakline 20", "Tarn Piccolo", "Brisa", "Kesto", "Lumen Alto", "Sorrel")
PEOPLE = ("Mira Falk", "Jonas Adler", "Aiko Mori", "Pia Lund", "Studio Hale & Roe", "Tom Vale", "Eva Stern", "Ugo Neri")
LINES = (
    "Quiet Weave",
    "Open Field",
    "Northern Grid",
    "Soft Edge",
    "Long Shore",
    "First Light",
    "Deep Grain",
    "Low Tide",
)
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "people": "Designers", "person": "{name} has worked with us since 2013. Known for {product}.",
        "contents": "Contents", "story": "Our story", "care": "Care and cleaning", "specs": "Technical specifications",
        "certs": "Certificates", "overview": "All collections at a glance", "contact": "Contact",
        "variants": "Variants",
        "labels": ("Designer", "Dimensions", "Materials", "Colours", "Finish"),
        "columns": ("SKU", "Format", "Colour", "Finish", "mm", "EUR/m²"),
        "property": ("Property", "Standard", "Value"),
        "specifications": (("Water absorption", "EN ISO 10545-3", "<= 0.5 %"), ("Slip resistance", "DIN 51130", "R10")),
        "colours": ("Sand", "Ocean", "Plum", "Moss"), "finishes": ("matt", "polished"),
        "materials": ("porcelain", "glazed clay"),
        "story_text": "The workshop stands beside the river and has burned wood from its own forest for ninety years. "
        "Visitors are welcome on weekdays and may bring their drawings along. ",
        "product_text": "The surface of {name} recalls {thing} and was drawn by {designer}. It suits floors and walls "
        "of homes and shops. Tiles of several boxes are mixed when they are laid. ",
        "plain_text": "The surface recalls {thing} at dusk. It suits floors and walls of homes and shops. Tiles "
        "of several boxes are mixed when they are laid, with a joint of two millimetres. ",
        "certificate": "Certificate no. {number}, valid until {year}",
        "certificates": (("ISO 14001", "environmental management system"), ("LEED", "contributes to credits")),
    },
    "de": {
        "people": "Gestalter", "person": "{name} arbeitet seit 2013 mit uns. Bekannt für {product}.",
        "contents": "Inhalt", "story": "Unsere Geschichte", "care": "Pflege und Reinigung", "specs": "Technische Daten",
        "certs": "Zertifikate", "overview": "Alle Kollektionen auf einen Blick", "contact": "Kontakt",
        "variants": "Varianten",
        "labels": ("Entwurf", "Abmessungen", "Materialien", "Farben", "Oberfläche"),
        "columns": ("Artikelnummer", "Format", "Farbe", "Oberfläche", "Stärke mm", "Preis EUR"),
        "property": ("Eigenschaft", "Norm", "Wert"),
        "specifications": (("Wasseraufnahme", "EN ISO 10545-3", "<= 0,5 %"), ("Rutschhemmung", "DIN 51130", "R10")),
        "colours": ("Sandgrau", "Ozean", "Pflaume", "Moosgrün"), "finishes": ("matt", "poliert"),
        "materials": ("Feinsteinzeug", "glasierter Ton"),
        "story_text": "Die Werkstatt steht am Fluss und heizt seit neunzig Jahren mit Holz aus dem eigenen Wald. Gäste "
        "sind an Werktagen willkommen und dürfen ihre Zeichnungen mitbringen. ",
        "product_text": "Die Oberfläche von {name} erinnert an {thing} und wurde von {designer} gezeichnet. Sie eignet "
        "sich für Böden und Wände in Wohnungen und Läden. Fliesen aus mehreren Paketen werden gemischt verlegt. ",
        "plain_text": "Die Oberfläche erinnert an {thing} in der Dämmerung. Sie eignet sich für Böden und Wände "
        "in "
        "Wohnungen und Läden. Fliesen aus mehreren Paketen werden mit einer Fuge von zwei Millimetern verlegt. ",
        "certificate": "Zertifikat Nr. {number}, gültig bis {year}",
        "certificates": (("ISO 14001", "Umweltmanagementsystem"), ("Blauer Engel", "emissionsarme Produkte")),
    },
}  # fmt: skip
