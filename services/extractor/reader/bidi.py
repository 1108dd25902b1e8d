"""Parts of one line put in the order in which they are read, from their places on the sheet.

MuPDF gives each run of one font in logical order by itself; signs and numbers between right-to-left
words are often set in another font and come as runs of their own, in the order seen on the sheet.
"""

from __future__ import annotations

from services.extractor.reader.text import is_rtl

Part = tuple[float, float, str]
_MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def compose(parts: list[Part], size: float) -> str:
    """The text of `parts`; right to left when most of their letters run so."""
    if not is_rtl("".join(text for _, _, text in parts)):
        return _joined(sorted(parts, key=_middle), size, backwards=False)
    ordered: list[Part] = []
    pending: list[Part] = []  # a left-to-right run, found from its end
    signs: list[Part] = []
    for part in sorted(parts, key=_middle, reverse=True):
        text = part[2].strip()
        if is_rtl(text):
            ordered += [*pending[::-1], *map(_mirrored, signs), part]
            pending, signs = [], []
        elif any(map(str.isalnum, text)):
            pending += [*signs, part] if pending else []
            if not pending:
                ordered += map(_mirrored, signs)
                pending = [part]
            signs = []
        elif text:
            signs.append(part)
    ordered += [*pending[::-1], *map(_mirrored, signs)]
    return _joined(ordered, size, backwards=True)


def _middle(part: Part) -> float:
    return part[0] + part[1]


def _mirrored(part: Part) -> Part:
    return part[0], part[1], part[2][::-1].translate(_MIRROR)


def _joined(parts: list[Part], size: float, *, backwards: bool) -> str:
    text = ""
    last: Part | None = None
    for part in parts:
        if last is not None:
            gap = max(last[0], part[0]) - min(last[1], part[1])
            signs = backwards and (_is_sign(last[2]) or _is_sign(part[2]))
            spaced = text[-1:] == " " or part[2][:1] == " " or gap > (0.3 if signs else 0.17) * size
            text = text.rstrip() + (" " if spaced else "")
        text += part[2].lstrip()
        last = part
    return text.strip()


def _is_sign(text: str) -> bool:
    return not any(map(str.isalnum, text))
