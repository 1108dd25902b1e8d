"""`faults`: break everything that can break, and check that nothing was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from infra.cli.failure import CliError


def faults(arguments: argparse.Namespace) -> int:
    """Run the fault suite, or the mutations that prove that it would notice."""
    if arguments.mutations:
        from infra.faults.mutate import run

        return run(as_json=arguments.json)
    from infra.faults.runner import Result, run_all
    from infra.faults.scenarios.catalogue import SCENARIOS

    unknown = set(arguments.only or ()) - {scenario.n for scenario in SCENARIOS}
    if unknown:
        raise CliError("bad_request", f"There is no fault {min(unknown)}.", f"1 to {len(SCENARIOS)} exist.", 2)
    wanted = [scenario for scenario in SCENARIOS if not arguments.only or scenario.n in arguments.only]

    def tell(result: Result) -> None:
        mark = "ok    " if result.ok else "FAILED"
        print(f"{result.n:>3} {mark} {result.seconds:>6.1f} s  {result.name}: {result.note}", file=sys.stderr)

    if not 1 <= arguments.gateways <= 8:
        raise CliError("bad_request", "A stack has 1 to 8 gateways here.", "For example: --gateways 2.", 2)
    print(f"seed {arguments.seed}", file=sys.stderr)
    results = asyncio.run(run_all(wanted, arguments.seed, tell, arguments.gateways))
    passed = sum(result.ok for result in results)
    if arguments.json:
        rows = [result._asdict() for result in results]
        print(json.dumps({"results": rows, "passed": passed, "failed": len(results) - passed}))
    else:
        print(f"{passed} of {len(results)} passed, seed {arguments.seed}")
    return 0 if passed == len(results) else 1
