"""Arguments of the commands that diagnose and repair documents."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[..., argparse.ArgumentParser]
API_URL = "http://127.0.0.1:8080"
REPAIRS = {
    "fix": "set the key of a file that was found under another key of its library",
    "mark-deleted": "mark records without file and chunks as deleted",
    "delete-orphans": "delete chunks whose file is gone",
    "reprocess": "process documents whose chunks or twin are missing",
    "generate-reupload-urls": "give an address to send each lost file to; it is good for a day",
    "trigger-stuck": "process documents that were only uploaded; tell jobs that do not move again",
}


def add_health(add: Add) -> None:
    """`doctor`, `repair`, `images backfill`, `trigger-stuck`, `reprocess`, `check` and `debug`."""
    _selection(add("doctor", "doctor", "say which documents are not what their records say, and what to do"))
    repair = add("repair", "repair", "plan repairs, and do those whose flag is given")
    _selection(repair)
    for name, about in REPAIRS.items():
        repair.add_argument(f"--{name}", action="store_true", help=about)
    repair.add_argument("--backfill", action="store_true", help="put missing pictures back from the PDF")
    repair.add_argument("--set-key", default="", metavar="KEY", help="where the file of --document-id lies")
    _dry_run(repair)
    for name, about in (
        ("trigger-stuck", "process documents that were uploaded and never started"),
        ("reprocess", "process documents whose chunks or twin are missing"),
    ):
        command = add(name, "repair", about)
        command.set_defaults(function=name.replace("-", "_"))
        _some(command)
        _dry_run(command)
    images = add("images", "backfill", "pictures of documents")
    images.add_argument("what", choices=["backfill"], help="put missing pictures back from the PDF, and link them")
    _some(images)
    images.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add("check", "check", "one document: status, counts, whether it is stuck, advice").add_argument(
        "id", help="of the document, or its SHA-256"
    )
    debug = add("debug", "check", "the same through the public API of any installation, which may ask for a key")
    debug.add_argument("id", help="of the document, or its SHA-256")
    debug.add_argument("--library", "--dataset-slug", "--dataset-id", help="its library")
    debug.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="read the key from FILE (-: stdin), do not ask"
    )
    debug.set_defaults(api_url=API_URL)


def _selection(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--status", choices=["failed", "stuck", "all", "any"], default="failed", help="all: both; any: well ones too"
    )
    command.add_argument("--error-filter", default="", metavar="TEXT", help="only errors with this text")
    command.add_argument("--check-other-buckets", action="store_true", help="look for lost files there as well")
    _some(command)


def _some(command: argparse.ArgumentParser) -> None:
    command.add_argument("--library", help="only this one")
    command.add_argument("--document-id", metavar="ID", help="only this one, whatever its status")
    command.add_argument("--limit", type=_positive, metavar="N", help="look at N documents at most")


def _dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="only the plan; change nothing")
    command.add_argument("--no-wait", action="store_true", help="do not wait for the jobs that are started")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
