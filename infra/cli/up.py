"""`up`: the local stack until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading

import httpx

from infra import api_keys
from infra.cli.failure import CliError
from infra.cli.parser import DEFAULT_DATA
from infra.stack import Stack, StackError

LOOK_SECONDS = 0.5
DEATHS = 2
"""Starts after the first that nobody needs to hear of."""


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
            _tell_state(stack, stop)
            stop.wait()
            print("stopping", file=sys.stderr)
    except StackError as error:
        raise CliError("misconfigured", str(error)) from error
    except OSError as error:
        raise CliError(
            "misconfigured", f"Port {arguments.port}: {error.strerror}.", "Choose another --port."
        ) from error
    return 0


def _tell_state(stack: Stack, stop: threading.Event) -> None:
    """Until everything runs: name the log of what has died again and again (a wrong setting, for example)."""
    told: set[str] = set()
    while not stop.wait(LOOK_SECONDS):
        for name, process in stack.processes.items():
            if process.starts > DEATHS and name not in told:
                told.add(name)
                log = stack.data_dir / "logs" / f"{name}.log"
                print(f"{name} does not stay up; the end of {log} says why", file=sys.stderr, flush=True)
        if _ready(stack):
            print("ready", file=sys.stderr, flush=True)
            return


def _ready(stack: Stack) -> bool:
    # the supervisor holds the port, so that a dead gateway is a request that nobody answers
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{stack.api_url}/ready", timeout=LOOK_SECONDS, trust_env=False)
        return answer.status_code == 200
    return False
