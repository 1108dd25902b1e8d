"""`soak`: one part of the system under a random mix of input for minutes or hours."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from infra.soak.extraction import Sample, Soak, mix


def soak(arguments: argparse.Namespace) -> int:
    """Exit code 0 when everything stayed flat."""

    def tell(sample: Sample) -> None:
        now = sample.footprint
        print(
            f"{sample.seconds:8.1f} s {sample.documents:>7} documents  {now.memory_kib >> 10} MB, "
            f"{now.descriptors} descriptors, {now.descendants} processes, {now.temporary} files",
            file=sys.stderr,
        )

    with tempfile.TemporaryDirectory(prefix="shadowtwin-soak-") as folder:
        files = mix(Path(folder) / "input", arguments.corpus or ())
        found = asyncio.run(
            Soak(Path(folder) / "work", files, arguments.seed, method=arguments.method).run(
                arguments.minutes * 60, tell
            )
        )
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=2))
    return 0 if found["flat"] else 1
