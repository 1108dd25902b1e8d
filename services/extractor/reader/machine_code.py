"""Which modules of the reader are compiled to machine code, and where a compiled copy of exactly these sources lies.

The modules stay ordinary Python and run as such wherever no compiled copy is found. A copy is looked up by the digest
of its sources, so that an edited module is never shadowed by what it was compiled from before.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from hashlib import sha256
from pathlib import Path

PACKAGE = "services.extractor.reader"
COMPILED = (
    "blocks", "columns", "frames", "grids", "headed", "headings", "lattice", "markdown", "openings", "piece", "rows",
    "running", "sheet", "spans", "stacking", "styles", "tables", "text",
)  # fmt: skip
"""Where the profile shows the time of `fast`; all of them or none, for compiled classes cannot be replaced singly."""
SWITCH = "SHADOWTWIN_MACHINE_CODE"
"""`off` leaves the modules as Python; a folder is used instead of the one that the digest names."""
GROUP = "shadowtwin_reader"
"""The library behind the compiled modules; mypyc adds `__mypyc` to its name."""
_HERE = Path(__file__).parent


def sources() -> list[Path]:
    """The files that a compiled copy depends on: what is compiled, and whose types it relies on."""
    return [*sorted(_HERE.glob("*.py")), _HERE.parent / "pages.py"]


def folder() -> Path:
    """Where the copy compiled from the present sources lies in this environment, whether or not it has been made."""
    digest = sha256((sys.implementation.cache_tag or "").encode())
    for path in sources():
        digest.update(path.read_bytes())
    return Path(sys.prefix) / "machine-code" / digest.hexdigest()[:32]


def prefer(path: list[str]) -> bool:
    """Let the package with this search path find the compiled copy first; False when there is none."""
    switch = os.environ.get(SWITCH, "")
    try:
        place = Path(switch) if switch else folder()
        library = next(place.glob(f"{GROUP}__mypyc.*"), None) if switch != "off" else None
    except OSError:
        library = None
    if library is None:
        return False
    _load(f"{GROUP}__mypyc", library)  # the compiled modules ask for it by this name
    path.insert(0, str(place.joinpath(*PACKAGE.split("."))))
    return True


def _load(name: str, library: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, library)
    if spec is None or spec.loader is None:
        raise ImportError(f"{library} is no extension module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
