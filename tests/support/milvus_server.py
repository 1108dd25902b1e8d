"""A Milvus server for the contract suite: the one that SHADOWTWIN_TEST_MILVUS_URI names, else milvus-lite's server
as a process of its own on a free port of this machine. Ended by `stop`, by its own process only."""

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
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

VARIABLE = "SHADOWTWIN_TEST_MILVUS_URI"
START_SECONDS = 90.0


class MilvusServer(NamedTuple):
    """A running server: where, its process if it is ours, and how to end it."""

    uri: str
    process: subprocess.Popen[bytes] | None
    stop: Callable[[], None]


def missing() -> str:
    """Why there can be no server here; empty when there can."""
    if importlib.util.find_spec("pymilvus") is None:
        return "pymilvus is not installed (extra milvus)"
    if os.environ.get(VARIABLE) or importlib.util.find_spec("milvus_lite") is not None:
        return ""
    return f"neither {VARIABLE} nor milvus-lite (extra dev) is there"


def start(folder: Path | None = None) -> MilvusServer:
    """The given server, or a new one of our own over `folder` (kept) or a temporary one."""
    if (uri := os.environ.get(VARIABLE)) and folder is None:
        return MilvusServer(uri, None, lambda: None)
    home = folder or Path(tempfile.mkdtemp(prefix="shadowtwin-milvus-"))
    port = free_port()
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(home), "--host", "127.0.0.1"]
    with open(home.with_suffix(".log"), "ab") as output:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=output, stderr=output)

    def stop() -> None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)
            home.with_suffix(".log").unlink(missing_ok=True)

    end = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > end:
            stop()
            raise RuntimeError(f"the Milvus server did not start, see {home.with_suffix('.log')}")
        time.sleep(0.1)
    return MilvusServer(f"http://127.0.0.1:{port}", process, stop)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
