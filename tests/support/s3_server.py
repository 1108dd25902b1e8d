"""An S3 server for the contract suite of storages: given, `versitygw` on PATH, or moto's server as a process.

versitygw checks signatures and expiries as AWS does; moto's server, which comes with the development packages, takes
everything. Every server started here is ended by `stop`, by its own process only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.milvus_server import free_port

VARIABLE = "SHADOWTWIN_TEST_S3_ENDPOINT"
ACCESS_KEY, SECRET_KEY = "shadowtwin-tests", "a-secret-of-the-tests-only"
START_SECONDS = 60.0


class S3Server(NamedTuple):
    """A running server; `strict` when it checks signatures."""

    name: str
    endpoint: str
    strict: bool
    stop: Callable[[], None]


def missing() -> str:
    """Why there can be no server here; empty when there can."""
    if importlib.util.find_spec("aiobotocore") is None:
        return "aiobotocore is not installed"
    given = os.environ.get(VARIABLE) or shutil.which("versitygw") or importlib.util.find_spec("moto")
    return "" if given else f"neither {VARIABLE} nor versitygw nor moto (extra dev) is there"


def start() -> S3Server:
    """The first there is."""
    if endpoint := os.environ.get(VARIABLE):
        return S3Server(VARIABLE, endpoint, True, lambda: None)
    if gateway := shutil.which("versitygw"):
        return _start_versity(gateway)
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return _started("moto", command, port, {}, strict=False, home=Path(tempfile.mkdtemp(prefix="shadowtwin-moto-")))


def _start_versity(gateway: str) -> S3Server:
    home = Path(tempfile.mkdtemp(prefix="shadowtwin-s3-"))
    (home / "objects").mkdir()
    port = free_port()
    environment = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    command = [gateway, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", str(home / "meta"), str(home / "objects")]
    (home / "meta").mkdir()
    return _started("versitygw", command, port, environment, strict=True, home=home)


def _started(
    name: str, command: Sequence[str], port: int, environment: dict[str, str], *, strict: bool, home: Path
) -> S3Server:
    with open(home / "server.log", "ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})

    def stop() -> None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)

    end = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > end:
            said = (home / "server.log").read_text(encoding="utf-8")[-2000:]
            stop()
            raise RuntimeError(f"{name} did not start: {said}")
        time.sleep(0.1)
    return S3Server(name, f"http://127.0.0.1:{port}", strict, stop)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
