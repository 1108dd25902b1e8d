"""Finds a nats-server, or puts a private copy into .shadowtwin/nats without root. Standard library only.

Order: $SHADOWTWIN_NATS_SERVER, the PATH and the sbin folders, the private copy; then it makes one from the
distribution's package, Homebrew, the Go toolchain, or out of the Docker image. Speaks on stderr.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

GO_MODULE = "github.com/nats-io/nats-server/v2@v2.11.17"
IMAGE = "nats:2.11-alpine"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
_FOLDER = Path(__file__).resolve().parent.parent / ".shadowtwin" / "nats"
_TAIL_CHARS = 300


class NatsMissing(Exception):
    """No nats-server could be found or made; the text says what was tried and what would help."""


class _NotHere(Exception):
    """One way does not work on this machine, and why."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"shadowtwin: {text}", file=sys.stderr, flush=True)


def find_or_install(folder: Path = _FOLDER, environment: Mapping[str, str] = os.environ) -> Path:
    """The nats-server to run; raises NatsMissing. Every answer has been run once with `--version`."""
    if chosen := environment.get("SHADOWTWIN_NATS_SERVER"):
        if version(Path(chosen)) is None:
            raise NatsMissing(f"SHADOWTWIN_NATS_SERVER names {chosen}, which does not run as a nats-server.")
        return Path(chosen)
    if found := _found(folder, environment):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        return _found(folder, environment) or _install(folder)


def version(binary: Path) -> str | None:
    """What `--version` answers, or None if this is no nats-server that runs here."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = done.stdout.strip()
    return answer if done.returncode == 0 and "nats-server" in answer else None


def docker_argv(port: int, store: Path) -> list[str]:
    """The command that runs the server's image on this machine's loopback, for where no binary can be had."""
    return [
        "docker", "run", "--rm", "--init", "--publish", f"127.0.0.1:{port}:4222", "--volume", f"{store}:/data",
        IMAGE, "--jetstream", "--store_dir", "/data",
    ]  # fmt: skip


def _found(folder: Path, environment: Mapping[str, str]) -> Path | None:
    path = os.pathsep.join([environment.get("PATH", os.defpath), *_PLACES])
    on_path = shutil.which("nats-server", path=path)
    for candidate in (Path(on_path) if on_path else None, folder / "nats-server"):
        if candidate and candidate.exists() and version(candidate):
            return candidate
    return None


def _install(folder: Path) -> Path:
    ways: list[tuple[str, Callable[[Path], Path]]] = [
        ("the distribution's package", _from_apt),
        ("Homebrew", _from_homebrew),
        ("the Go toolchain", _from_go),
        ("the Docker image", _from_docker),
    ]
    refusals = []
    for name, way in ways:
        work = folder / "building"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            binary = way(work)
            answer = version(binary)
            if answer is None:
                raise _NotHere("what it gave does not run here")
            if work in binary.parents:
                binary = binary.replace(folder / "nats-server")
            say(f"{answer}, from {name}, is at {binary}")
            return binary
        except (_NotHere, OSError) as exc:
            refusals.append(f"  {name}: {exc}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise NatsMissing("\n".join(["no nats-server was found, and none could be installed:", *refusals, _ADVICE]))


_ADVICE = (
    "Install it (Debian, Ubuntu: sudo apt install nats-server; macOS: brew install nats-server), or name one in "
    "SHADOWTWIN_NATS_SERVER. Where only Docker is at hand: docker compose -f infra/compose.yaml up"
)


def _from_apt(work: Path) -> Path:
    """Debian's package without root: its own package lists and archive folder, unpacked, not installed."""
    for tool in ("apt-get", "dpkg"):
        _need(tool)
    say("fetching the distribution's package of nats-server (about 4 MB, no root needed) ...")
    lists, cache, tree = work / "lists", work / "cache", work / "tree"
    for place in (lists / "partial", cache / "archives" / "partial", tree):
        place.mkdir(parents=True)
    options = [
        "-qq", "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}",
        "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User=",
    ]  # fmt: skip
    _run(["apt-get", *options, "update"], work)
    _run(["apt-get", *options, "download", "nats-server"], work)
    package = next(work.glob("nats-server_*.deb"), None)
    if package is None:
        raise _NotHere("apt-get downloaded nothing")
    _run(["dpkg", "-x", str(package), str(tree)], work)
    return next(iter(tree.glob("usr/*bin/nats-server")), tree / "usr/sbin/nats-server")


def _from_homebrew(work: Path) -> Path:
    _need("brew")
    say("brew install nats-server ...")
    _run(["brew", "install", "--quiet", "nats-server"], work)
    prefix = _run(["brew", "--prefix", "nats-server"], work).strip()
    return Path(prefix) / "bin" / "nats-server"


def _from_go(work: Path) -> Path:
    _need("go")
    say(f"go install {GO_MODULE} (compiles for a minute or two) ...")
    places = {"GOBIN": str(work), "GOPATH": str(work / "go"), "GOCACHE": str(work / "cache")}  # nothing in the home
    _run(["go", "install", GO_MODULE], work, {**places, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -modcacherw"})
    return work / "nats-server"


def _from_docker(work: Path) -> Path:
    """On Linux the image holds a static binary: take it out, and no container is needed to run it."""
    _need("docker")
    if sys.platform != "linux":
        raise _NotHere("the image holds a Linux program only")
    say(f"taking nats-server out of the Docker image {IMAGE} ...")
    container = _run(["docker", "create", IMAGE], work).strip().splitlines()[-1]
    try:
        _run(["docker", "cp", f"{container}:/usr/local/bin/nats-server", str(work / "nats-server")], work)
    finally:
        subprocess.run(["docker", "rm", container], capture_output=True, check=False)
    return work / "nats-server"


def _need(tool: str) -> None:
    if shutil.which(tool) is None:
        raise _NotHere(f"there is no {tool}")


def _run(command: Sequence[str], work: Path, extra: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=work, env={**os.environ, **(extra or {})}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=600, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _NotHere(f"`{command[0]}` took longer than ten minutes") from None
    if done.returncode != 0:
        told = " ".join((done.stderr or done.stdout).split())[-_TAIL_CHARS:]
        raise _NotHere(f"`{command[0]}` failed with exit code {done.returncode}: {told}")
    return done.stdout


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with open(folder / "install.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(find_or_install())
    except NatsMissing as exc:
        sys.exit(f"shadowtwin: {exc}")
