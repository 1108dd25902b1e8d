"""Parts of one line put in the order in which they are read, from their places on the sheet.

MuPDF gives each run of one font in logical order by itself; signs and numbers between right-to-left
words are often set in another font and come as runs of their own, in the order seen on the sheet.
"""

from __future__ import annotations

import re

from services.extractor.reader.text import is_rtl

Part = tuple[float, float, str]
_MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_ENDS = re.compile(r"^([\s,.;:]*)(.*?)([\s,.;:]*)$", re.S)
_SPACE = 0.17


class _Run:
    """A part, its outer blanks known by the side of the sheet on which they stand."""

    __slots__ = ("after", "before", "left", "right", "rtl", "text", "x0", "x1")

    def __init__(self, x0: float, x1: float, text: str, *, seen: bool = False) -> None:
        self.x0, self.x1, self.rtl = x0, x1, is_rtl(text)
        self.before, self.after = text[:1] == " ", text[-1:] == " "
        self.left, self.right = (self.before, self.after) if seen else (self.after, self.before)
        self.text = text.strip()


def compose(parts: list[Part], size: float) -> str:
    """The text of `parts`; right to left when most of their letters run so."""
    if not is_rtl("".join(text for _, _, text in parts)):
        return _joined(sorted((_Run(*part, seen=True) for part in parts), key=_middle), size)
    runs = [run for part in parts for run in _taken_apart(*part) if run.text]
    ordered: list[_Run] = []
    level: list[_Run] = []  # a left-to-right run, met from its end
    signs: list[_Run] = []
    for run in sorted(runs, key=_middle, reverse=True):
        if run.rtl or (not level and not _is_sign(run.text)):
            ordered += [*level[::-1], *map(_mirrored, signs)]
            level, signs = [], []
            (ordered if run.rtl else level).append(run)
        elif _is_sign(run.text):
            (level if _opens(run, level) else signs).append(run)
        elif any(map(str.isalpha, run.text + level[-1].text)):
            level += [*signs, run]
            signs = []
        else:  # numbers follow each other from right to left
            ordered += [*level[::-1], *map(_mirrored, signs)]
            level, signs = [run], []
    ordered += [*level[::-1], *map(_mirrored, signs)]
    _settle(ordered, _SPACE * size)
    return _joined(ordered, size)


def _opens(run: _Run, level: list[_Run]) -> bool:
    """Whether `run` is the bracket that opens a number found before it."""
    return run.text == "(" and bool(level) and level[-1].text.count(")") > level[-1].text.count("(")


def _settle(runs: list[_Run], space: float) -> None:
    """A blank at one end of a run may stand on either side: where there is a gap already, it is on the other."""
    for right, run, left in zip([None, *runs[:-1]], runs, [*runs[1:], None], strict=True):
        if run.rtl or run.before == run.after:
            continue
        if left is not None and left.x1 <= run.x0 - space:
            run.left, run.right = False, True
        elif right is not None and right.x0 >= run.x1 + space:
            run.left, run.right = True, False


def _taken_apart(x0: float, x1: float, text: str) -> list[_Run]:
    """A number set between right-to-left words, apart from the signs at its ends."""
    found = None if is_rtl(text) or any(map(str.isalpha, text)) else _ENDS.match(text)
    if found is None or not found.group(2) or not any(map(str.isdigit, text)):
        return [_Run(x0, x1, text)]
    width = (x1 - x0) / len(text)
    return [
        _Run(x0 + width * found.start(n), x0 + width * found.end(n), found.group(n), seen=True)
        for n in (1, 2, 3)
        if found.group(n)
    ]


def _middle(run: _Run) -> float:
    return run.x0 + run.x1


def _is_sign(text: str) -> bool:
    return not any(map(str.isalnum, text))


def _mirrored(run: _Run) -> _Run:
    run.text = run.text.translate(_MIRROR)
    return run


def _joined(runs: list[_Run], size: float) -> str:
    text = ""
    last: _Run | None = None
    for run in runs:
        if last is not None:
            gap = max(last.x0, run.x0) - min(last.x1, run.x1)
            facing = last.left or run.right if last.x0 > run.x0 else last.right or run.left
            text += " " if facing or gap > _SPACE * size else ""
        text += run.text
        last = run
    return text
