"""`doctor`: what is wrong with which documents, grouped by state, with advice and counts."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter
from typing import Any

from infra.cli.connection import client_for
from infra.cli.parser import DEFAULT_DATA
from infra.client import Client

SHOWN = 20
"""Documents of each state that are named; --json names all."""
_ID = re.compile(r" --document-id \S+?(?=[.' ]|$)")


def query_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The API's words for the selection."""
    return {
        "status": arguments.status,
        "limit": arguments.limit,
        "errorFilter": arguments.error_filter,
        "library": arguments.library,
        "documentId": arguments.document_id,
        "checkOtherBuckets": "true" if arguments.check_other_buckets else "",
    }


def doctor(arguments: argparse.Namespace) -> int:
    """Diagnose; changes nothing."""

    async def run() -> int:
        async with client_for(arguments.api_url, arguments.data_dir or DEFAULT_DATA) as client:
            if arguments.json:
                await _as_json(client, query_of(arguments))
            else:
                await _as_text(client, query_of(arguments))
        return 0

    return asyncio.run(run())


async def _as_json(client: Client, query: dict[str, Any]) -> None:
    """One object, written as its documents come."""
    first, end = True, {}
    async for row in client.diagnosis(**query):
        if "documentId" not in row:
            end = row
            continue
        print('{"documents": [' if first else ", ", end="")
        print(json.dumps(row, ensure_ascii=False), end="")
        first = False
    print('{"documents": [' if first else "", end="")
    print(f"], {json.dumps(end, ensure_ascii=False)[1:]}")


class Groups:
    """Documents by state: a few of each, and how often each advice was given."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}
        self._advice: dict[str, Counter[str]] = {}

    def take(self, row: dict[str, Any]) -> None:
        """Count a document."""
        state = row["state"]
        self.counts[state] += 1
        self._advice.setdefault(state, Counter())[_ID.sub("", row["advice"])] += 1
        named = self._named.setdefault(state, [])
        if len(named) < SHOWN:
            said = row["error"] or "; ".join(row["findings"]) or row["status"]
            named.append(printable(f"  {row['documentId']}  {row['libraryId']}/{row['name']}  {said}")[:200])

    def lines(self) -> list[str]:
        """Every state with its documents and its advice."""
        lines = []
        for state, count in sorted(self.counts.items(), key=lambda pair: (pair[0] == "healthy", pair[0])):
            lines.append(f"{state}: {count}")
            if state != "healthy":
                lines += self._named[state]
                if count > SHOWN:
                    lines.append(f"  ... and {count - SHOWN} more (--json names all)")
            for advice, times in self._advice[state].most_common(5):
                lines.append(printable(f"  -> {advice}" + (f" ({times})" if times != count else "")))
        return lines


async def _as_text(client: Client, query: dict[str, Any]) -> None:
    groups, end = Groups(), {}
    async for row in client.diagnosis(**query):
        if "documentId" in row:
            groups.take(row)
        else:
            end = row
    for line in groups.lines():
        print(line)
    for pattern in end["patterns"]:
        print(f"pattern {pattern['pattern']}: {printable(pattern['message'])}")
    chosen = f"with status '{query['status']}'" if query["documentId"] is None else "of this id"
    objects = end["objects"]
    print(f"Found {end['checked']} documents {chosen}")
    print(f"Files in storage: {objects['found']}")
    print(f"Files not found: {objects['notFound']}")
    print(f"Documents with suggested fixes: {objects['fixable']}")


def printable(text: str) -> str:
    """The text without what would change the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
