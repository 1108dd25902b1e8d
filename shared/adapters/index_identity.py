"""What an index was made with, as it is recorded with the index and compared whenever it is opened."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION


class IndexIdentity(NamedTuple):
    """Embedder by name, length of its vectors, version of what that name gives."""

    embedder: str
    dimension: int
    version: str = FIRST_VERSION

    def check(self, place: str, recorded: IndexIdentity) -> None:
        """Raise ConfigurationError index_mismatch unless this is what is recorded in `place`."""
        if recorded != self:
            raise self.mismatch(place, f"with {recorded}")

    def mismatch(self, place: str, made: str) -> ConfigurationError:
        """The error, naming both; its hint says how the vectors are made anew."""
        return ConfigurationError("index_mismatch", f"{place} was made {made}, but {self} is configured.")

    def __str__(self) -> str:
        version = "" if self.version == FIRST_VERSION else f", version {self.version}"
        return f"{self.embedder} ({self.dimension} dimensions{version})"
