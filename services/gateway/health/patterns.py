"""What the troubled documents of one run have in common (checklist A0.24, A0.26). Counts only: memory stays bounded."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from services.gateway.health.facts import WELL, Examined
from services.gateway.health.finding import Finder

LEAST = 3
"""Documents that make a pattern."""
NAMED_MOST = 200
"""Libraries and error texts that are told apart; what comes later is counted together."""
_PART = re.compile(r"[_ -]part ?\d+ ?of ?\d+", re.IGNORECASE)
_IDS = re.compile(r"\b(?:doc-)?[0-9a-f]{8}[0-9a-f-]{4,}\b|\d+", re.IGNORECASE)
_OTHERS = "(others)"


class Patterns:
    """Takes the documents of a run one by one."""

    def __init__(self) -> None:
        self.checked = self.troubled = 0
        self._objects = 0
        """Of the troubled ones, those whose file is there."""
        self._libraries: Counter[str] = Counter()
        self._well: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._parts = 0
        self._places: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def take(self, examined: Examined) -> None:
        """Count one document."""
        document = examined.document
        self.checked += 1
        if examined.judgement.state in WELL and not document.error:
            _count(self._well, document.library_id)
            return
        self.troubled += 1
        self._objects += examined.facts.object_in_store
        _count(self._libraries, document.library_id)
        self._parts += any(_PART.search(name) for name in (document.name, *document.aliases))
        if document.error:
            text = _IDS.sub("#", document.error)[:300]
            _count(self._errors, text)
            self._examples.setdefault(text, document.error[:300])
        if examined.found is not None:
            self._places[str(examined.found.place)] += 1
        elif examined.cause is not None:
            self._places[str(examined.cause)] += 1

    async def found(self, finder: Finder) -> list[dict[str, Any]]:
        """Every pattern: `{pattern, count, message, ...}`."""
        if self.troubled < LEAST:
            return []
        found = [*self._one_library(), *self._alike()]
        for library in list(self._libraries)[:NAMED_MOST]:
            if self._libraries[library] >= LEAST and library != _OTHERS and await finder.library_is_empty(library):
                said = f"Nothing is stored under the prefix {library}/: uploads of this library never arrived, went to "
                said += "another place, or all were removed."
                found.append(_said("empty_prefix", self._libraries[library], said, library=library))
        return found

    def _one_library(self) -> list[dict[str, Any]]:
        if len(self._libraries) != 1:
            return []
        (library,) = self._libraries
        said = f"All {self.troubled} troubled documents are of the library {library}, "
        well = self._well[library]
        said += f"of which {well} other documents are well." if well else "of which no document was seen to be well."
        more = {"library": library, "objectsFound": self._objects, "wellDocuments": well}
        return [_said("one_library", self.troubled, said, **more)]

    def _alike(self) -> list[dict[str, Any]]:
        found = []
        if self._parts == self.troubled:
            said = f"All {self._parts} are parts of split files: look at how the parts were uploaded."
            found.append(_said("multi_part_names", self._parts, said))
        if len(self._errors) == 1 and sum(self._errors.values()) == self.troubled:
            text = next(iter(self._errors))
            said = f"All {self.troubled} failed with the same error: one cause, not many."
            found.append(_said("same_error", self.troubled, said, error=self._examples[text]))
        for name, count in sorted(self._places.items()):
            if count >= LEAST:
                found.append(_said(name, count, f"{count} {_PLACES[name]}"))
        return found


_PLACES = {
    "other_key": "files lie under another key of their prefix: repair --fix sets the records right.",
    "wrong_prefix": "files lie under another library's prefix: was a library moved?",
    "wrong_bucket": "files lie in another bucket: is the right one configured?",
    "never_uploaded": "files were never uploaded.",
    "upload_url_expired": "upload addresses expired before they were used.",
    "deleted_after_upload": "files were stored once and have been removed since.",
}


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < NAMED_MOST else _OTHERS] += 1


def _said(pattern: str, count: int, message: str, **more: Any) -> dict[str, Any]:
    return {"pattern": pattern, "count": count, "message": message, **more}
