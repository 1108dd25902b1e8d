"""A nats-server of a test's own, on a port that it chooses itself."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

from infra.nats_binary import find_or_install


class Broker:
    """Started with `start()`; `kill` leaves its files, so that `start` brings the same one back."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        self._config = ["-c", str(config)] if config else []
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = -1
        self.url = ""

    def start(self) -> None:
        """Until it takes connections."""
        for old in self._folder.glob("*.ports"):
            old.unlink()
        where = ["-a", "127.0.0.1", "-p", str(self._port), "--ports_file_dir", str(self._folder)]
        binary = find_or_install()
        self._process = subprocess.Popen(
            [str(binary), *self._config, *where, "-js", "-sd", str(self._folder)],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while not self.url or not self._listens():
            assert self._process.poll() is None, "nats-server ended"
            for file in self._folder.glob("*.ports"):
                if content := file.read_text():
                    self.url = json.loads(content)["nats"][0]
                    self._port = int(self.url.rsplit(":", 1)[1])
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
