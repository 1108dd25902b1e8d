"""`specs`: every document under docs/ that is rendered from code; a test fails when one is stale."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from infra.cli import reference
from services.gateway.described.llms import llms
from shared.errors import CATALOGUE
from shared.route import ROUTE

DOCS = Path(__file__).resolve().parents[2] / "docs"


def specs(arguments: argparse.Namespace) -> int:
    """Write every generated document anew."""
    for name, content in generated().items():
        (DOCS / name).write_text(content, encoding="utf-8")
    return 0


def generated() -> dict[str, str]:
    """File name -> content of everything under docs/ that is rendered from code."""
    from infra.cli.parser import build

    return {
        "openapi.json": json.dumps(openapi(), indent=1, sort_keys=True) + "\n",
        "asyncapi.json": json.dumps(asyncapi(), indent=1) + "\n",
        "errors.md": errors(),
        "llms.txt": llms(openapi()),
        "settings.md": reference.settings(),
        "commands.md": reference.commands(build()),
    }


def openapi() -> dict[str, Any]:
    """The gateway's HTTP interface."""
    from services.gateway.app import create_app

    described: dict[str, Any] = create_app(None).openapi()
    return described


def asyncapi() -> dict[str, Any]:
    """The subjects of the broker."""
    channels, operations = {}, {}
    for leg in ROUTE:
        name = leg.subject.replace(".", "_")
        kind = "AlertEvent" if leg.subject.startswith("alert.") else "JobEvent"
        channels[name] = {
            "address": leg.subject,
            "description": f"{leg.meaning}; told by {leg.told_by}, taken by {leg.consumer or 'anyone'}",
            "messages": {kind: {"$ref": f"#/components/messages/{kind}"}},
        }
        operations[f"tell_{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
        if leg.consumer:
            operations[f"{leg.consumer}_takes_{name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
            }
    text, number = {"type": "string"}, {"type": "integer"}
    fields = {"jobId": text, "processId": text, "attempt": number, "documentId": text, "libraryId": text}
    alert = {"type": "object", "properties": dict.fromkeys(("alertId", "kind", "libraryId", "state"), text)}
    payload = {"type": "object", "required": ["jobId"], "properties": fields}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Shadowtwin events", "version": "0.1.0", "description": "Ids only: no text, no secret."},
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                "JobEvent": {"contentType": "application/json", "payload": payload},
                "AlertEvent": {"contentType": "application/json", "payload": alert},
            }
        },
    }


def errors() -> str:
    """The error codes as a page."""
    rows = [f"| `{code}` | {entry.status} | {entry.message} | {entry.hint} |" for code, entry in CATALOGUE.items()]
    head = "# Error codes\n\nRendered from `shared/errors.py`.\n\n| code | HTTP | meaning | what to do |\n"
    head += "|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
