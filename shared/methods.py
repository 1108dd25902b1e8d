"""How a PDF's pages can be read on this machine, and what may be said of the text recognition's languages."""

from __future__ import annotations

import re

LOCAL_METHODS = ("auto", "fast", "layout", "ocr")
"""auto: fast, and page by page another method where that fails; fast: the PDF's own text; layout: the layout model;
ocr: text recognition of the page as it is drawn."""

LANGUAGES = re.compile(r"[A-Za-z]{3,12}(?:_[A-Za-z]{2,8}){0,2}(?:\+[A-Za-z]{3,12}(?:_[A-Za-z]{2,8}){0,2}){0,7}")
"""Languages of the text recognition: ISO 639-2 codes as its data files are named, joined by +, such as deu+eng."""
