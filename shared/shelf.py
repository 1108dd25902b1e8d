"""Where templates and schemas stand: a library's own ones in storage, behind them the project's templates.

    _templates/{libraryId}/{name}.md      _schemas/{libraryId}/{name}.json

No library can be called `_templates`, so these keys never meet a document's. A library's template replaces the
project's (`shared/template_library`) of the same name for that library.
"""

from __future__ import annotations

from typing import NamedTuple

from shared import record_schema, templates
from shared.errors import RequestError
from shared.ports import Storage
from shared.record_schema import RecordSchema
from shared.templates import Template

FOLDER = "_templates"
SCHEMAS = "_schemas"
MOST = 500
"""Templates, or schemas, of one library."""


class _Folder:
    """Small texts of libraries by name, under one prefix."""

    def __init__(self, storage: Storage, folder: str, ending: str, kind: str) -> None:
        self._storage, self._folder, self._ending, self._kind = storage, folder, ending, kind

    async def text(self, library: str, name: str) -> str | None:
        """The text, None if there is none."""
        if not templates.is_name(name) or await self._storage.stat(self._key(library, name)) is None:
            return None
        return (await self._storage.read(self._key(library, name))).decode(errors="replace")

    async def put(self, library: str, name: str, text: str) -> bool:
        """Store it; whether it is new. Raises RequestError bad_request, conflict."""
        if not templates.is_name(name):
            said = f"The name of a {self._kind} has 1 to 64 letters, digits, dashes and underscores."
            raise RequestError("bad_request", said)
        own = await self.names(library)
        if name not in own and len(own) >= MOST:
            raise RequestError("conflict", f"A library holds at most {MOST} {self._kind}s.", hint="Remove one first.")
        await self._storage.write(self._key(library, name), text.encode())
        return name not in own

    async def remove(self, library: str, name: str) -> None:
        """Remove it; raises RequestError not_found."""
        if await self.text(library, name) is None:
            raise RequestError("not_found", f"This library has no {self._kind} {name[:64]!r} of its own.")
        await self._storage.delete(self._key(library, name))

    async def names(self, library: str) -> list[str]:
        """All names, sorted."""
        prefix = f"{self._folder}/{library}/"
        keys = [key async for key in self._storage.keys(prefix.rstrip("/"))]
        return sorted(key.removeprefix(prefix).removesuffix(self._ending) for key in keys if key.startswith(prefix))

    def _key(self, library: str, name: str) -> str:
        return f"{self._folder}/{library}/{name}{self._ending}"


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
        self._own = _Folder(storage, FOLDER, ".md", "template")

    async def load(self, library: str, name: str) -> Template:
        """The template that a job of this library means; raises RequestError not_found."""
        return (await self.find(library, name)).template

    async def find(self, library: str, name: str) -> Standing:
        """The template and where it comes from; raises RequestError not_found, naming those there are."""
        own = await self._own.text(library, name)
        if own is not None:
            return Standing(name, "library", own)
        if name in templates.available():
            return Standing(name, "project", templates.text_of(name))
        there = sorted({*await self._own.names(library), *templates.available()})
        raise RequestError("not_found", f"There is no template {name[:64]!r}; there are: {', '.join(there)[:1000]}.")

    async def all(self, library: str) -> list[Standing]:
        """Every template a job of this library may name, by name."""
        names = sorted({*await self._own.names(library), *templates.available()})
        return [await self.find(library, name) for name in names]

    async def put(self, library: str, name: str, text: str) -> bool:
        """Store a library's template; whether it is new. Raises RequestError template_invalid, bad_request."""
        problems = templates.validate(text)
        if problems:
            raise RequestError("template_invalid", " ".join(problems)[:2000])
        return await self._own.put(library, name, text)

    async def remove(self, library: str, name: str) -> None:
        """Remove a library's own template; the project's of that name, if there is one, counts again."""
        await self._own.remove(library, name)


class SchemaShelf:
    """Schemas of records by library and name; the gateway alone puts and removes."""

    def __init__(self, storage: Storage) -> None:
        self._own = _Folder(storage, SCHEMAS, ".json", "schema")

    async def load(self, library: str, name: str) -> RecordSchema:
        """The schema that a job of this library means; raises RequestError not_found, schema_invalid."""
        return record_schema.parse(await self.text(library, name), name)

    async def text(self, library: str, name: str) -> str:
        """Its text; raises RequestError not_found, naming those there are."""
        text = await self._own.text(library, name)
        if text is None:
            there = ", ".join(await self._own.names(library))[:1000] or "none yet"
            raise RequestError("not_found", f"This library has no schema {name[:64]!r}; there are: {there}.")
        return text

    async def names(self, library: str) -> list[str]:
        """All names, sorted."""
        return await self._own.names(library)

    async def put(self, library: str, name: str, text: str) -> bool:
        """Store a schema; whether it is new. Raises RequestError schema_invalid, bad_request."""
        record_schema.parse(text, name)
        return await self._own.put(library, name, text)

    async def remove(self, library: str, name: str) -> None:
        """Remove a schema; records that were made with it stay."""
        await self._own.remove(library, name)
