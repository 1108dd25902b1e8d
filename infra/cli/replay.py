"""`export` and `replay`: a finished job as one file, and that file run again, offline, and compared (ADR 46)."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
from pathlib import Path

import msgspec

from infra.cli.connection import client_for
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.cli.password import password
from infra.client import Client
from shared.errors import ShadowtwinError

UNUSABLE = 2


def export(arguments: argparse.Namespace) -> int:
    """Write the bundle of a job; it appears whole, or not at all."""
    target: Path = arguments.output or Path(f"{arguments.id}.zip")
    partial = target.with_name(f".{target.name}.{os.getpid()}.new")

    async def run(client: Client) -> None:
        await client.fetch_bundle(arguments.id, partial, with_source=not arguments.without_source)

    async def body() -> None:
        async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
            await run(client)

    try:
        asyncio.run(body())
        size = partial.stat().st_size
        partial.replace(target)
    except OSError as error:
        said = f"{error.filename or target}: {error.strerror}."
        raise CliError("storage_write_failed", said, "Choose another --output.", UNUSABLE) from error
    finally:
        partial.unlink(missing_ok=True)
    if arguments.json:
        print(json.dumps({"bundle": str(target), "bytes": size}))
    else:
        print(f"{target}  ({size} bytes)")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """Run bundles again; 0 when every artefact is identical, 1 when one is not, 2 for an unusable one."""
    from infra.replay.replaying import replay as run

    logging.getLogger().addHandler(logging.NullHandler())  # what a replay has to say, its result says
    secret = password(arguments)
    worst, results = 0, []
    for path in arguments.bundles:
        if not path.is_file():
            raise CliError("not_found", f"There is no file {path}.", "Check the path.", UNUSABLE)
        try:
            found = asyncio.run(run(path, source=arguments.source, password=secret, most_bytes=arguments.max_bytes))
        except ShadowtwinError as error:
            raise CliError(error.code, f"{path}: {error.message}", error.hint, UNUSABLE) from error
        worst = max(worst, 0 if found.identical else 1)
        results.append(msgspec.to_builtins(found))
        if not arguments.json:
            print("\n".join(lines(results[-1])), flush=True)
    if arguments.json:
        print(json.dumps(results[0] if len(results) == 1 else {"replays": results}, ensure_ascii=False))
    return worst


def lines(found: dict[str, object]) -> list[str]:
    """For people: a line for each artefact, what differs below it, and what was made otherwise."""
    artefacts: list[dict[str, object]] = found["artefacts"]  # type: ignore[assignment]
    shown = [f"{found['bundle']}  job {found['jobId']}"]
    for each in artefacts:
        shown.append(f"  {each['state']!s:10} {each['name']}" + (f"  ({each['detail']})" if each["detail"] else ""))
        shown += [f"      {line}" for line in each["diff"]]  # type: ignore[attr-defined]
    shown += [f"  unanswered {question}" for question in found["unanswered"]]  # type: ignore[attr-defined]
    shown += [f"  failed     {found['error']}"] if found["error"] else []
    if not found["identical"]:
        shown += [f"  otherwise  {said}" for said in found["otherwise"]]  # type: ignore[attr-defined]
    same = sum(each["state"] == "identical" for each in artefacts)
    verdict = "identical" if found["identical"] else "different"
    return [*shown, f"  {verdict}: {same} of {len(artefacts)} artefacts are identical"]
