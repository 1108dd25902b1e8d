"""`python -m tests.support.catalogue_truth FOLDER [--seed N]`: made catalogues with their truth, for `bench answers`.

Two designs are written, English in one column with shared sheets and German in two with pictures over the headings;
each as NAME.pdf beside NAME.json in the form that infra/bench/answers.py reads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tests.support.catalogues import Design, Made, Truth, catalogue

DESIGNS = {
    "english": Design(products=8, offset=2, shared=True, marks=True, portraits=True),
    "german": Design(language="de", columns=2, products=8, offset=4, leading=True, captions="colour", swatches=1),
}
ASKED = {
    "en": ("Who designed {name}?", "Which formats is {name} available in?", "What colours does {name} come in?",
           "Which article is {name} in {colour}, {dimension}?", "How heavy is a box of Zanzibar Velour?"),
    "de": ("Wer hat {name} entworfen?", "In welchen Formaten gibt es {name}?", "Welche Farben hat {name}?",
           "Welcher Artikel ist {name} in {colour}, {dimension}?", "Wie schwer ist ein Karton Zanzibar Velour?"),
}  # fmt: skip


def write(folder: Path, name: str, design: Design, seed: int) -> None:
    """NAME.pdf and NAME.json in `folder`."""
    made = catalogue(folder / f"{name}.pdf", design, seed)
    (folder / f"{name}.json").write_text(json.dumps(truth_of(made, design.language), indent=1))


def truth_of(made: Truth, language: str) -> dict[str, Any]:
    """The truth about a made catalogue as a JSON object."""
    *forms, nothing = ASKED[language]
    questions = [{"q": _filled(form, row), "pages": row.pages} for row in made.products for form in forms]
    return {
        "products": [
            {"name": row.name, "pages": row.pages, "variants": [{"sku": sku} for sku in row.articles]}
            for row in made.products
        ],
        "entities": [{"type": kind, "name": name, "page": page} for kind, name, page in sorted(made.entities)],
        "images": [
            {"page": p.page, "bbox_pdf": p.bbox, "product": p.product or None, "caption": p.caption or None}
            for p in made.pictures
        ],
        "qa": [*questions, {"q": nothing, "pages": []}],
    }


def _filled(form: str, row: Made) -> str:
    dimension, colour, *_ = next(iter(row.articles.values()))
    return form.format(name=row.name, colour=colour, dimension=dimension)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="catalogue_truth", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, design in DESIGNS.items():
        write(arguments.folder, name, design, arguments.seed)


if __name__ == "__main__":
    _main()
