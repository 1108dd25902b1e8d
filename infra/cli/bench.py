"""`bench`: measures this machine; figures are for comparing within one run."""

from __future__ import annotations

import argparse
import json


def bench(arguments: argparse.Namespace) -> int:
    """Run one benchmark and print its figures."""
    from infra.bench.orchestration import run

    settings = {}
    if arguments.mongodb_uri:
        settings = {"SHADOWTWIN_STORE": "mongo", "SHADOWTWIN_MONGODB_URI": arguments.mongodb_uri}
    found = run(arguments.jobs, settings)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=2))
    return 0 if found["ended"] == {"completed": arguments.jobs} else 1
