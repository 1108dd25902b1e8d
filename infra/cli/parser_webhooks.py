"""Arguments of `webhooks`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Add = Callable[..., argparse.ArgumentParser]
ACTIONS = ["list", "add", "delete", "deliveries", "replay", "test"]


def add_webhooks(add: Add) -> None:
    """One command with an action, as `keys`."""
    command = add("webhooks", "webhooks", "endpoints that are told of what happens, and what they were told")
    command.add_argument("action", choices=ACTIONS)
    command.add_argument("target", nargs="?", default="", metavar="URL|ID", help="add: the URL; else the endpoint's id")
    command.add_argument("delivery", nargs="?", default="", help="replay: only this delivery")
    command.add_argument(
        "--event", action="append", metavar="TYPE", help="add: job.completed, document.*, ...; may be given again"
    )
    command.add_argument("--library", help="list, add: of this one")
    command.add_argument("--description", default="", help="add: what it is for")
    command.add_argument("--state", choices=["pending", "delivered", "failed"], help="deliveries: only those")
    command.add_argument("--limit", type=int, default=20, help="deliveries: how many, newest first")
    command.add_argument("--since", metavar="TIME", help="replay: all that were given up since, 2030-01-31T12:00:00Z")
