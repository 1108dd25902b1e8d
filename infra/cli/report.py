"""What `demo` and `process` show: live progress, the result object, and its tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from infra.client import Client
from infra.client.shapes import Job, Plan, SearchHit

PRODUCTS_SHOWN = 50


class Progress:
    """One bar a file on standard error: phase, pages and percent."""

    def __init__(self, *, enabled: bool) -> None:
        self._bars = Bars(
            TextColumn("{task.fields[name]}", markup=False),
            TextColumn("{task.fields[phase]}", style="cyan", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[pages]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not enabled,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, name: str, job: Job) -> None:
        """Move the job's bar to where the job is."""
        at = job["progress"]
        phase = job["status"] if job["status"] in ("completed", "failed") else at["step"] if at else "waiting"
        pages = f"{at['pagesDone']}/{at['pagesTotal']} pages" if at and at["pagesTotal"] else ""
        self._update(name, at["percent"] if at else 0.0, phase, pages)

    def failed(self, name: str, message: str) -> None:
        """The file was refused."""
        self._update(name, 0, f"refused: {message}", "")

    def _update(self, name: str, percent: float, phase: str, pages: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=100, name=name, phase=phase, pages=pages)
        self._bars.update(self._tasks[name], completed=percent, phase=phase, pages=pages)


def result(
    job: Job | None,
    document: Mapping[str, Any],
    accepted: Mapping[str, Any],
    folder: Path,
    products: list[dict[str, Any]],
) -> dict[str, Any]:
    """The one object that `--json` prints for a file."""
    twins = folder.resolve() / "twins"
    artefacts = document["artefacts"]
    counts = document["counts"]
    made = job["counts"] if job else {}

    def path(role: str) -> str | None:
        return str(twins / artefacts[role]["key"]) if role in artefacts else None

    def count(name: str) -> int:
        return int(made.get(name, counts.get(name, 0)))

    shown: dict[str, Any] = {
        "job": job,
        "status": accepted["status"],
        "document": {
            "documentId": document["documentId"],
            "libraryId": document["libraryId"],
            "itemId": document["itemId"],
            "sha256": document["sha256"],
            "name": document["name"],
            "pages": document["pages"],
            "metadata": document["metadata"],
        },
        "twin": {"transcript": path("transcript"), "transformation": path("transformation")},
        "counts": {
            name: count(name)
            for name in ("pages", "images", "chunksSmall", "chunksLarge", "vectors", "products", "entities", "links")
        },
        "products": [_product(product) for product in products],
        "timings": timings(job) if job else {},
        "dataDir": str(folder.resolve()),
    }
    if job is not None and job["error"]:
        told = job["error"]
        shown["error"] = {"code": told["code"], "message": told["message"], "hint": told["hint"]}
    return shown


def _product(row: dict[str, Any]) -> dict[str, Any]:
    """A product as the result shows it: the whole row is at /api/documents/{id}/products."""
    kept = ("productId", "name", "pages", "pageStart", "pageEnd", "confidence", "metadata", "evidence")
    return {**{key: row[key] for key in kept}, "variants": len(row["variants"])}


def timings(job: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of each step that has run."""
    return {
        step["name"]: round((_time(step["endedAt"]) - _time(step["startedAt"])).total_seconds(), 3)
        for step in job["steps"]
        if step["startedAt"] and step["endedAt"]
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def summary(client: Client, result: dict[str, Any], *, hits: bool) -> None:
    """For people: where the twin is, what each step took, what a search finds."""
    console = Console(file=sys.stdout)
    if result.get("error"):
        error = result["error"]
        console.print(Text(f"failed: {error['message']} {error['hint']} ({error['code']})", style="red"))
        if result["job"]:
            _fact(console, "job", result["job"]["jobId"])
        return
    if result["job"] is None:
        console.print(Text(f"skipped: {result['document']['name']} was processed before (use --force to repeat it)"))
    console.print(
        Text(f"\n{result['document']['name']}: {result['document']['metadata'].get('title', '')}", style="bold")
    )
    if result["job"]:
        _fact(console, "job", result["job"]["jobId"])
    _fact(console, "document", result["document"]["documentId"])
    _fact(console, "twin", result["twin"]["transformation"] or result["twin"]["transcript"])
    _fact(console, "transcript", result["twin"]["transcript"])
    if result["job"]:
        console.print(_steps(result["job"]))
        for warning in result["job"]["warnings"]:
            console.print(Text(f"warning     {warning.get('message', warning)}", style="yellow"))
    if result["products"]:
        console.print(_products(result["products"]))
    console.print(Text("  ".join(f"{name} {number}" for name, number in result["counts"].items() if number)))
    if hits:
        await _hits(client, console, result)
    _fact(console, "data", result["dataDir"])


def _fact(console: Console, name: str, value: str | None) -> None:
    """Ids and paths stay in one line however narrow the terminal is: they are there to be copied."""
    console.print(Text(f"{name:<12}{value}"), soft_wrap=True)


def plans(plans: list[Plan]) -> None:
    """One row for each file and phase."""
    table = Table("file", "phase", "policy", "would", "reason")
    for plan in plans:
        for phase in plan["phases"]:
            would = "run" if phase["run"] else "be skipped"
            said = would if phase["known"] else f"{would} (its service did not answer)"
            table.add_row(Text(plan["name"]), phase["phase"], phase["policy"], said, phase["reason"])
    Console(file=sys.stdout).print(table)


def _steps(job: dict[str, Any]) -> Table:
    table = Table("step", "status", "seconds")
    times = timings(job)
    for step in job["steps"]:
        said = f"skipped ({step['reason']})" if step["skipped"] else step["status"]
        table.add_row(step["name"], said, f"{times.get(step['name'], 0):.2f}")
    return table


def _products(products: list[dict[str, Any]]) -> Table:
    table = Table("product", "pages", "variants", "confidence")
    for row in products[:PRODUCTS_SHOWN]:
        span = str(row["pageStart"]) if row["pageStart"] == row["pageEnd"] else f"{row['pageStart']}-{row['pageEnd']}"
        table.add_row(Text(row["name"]), span, str(row["variants"]), f"{row['confidence']:.2f}")
    if len(products) > PRODUCTS_SHOWN:
        table.add_row(f"and {len(products) - PRODUCTS_SHOWN} more", "", "", "")
    return table


def shown(hit: SearchHit) -> str:
    """What of a hit's text says most of what was asked, on one line."""
    start, end = hit["excerpt"]
    return " ".join(hit["text"][start:end].split())


async def _hits(client: Client, console: Console, result: dict[str, Any]) -> None:
    query = str(result["document"]["metadata"].get("title") or result["document"]["name"])
    found = (await client.search(query, 3))["hits"]
    table = Table("page", "chapter", "text", title=Text(f"search: {query}"))
    for hit in found:
        table.add_row(Text(", ".join(map(str, hit["pages"][:4]))), Text(hit["chapter"]), Text(shown(hit)))
    console.print(table)
