"""Form fields: their values and ticks set where they stand on the page, beside the labels a reader sees there.

MuPDF's text of a page holds none of them, as fields are drawn apart from the page.
"""

from __future__ import annotations

import msgspec
import pymupdf

from services.extractor.pages import Box
from services.extractor.reader.sheet import Segment, Sheet
from services.extractor.reader.text import clean, is_rtl

_TICKS = (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
_UNSEEN = pymupdf.PDF_ANNOT_IS_HIDDEN | pymupdf.PDF_ANNOT_IS_NO_VIEW
_FIELD_LIMIT = 2000
_LINE_LIMIT = 200
_NEAR = 2.2  # ems: the most between a box to tick and its label
_USUAL = 10.0
FIELD = "(field)"  # the font of values: a heading they never are


class Field(msgspec.Struct, frozen=True):
    """A field of a form: `lines` are what stands in it; a box to tick has none, it is `ticked` or not."""

    box: Box
    name: str
    lines: list[str]
    is_tick: bool = False
    ticked: bool = False
    unseen: bool = False  # hidden, or without a place

    @property
    def mark(self) -> str:
        """A box to tick as Markdown writes it."""
        return "[x]" if self.ticked else "[ ]"


def read_fields(page: pymupdf.Page) -> list[Field]:
    """The filled fields of `page` and its boxes to tick, at the places where a viewer shows them."""
    fields: list[Field] = []
    for count, widget in enumerate(page.widgets()):
        if count >= _FIELD_LIMIT:
            break
        value = str(widget.field_value or "")
        lines = [line for part in value.splitlines()[:_LINE_LIMIT] if (line := clean(part).strip())]
        is_tick = widget.field_type in _TICKS
        if not is_tick and not lines:
            continue
        name = clean(str(widget.field_label or widget.field_name or "")).strip()
        rect = widget.rect * page.rotation_matrix
        box = (rect.x0, rect.y0, rect.x1, rect.y1)
        unseen = rect.is_empty or bool(_number(page, widget, "F") & _UNSEEN)
        ticked = is_tick and _is_ticked(page, widget, value)
        fields.append(Field(box, name, [] if is_tick else lines, is_tick=is_tick, ticked=ticked, unseen=unseen))
    return fields


def _is_ticked(page: pymupdf.Page, widget: pymupdf.Widget, value: str) -> bool:
    """Whether a box is drawn as ticked; the value of the field says so where the box itself does not."""
    kind, state = page.parent.xref_get_key(widget.xref, "AS")
    return bool(state != "/Off" if kind == "name" else value not in ("", "Off", "False"))


def _number(page: pymupdf.Page, widget: pymupdf.Widget, key: str) -> int:
    kind, found = page.parent.xref_get_key(widget.xref, key)
    return int(found) if kind == "int" else 0


def place_fields(sheet: Sheet, fields: list[Field]) -> list[str]:
    """Put `fields` among the text of `sheet`; those that have no place there come back as lines of a list."""
    labels = list(sheet.segments)
    left: list[str] = []
    for field in fields:
        if field.unseen:
            left += _as_lines(field)
        elif not field.is_tick:
            _place_text(sheet, field, labels)
        elif not _tick(field, _box(sheet, field.box), labels) and field.ticked:
            box, name = _box(sheet, field.box), f"{field.mark} {field.name}"
            sheet.segments.append(_segment(box, box[3] - 0.2 * (box[3] - box[1]), name, len(sheet.segments)))
    return left


def _as_lines(field: Field) -> list[str]:
    if field.is_tick:
        return [f"- {field.mark} {field.name}"] if field.ticked else []
    return [f"- {field.name}: {' '.join(field.lines)}"]


def _box(sheet: Sheet, box: Box) -> Box:
    """A box of the page as a viewer shows it on the turned sheet."""
    (xa, ya), (xb, yb) = sheet.point_turned(box[0], box[1]), sheet.point_turned(box[2], box[3])
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def _tick(field: Field, box: Box, labels: list[Segment]) -> bool:
    """Write the mark of a box before the label at its right, else behind that at its left; whether there is one."""
    level = [s for s in labels if min(s.y1, box[3]) - max(s.y0, box[1]) > 0.3 * min(s.y1 - s.y0, box[3] - box[1])]
    right = [s for s in level if box[2] - 4 < s.x0 < box[2] + _NEAR * s.size]
    left = [s for s in level if box[0] - _NEAR * s.size < s.x1 < box[0] + 4]
    if right:
        _write(min(right, key=lambda s: (round(s.x0), s.y0)), f"{field.mark} ", "")
    elif left:
        _write(max(left, key=lambda s: s.x1), "", f" {field.mark}")
    return bool(right or left)


def _write(label: Segment, before: str, behind: str) -> None:
    """Add to the text of a label and leave its place, by which columns and lists are told, as it was."""
    label.text = f"{before}{label.text}{behind}"
    if label.parts:
        x0, x1, text = label.parts[0]
        label.parts[0] = (x0, x1, before + text)
        x0, x1, text = label.parts[-1]
        label.parts[-1] = (x0, x1, text + behind)


def _place_text(sheet: Sheet, field: Field, labels: list[Segment]) -> None:
    x0, y0, x1, y1 = box = _box(sheet, field.box)
    drawn = [s.text for s in labels if x0 - 2 < (s.x0 + s.x1) / 2 < x1 + 2 and y0 - 2 < (s.y0 + s.y1) / 2 < y1 + 2]
    value = " ".join(field.lines)
    if any(value in text for text in [*drawn, " ".join(drawn)]):
        return  # the page shows it already
    beside = [s for s in labels if y0 - 1 < (s.y0 + s.y1) / 2 < y1 + 1 and (s.x1 < x0 + 4 or s.x0 > x1 - 4)]
    near = min(beside, key=lambda s: max(x0 - s.x1, s.x0 - x1), default=None)
    if len(field.lines) == 1 and near is not None and y1 - y0 < 2.5 * near.size:
        made = _segment(box, near.base, value, near.order)
        made.size, made.y0, made.y1 = near.size, near.y0, near.y1
        sheet.segments.append(made)
        return
    step = min((y1 - y0) / len(field.lines), 1.2 * _USUAL)
    for number, line in enumerate(field.lines):
        sheet.segments.append(_segment(box, y0 + (number + 0.8) * step, line, len(sheet.segments)))


def _segment(box: Box, base: float, text: str, order: int) -> Segment:
    size = min(_USUAL, max(4.0, box[3] - box[1]))
    x0, width = box[0] + 1, min(box[2] - box[0] - 2, 0.5 * size * len(text))
    made = Segment(x0, base - 0.8 * size, x0 + max(2.0, width), base + 0.2 * size, base, size, text, FIELD, order)
    made.rtl = is_rtl(text)
    return made
