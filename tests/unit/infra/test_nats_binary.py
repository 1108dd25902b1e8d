"""Where nats-server is looked for and how it is installed, by the real module with fake programs on the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.nats_binary import docker_argv

ROOT = Path(__file__).resolve().parents[3]
SERVER = '#!/bin/sh\necho "nats-server: v2.9.10"\n'
SYSTEM_WIDE = any(Path(place, "nats-server").exists() for place in ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin"))

# The fakes have no PATH of their own worth the name: they use absolute programs only.
APT = """#!/bin/sh
echo "$@" >> "$(/usr/bin/dirname "$0")/calls"
for word; do :; done
[ "$word" = nats-server ] && : > nats-server_2.9.10_amd64.deb
exit 0
"""
DPKG = """#!/bin/sh
for tree; do :; done
/bin/mkdir -p "$tree/usr/sbin"
/bin/cp "$(/usr/bin/dirname "$0")/payload" "$tree/usr/sbin/nats-server"
"""
GO = """#!/bin/sh
echo "go $*" >> "$(/usr/bin/dirname "$0")/calls"
/bin/cp "$(/usr/bin/dirname "$0")/payload" "$GOBIN/nats-server"
"""
BROKEN = "#!/bin/sh\necho 'cannot reach the mirror' >&2\nexit 100\n"


class Machine:
    """A folder for programs, a copy of the module, and one way to run it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.private = folder / "a b" / ".shadowtwin" / "nats" / "nats-server"
        self.module = folder / "a b" / "infra" / "nats_binary.py"
        for place in (self.bin, self.module.parent):
            place.mkdir(parents=True)
        shutil.copy(ROOT / "infra" / "nats_binary.py", self.module)

    def has(self, name: str, content: str, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
        return path

    def find(self, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "LANG": "C.UTF-8", **more}
        return subprocess.run(
            [sys.executable, self.module], env=environment, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_environment_names_one(machine: Machine) -> None:
    machine.has("nats-server", SERVER)
    chosen = machine.has("mine", SERVER)
    assert machine.find(SHADOWTWIN_NATS_SERVER=str(chosen)).stdout.strip() == str(chosen)


def test_a_wrong_one_in_the_environment_is_refused_not_replaced(machine: Machine) -> None:
    machine.has("nats-server", SERVER)
    done = machine.find(SHADOWTWIN_NATS_SERVER="/bin/true")
    assert done.returncode == 1
    assert "SHADOWTWIN_NATS_SERVER" in done.stderr


def test_the_path_comes_before_the_private_copy(machine: Machine) -> None:
    machine.has(machine.private.name, SERVER, machine.private.parent)
    on_path = machine.has("nats-server", SERVER)
    assert machine.find().stdout.strip() == str(on_path)


@pytest.mark.skipif(SYSTEM_WIDE, reason="this machine has a nats-server outside of the PATH that a test can choose")
class TestNothingOnThePath:
    """The private copy, and how it is made."""

    def test_the_private_copy_is_used_silently(self, machine: Machine) -> None:
        machine.has(machine.private.name, SERVER, machine.private.parent)
        done = machine.find()
        assert (done.stdout.strip(), done.stderr) == (str(machine.private), "")

    def test_the_distributions_package_is_unpacked_not_installed(self, machine: Machine) -> None:
        for name, content in (("apt-get", APT), ("dpkg", DPKG), ("payload", SERVER)):
            machine.has(name, content)
        done = machine.find()
        assert done.stdout.strip() == str(machine.private), done.stderr
        assert "v2.9.10, from the distribution's package" in done.stderr
        calls = (machine.bin / "calls").read_text()
        assert "APT::Sandbox::User=" in calls
        assert " install" not in calls
        assert sorted(os.listdir(machine.private.parent)) == ["install.lock", "nats-server"]

    def test_what_fails_is_followed_by_the_next_way(self, machine: Machine) -> None:
        for name, content in (("apt-get", BROKEN), ("dpkg", DPKG), ("go", GO), ("payload", SERVER)):
            machine.has(name, content)
        done = machine.find()
        assert done.stdout.strip() == str(machine.private), done.stderr
        assert "go install github.com/nats-io/nats-server/v2@v2." in (machine.bin / "calls").read_text()

    def test_a_copy_that_does_not_run_here_is_not_kept(self, machine: Machine) -> None:
        machine.has("go", GO)
        machine.has("payload", "#!/bin/sh\nexit 126\n")
        done = machine.find()
        assert done.returncode == 1
        assert "does not run here" in done.stderr
        assert not machine.private.exists()

    def test_when_all_fails_it_says_what_was_tried(self, machine: Machine) -> None:
        machine.has("apt-get", BROKEN)
        machine.has("dpkg", DPKG)
        done = machine.find()
        assert (done.returncode, done.stdout) == (1, "")
        for told in ("cannot reach the mirror", "there is no brew", "there is no go", "there is no docker"):
            assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_docker_listens_on_this_machine_only(tmp_path: Path) -> None:
    assert "127.0.0.1:4222:4222" in docker_argv(4222, tmp_path)
