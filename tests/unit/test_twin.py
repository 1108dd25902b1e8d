"""Names and places of a twin's files."""

from __future__ import annotations

import pytest

from shared import twin
from shared.errors import RequestError


@pytest.mark.parametrize(
    ("source", "kind", "template", "name"),
    [
        ("document.pdf", "transcript", None, "document.de.md"),
        ("file.name.pdf", "transformation", "Besprechung", "file.name.Besprechung.de.md"),
        ("1767-Commoning vs. Kommerz.pdf", "transcript", None, "1767-Commoning vs. Kommerz.de.md"),
    ],
)
def test_artefact_names_are_built_and_read_back(source: str, kind: str, template: str | None, name: str):
    assert twin.artefact_name(source, kind, "de", template) == name
    assert twin.parse_artefact_name(name, source) == twin.ArtefactName(kind, "de", template)


def test_a_transformation_needs_its_template():
    with pytest.raises(RequestError, match="template"):
        twin.artefact_name("a.pdf", "transformation", "de")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../Etc/Report.PDF", "Report.PDF"),
        ("C:\\files\\a.pdf", "a.pdf"),
        ("a\nb\u202e.pdf", "a_b_.pdf"),
        ("", "document.pdf"),
        ("x\u0085y\u061c.pdf", "x_y_.pdf"),
    ],
)
def test_names_are_shown_without_path_and_control_characters(given: str, shown: str):
    assert twin.display_name(given) == shown


def test_a_very_long_name_still_gives_a_usable_stem():
    assert len(twin.stem("ü" * 300 + ".pdf").encode()) <= twin.STEM_BYTES


def test_missing_core_fields_are_named():
    assert twin.missing_core_fields("transformation", {"type": "t", "source_file": "a.pdf"}) == [
        "template",
        "language",
        "generated_by",
        "generated_at",
    ]
