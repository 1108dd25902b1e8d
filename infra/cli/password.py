"""The password of a PDF, from a prompt or a file: arguments can be read by everybody on the machine."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from infra.cli.failure import CliError


def password(arguments: argparse.Namespace) -> str:
    """What `--password` or `--password-file` asks for; "" without either."""
    if arguments.password:
        if not sys.stdin.isatty():
            raise CliError("bad_request", "There is no terminal to ask for the password.", "Use --password-file -.", 2)
        return getpass.getpass("Password of the PDF: ")
    if arguments.password_file is None:
        return ""
    if arguments.password_file == Path("-"):
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with open(arguments.password_file, encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(
            "bad_request", f"{arguments.password_file} cannot be read as text.", "Name a file with the password.", 2
        ) from error
