"""A MongoDB server for the contract suite: given, in Docker, on PATH, or the small Java one. The first found is used.

Every server started here is ended by `stop`, by its own process or container only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LAUNCHER = Path(__file__).parent / "mongo-launcher"
CACHE = ROOT / ".shadowtwin" / "mongo-launcher"
VARIABLE = "SHADOWTWIN_TEST_MONGODB_URI"


class MongoServer(NamedTuple):
    """A running server: what it is, where, and how to end it."""

    name: str
    uri: str
    stop: Callable[[], None]


class Choice(NamedTuple):
    """What will be used, without starting it; `start` is None when there is nothing."""

    name: str
    start: Callable[[], MongoServer] | None


def choose() -> Choice:
    """The first server there is, in the order given, container, own mongod, Java."""
    if uri := os.environ.get(VARIABLE):
        return Choice(f"{VARIABLE}", lambda: MongoServer(VARIABLE, uri, lambda: None))
    if _docker_answers():
        return Choice("mongo:8 in Docker", _start_container)
    if mongod := shutil.which("mongod"):
        return Choice(mongod, lambda: _start_mongod(mongod))
    if shutil.which("mvn") and shutil.which("java"):
        return Choice("mongo-java-server through Maven (a stand-in)", _start_java)
    return Choice(f"none: set {VARIABLE}, or install Docker, mongod, or Maven with Java", None)


def _docker_answers() -> bool:
    if not shutil.which("docker"):
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = subprocess.run(["docker", "version"], capture_output=True, timeout=3, check=False)
        return asked.returncode == 0
    return False


def _start_container() -> MongoServer:
    from testcontainers.mongodb import MongoDbContainer

    container = MongoDbContainer("mongo:8").start()
    return MongoServer("mongo:8 in Docker", container.get_connection_url(), container.stop)


def _start_mongod(mongod: str) -> MongoServer:
    """A mongod of our own. With port 0 it takes a free port and writes it to its log."""
    folder = Path(tempfile.mkdtemp(prefix="shadowtwin-mongod-"))
    command = [mongod, "--dbpath", str(folder), "--port", "0", "--bind_ip", "127.0.0.1", "--nounixsocket"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    port = _port_from(process, re.compile(r'Waiting for connections.*?"port":(\d+)'))
    _drain(process)

    def stop() -> None:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)

    return MongoServer(mongod, f"mongodb://127.0.0.1:{port}", stop)


def _start_java() -> MongoServer:
    classpath = _build_launcher()
    process = subprocess.Popen(
        ["java", "-Xmx512m", "-cp", classpath, "shadowtwin.MongoLauncher"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    port = _port_from(process, re.compile(r"port (\d+)"))
    return MongoServer("mongo-java-server", f"mongodb://127.0.0.1:{port}", lambda: _end(process))


def _build_launcher() -> str:
    """Its class path; Maven runs only when the sources have changed since, or a jar is gone."""
    sources = sorted(path for path in LAUNCHER.rglob("*") if path.is_file() and "target" not in path.parts)
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    done, listed = CACHE / "built", CACHE / "classpath"
    if not (done.exists() and done.read_text() == mark and _complete(listed.read_text())):
        CACHE.mkdir(parents=True, exist_ok=True)
        _run_maven(listed)
        done.write_text(mark)
    return os.pathsep.join([str(CACHE / "classes"), listed.read_text().strip()])


def _complete(classpath: str) -> bool:
    return all(Path(jar).exists() for jar in classpath.strip().split(os.pathsep)) and (CACHE / "classes").is_dir()


def _run_maven(listed: Path) -> None:
    goals = ["compile", "dependency:build-classpath", f"-Dmdep.outputFile={listed}"]
    command = ["mvn", "--batch-mode", "--quiet", f"-Dlauncher.directory={CACHE}", *goals]
    built = subprocess.run(command, cwd=LAUNCHER, capture_output=True, text=True, timeout=300, check=False)
    if built.returncode:
        raise RuntimeError(f"Maven could not build {LAUNCHER}:\n{built.stdout[-2000:]}{built.stderr[-2000:]}")


def _port_from(process: subprocess.Popen[str], pattern: re.Pattern[str]) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if match := pattern.search(line):
            return match[1]
    _end(process)
    raise RuntimeError(f"The server ended before it served:\n{''.join(seen[-20:])}")


def _drain(process: subprocess.Popen[str]) -> None:
    """Read on in a thread, so that a full pipe never stops the server."""
    import threading

    assert process.stdout is not None
    threading.Thread(target=process.stdout.read, daemon=True).start()


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
