"""`up`: the local stack until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from infra import api_keys
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.stack import Stack, StackError


def up(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM; then everything is ended in order."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Stack(arguments.data_dir or DEFAULT_DATA, arguments.port) as stack:
            print(f"gateway  {stack.api_url}   (API description: {stack.api_url}/docs)", file=sys.stderr)
            print(
                f"console  {stack.api_url}/console/   (key: {api_keys.place_of_own(stack.data_dir)})", file=sys.stderr
            )
            print(f"data     {stack.data_dir}\nCtrl-C ends it.", file=sys.stderr)
            stop.wait()
            print("stopping", file=sys.stderr)
    except StackError as error:
        raise CliError("misconfigured", str(error)) from error
    except OSError as error:
        raise CliError(
            "misconfigured", f"Port {arguments.port}: {error.strerror}.", "Choose another --port."
        ) from error
    return 0
