"""Where the language data of the text recognition lie: files LANGUAGE.traineddata in one of several folders."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from shared.errors import ConfigurationError
from shared.methods import LANGUAGES

_SYSTEM = (
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
    "/opt/local/share/tessdata",
)


class Tessdata:
    """One folder that holds the data of all wanted languages; as a context it removes what it had to make."""

    def __init__(self, languages: str, folders: Iterable[str] = ()) -> None:
        """`languages` as in "deu+eng"; `folders` come before the usual ones. Raises ocr_language_missing."""
        if not LANGUAGES.fullmatch(languages):
            raise ConfigurationError("ocr_language_missing", f"{languages[:60]!r} names no languages, as deu+eng does.")
        self.languages = languages
        self._made: tempfile.TemporaryDirectory[str] | None = None
        found = {name: _file(name, folders) for name in languages.split("+")}
        missing = sorted(name for name, path in found.items() if path is None)
        if missing:
            raise ConfigurationError(
                "ocr_language_missing", f"The text recognition has no data for: {', '.join(missing)}."
            )
        self.folder = self._gathered([path for path in found.values() if path is not None])

    def _gathered(self, files: list[Path]) -> str:
        """The folder of the files, or one made of links when they lie in several: the engine reads from one only."""
        if len({file.parent for file in files}) == 1:
            return str(files[0].parent)
        self._made = tempfile.TemporaryDirectory(prefix="shadowtwin-tessdata-")
        for file in files:
            (Path(self._made.name) / file.name).symlink_to(file.resolve())
        return self._made.name

    def close(self) -> None:
        """Remove the folder of links."""
        if self._made is not None:
            self._made.cleanup()


def installed(folders: Iterable[str] = ()) -> list[str]:
    """The languages whose data are there."""
    files = (file for folder in _folders(folders) for file in folder.glob("*.traineddata"))
    return sorted({file.stem for file in files} - {"osd"})


def _file(language: str, folders: Iterable[str]) -> Path | None:
    files = (folder / f"{language}.traineddata" for folder in _folders(folders))
    return next((file for file in files if file.is_file()), None)


def _folders(given: Iterable[str]) -> list[Path]:
    """Given folders (and `tessdata` below them), then the packages of this environment, then the system's."""
    wanted = [Path(folder) for folder in given if folder]
    below = [folder / "tessdata" for folder in wanted]
    packaged = Path(sys.prefix) / "share" / "tessdata"
    versions = sorted(Path("/usr/share/tesseract-ocr").glob("*/tessdata"), reverse=True)
    return [*wanted, *below, packaged, *versions, *map(Path, _SYSTEM)]
