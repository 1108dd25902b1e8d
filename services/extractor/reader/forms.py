"""Values of form fields that are not drawn on the page."""

from __future__ import annotations

import pymupdf

from services.extractor.reader.text import clean

_BUTTONS = (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
_FIELD_LIMIT = 2000


def field_lines(page: pymupdf.Page, shown: str) -> list[str]:
    """One line "name: value" for each filled field of `page` whose value does not occur in `shown`."""
    lines: list[str] = []
    for count, widget in enumerate(page.widgets()):
        if count >= _FIELD_LIMIT:
            break
        value = clean(str(widget.field_value or "")).strip()
        name = clean(str(widget.field_label or widget.field_name or "")).strip()
        if widget.field_type in _BUTTONS:
            if value and value != "Off":
                lines.append(f"- [x] {name}" if value in ("Yes", "On", "1") else f"- [x] {name}: {value}")
        elif value and value not in shown:
            lines.append(f"- {name}: {value}")
    return lines
