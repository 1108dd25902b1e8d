"""References to pictures in a twin's Markdown: `![caption](images/{page}_{index}.{ext})`, relative to its folder."""

from __future__ import annotations

import re

ALT_LIMIT = 120
_REFERENCE = re.compile(r"!\[[^\[\]\n]{0,1000}\]\([^()\n]{0,500}\)")
_MARKUP = str.maketrans({"[": "(", "]": ")", "\\": None, "<": None, ">": None, "`": "'", "*": None, "_": " "})


def reference(name: str, caption: str = "") -> str:
    """The reference to a picture of the twin; its text is the caption without markup, cut between words."""
    alt = " ".join(caption.translate(_MARKUP).split())
    if len(alt) > ALT_LIMIT:
        alt = alt[:ALT_LIMIT].rsplit(" ", 1)[0] + " …"
    return f"![{alt}](images/{name})"


def without_references(text: str) -> str:
    """The text without any Markdown images: what is left of a page of pictures alone is blank."""
    return _REFERENCE.sub("", text) if "![" in text else text
