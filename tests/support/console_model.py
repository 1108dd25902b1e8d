"""The model behind the console's tests: it finds records of towers, and answers all else as that of the bench does.

python -m tests.support.model_server --port 0 --script tests.support.console_model
"""

from __future__ import annotations

import re
from typing import Any

from infra.bench.catalogue_model import answers as of_catalogues
from infra.bench.model_wire import Asked

SCHEMA = {
    "properties": {
        "records": {
            "items": {
                "properties": {
                    "tower": {"type": "string"},
                    "built": {"type": ["integer", "null"]},
                    "height": {"type": ["integer", "null"]},
                },
                "required": ["tower"],
                "x-unique-fields": ["tower"],
            }
        }
    }
}
_ROW = re.compile(r"^\| ([A-Z][\w ]+) \| (\d{4}) \| (\d+) \|.*$", re.MULTILINE)


def answers(asked: Asked) -> Any:
    """Rows of the sample's table as records."""
    if asked.purpose == "records":
        return {
            "records": [
                {
                    "values": {"tower": row[1], "built": int(row[2]), "height": int(row[3])},
                    "page": 3,
                    "quote": row[0],
                }
                for row in _ROW.finditer("\n".join(text for _, text in asked.blocks))
            ]
        }
    return of_catalogues(asked)
