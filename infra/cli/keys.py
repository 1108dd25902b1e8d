"""`keys make`, `keys list`, `keys revoke`: the API keys of a local stack, or of a file that a gateway is given."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from infra import api_keys
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA


def keys(arguments: argparse.Namespace) -> int:
    """One of the three."""
    folder: Path = (arguments.data_dir or DEFAULT_DATA) / "secrets"
    if arguments.action == "make":
        return _make(arguments, folder)
    if arguments.action == "revoke":
        if not arguments.id or not api_keys.revoke(folder, arguments.id):
            raise CliError("not_found", "There is no such key.", "`shadowtwin keys list` shows their ids.", 2)
        print(json.dumps({"revoked": arguments.id}))
        return 0
    found = api_keys.listed(folder)
    if arguments.json:
        print(json.dumps({"keys": found}))
    for key in [] if arguments.json else found:
        print(f"{key['id']}  {','.join(key['scopes']):18}  {','.join(key['libraries']):20}  {key['note']}")
    return 0


def _make(arguments: argparse.Namespace, folder: Path) -> int:
    scopes = list(dict.fromkeys(arguments.scope or ["read"]))
    token = api_keys.make(folder, scopes, arguments.library or [api_keys.ALL], arguments.note)
    if arguments.json:
        print(json.dumps({"key": token, "scopes": scopes, "libraries": arguments.library or [api_keys.ALL]}))
        return 0
    print(token)
    print(f"It is shown this once; {folder / api_keys.KEYS} keeps its hash.", file=sys.stderr)
    return 0
