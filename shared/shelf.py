"""Where templates stand: a library's own ones in storage, behind them the project's (`shared/template_library`).

    _templates/{libraryId}/{name}.md

No library can be called `_templates`, so these keys never meet a document's. A library's template replaces the
project's of the same name for that library.
"""

from __future__ import annotations

from typing import NamedTuple

from shared import templates
from shared.errors import RequestError, ShadowtwinError
from shared.ports import Storage
from shared.templates import Template

FOLDER = "_templates"
MOST = 500
"""Templates of one library."""


class Standing(NamedTuple):
    """A template as it stands on the shelf; `origin` is `library` or `project`."""

    name: str
    origin: str
    text: str

    @property
    def template(self) -> Template:
        """The text, parsed."""
        return templates.parse(self.text, self.name)


class Shelf:
    """Templates by library and name. Readers may use it anywhere; only the gateway puts and removes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def load(self, library: str, name: str) -> Template:
        """The template that a job of this library means; raises RequestError not_found."""
        return (await self.find(library, name)).template

    async def find(self, library: str, name: str) -> Standing:
        """The template and where it comes from; raises RequestError not_found, naming those there are."""
        if templates.is_name(name):
            key = _key(library, name)
            if await self._storage.stat(key) is not None:
                return Standing(name, "library", (await self._storage.read(key)).decode(errors="replace"))
            if name in templates.available():
                return Standing(name, "project", templates.text_of(name))
        there = sorted({*await self._own(library), *templates.available()})
        raise RequestError("not_found", f"There is no template {name[:64]!r}; there are: {', '.join(there)[:1000]}.")

    async def all(self, library: str) -> list[Standing]:
        """Every template a job of this library may name, by name."""
        names = sorted({*await self._own(library), *templates.available()})
        return [await self.find(library, name) for name in names]

    async def put(self, library: str, name: str, text: str) -> bool:
        """Store a library's template; whether it is new. Raises RequestError template_invalid, bad_request."""
        if not templates.is_name(name):
            raise RequestError("bad_request", "A template's name has 1 to 64 letters, digits, dashes and underscores.")
        problems = templates.validate(text)
        if problems:
            raise RequestError("template_invalid", " ".join(problems)[:2000])
        own = await self._own(library)
        if name not in own and len(own) >= MOST:
            raise RequestError("conflict", f"A library holds at most {MOST} templates.", hint="Remove one first.")
        await self._storage.write(_key(library, name), text.encode())
        return name not in own

    async def remove(self, library: str, name: str) -> None:
        """Remove a library's own template; the project's of that name, if there is one, counts again."""
        if not templates.is_name(name) or await self._storage.stat(_key(library, name)) is None:
            raise RequestError("not_found", f"This library has no template {name[:64]!r} of its own.")
        await self._storage.delete(_key(library, name))

    async def _own(self, library: str) -> list[str]:
        prefix = f"{FOLDER}/{library}/"
        try:
            keys = [key async for key in self._storage.keys(prefix.rstrip("/"))]
        except ShadowtwinError:
            return []
        return sorted(key.removeprefix(prefix).removesuffix(".md") for key in keys if key.startswith(prefix))


def _key(library: str, name: str) -> str:
    return f"{FOLDER}/{library}/{name}.md"
