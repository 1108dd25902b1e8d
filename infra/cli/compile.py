"""`compile`: the reader's busiest modules as machine code, after its sources or the compiler have changed."""

from __future__ import annotations

import argparse
import json
import time

from infra import machine_code
from infra.cli.failure import CliError


def compile(arguments: argparse.Namespace) -> int:
    """Compile and check; CliError with what to do when that cannot be done."""
    started = time.monotonic()
    try:
        place = machine_code.make()
    except (machine_code.CompileError, OSError) as exc:
        raise CliError(
            "compile_failed", f"The reader could not be compiled and runs as Python: {exc}.", machine_code.HINT, 1
        ) from exc
    said = {"folder": str(place), "seconds": round(time.monotonic() - started, 1)}
    print(json.dumps(said) if arguments.json else f"The reader runs as machine code: {place}")
    return 0
