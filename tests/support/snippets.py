"""Snippets of the documents, run as they are written against a live stack.

A page's `sh` blocks are commands of one shell, in order; `python` blocks that begin with `# NAME.py` are saved under
that name first. Words that stand for something (JOB_ID) are replaced by what the last command has made. A command ends
with 0, or with the code that its comment names (`# exit code 1`), and no call may be refused that is not `# refused`.
Plain calls of the command line run in this process, which saves half a second each; all else runs in the page's shell.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from infra.cli import parser

REPO = Path(__file__).resolve().parents[2]
SECONDS = 120.0
"""The longest that one command may take."""
WITHOUT_DATA = ("extract", "replay", "specs", "compile")
"""Commands that know no folder of a stack."""


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line that it begins at."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, also indented ones."""
    found, inside = [], None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"^( *)```(\w*)\s*$", line)
        if inside is None and fence:
            inside = (fence[2], number + 1, len(fence[1]), list[str]())
        elif inside and fence:
            found.append(Block(inside[0], "\n".join(inside[3]) + "\n", inside[1]))
            inside = None
        elif inside:
            inside[3].append(line[inside[2] :])
    assert inside is None, f"{page}: a block has no end"
    return found


def commands(block: Block) -> Iterator[str]:
    """The commands of a block: lines that a backslash joins and here-documents stay together."""
    lines = iter(block.text.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if here := re.search(r"<<'?(\w+)'?", line):
            for further in lines:
                command += "\n" + further
                if further == here[1]:
                    break
        if command.strip() and not command.startswith("#"):
            yield command


class Failed(AssertionError):
    """A snippet does not do what its page says."""


class Session:
    """A reader who follows one page in a folder that looks like a clone with a running stack."""

    def __init__(self, folder: Path, data_dir: Path, http: httpx.Client, addresses: dict[str, str]) -> None:
        """`addresses` are those of the pages (`127.0.0.1:9000`) and what stands for them here."""
        self._folder, self._data, self._http, self._answer = folder, data_dir, http, ""
        self._exported = False
        base = http.base_url
        self._addresses = {"127.0.0.1:8080": f"{base.host}:{base.port}", **addresses}
        (folder / ".shadowtwin").mkdir()
        (folder / ".shadowtwin" / "data").symlink_to(data_dir)
        (folder / ".venv").symlink_to(REPO / ".venv")
        script = folder / "shadowtwin"
        script.write_text(
            f'#!/bin/sh\ncase " $* " in *" --api-url "*|*" --data-dir "*) exec "{REPO}/shadowtwin" "$@";; esac\n'
            f'case $1 in {"|".join(WITHOUT_DATA)}) exec "{REPO}/shadowtwin" "$@";; esac\n'
            f'exec "{REPO}/shadowtwin" "$@" --data-dir "{data_dir}"\n'
        )
        script.chmod(0o755)
        (folder / ".curlrc").write_text("no-progress-meter\n")
        environment = {
            **os.environ,
            "CURL_HOME": str(folder),
            "PYTHONPATH": str(REPO),
            "NO_PROXY": "127.0.0.1",
            "COLUMNS": "120",
        }
        self._shell = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, text=True,
            start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def close(self) -> None:
        """The shell ends, with what the page has left running."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def save(self, block: Block) -> None:
        """A program that says its own name."""
        name = re.match(r"# (\w+\.py)\n", block.text)
        if name:
            (self._folder / name[1]).write_text(self._here(block.text), encoding="utf-8")

    def run(self, command: str) -> str:
        """What a command prints; raises Failed when it ends otherwise than its page says."""
        self._settle()
        expected = re.search(r"# exit code (\d+)", command)
        began = time.monotonic()
        said, code = self._runs(self._here(command))
        print(f"{time.monotonic() - began:6.2f} s  {command[:90]}")
        if code != int(expected[1] if expected else 0):
            raise Failed(f"{command}\nends with {code}:\n{said[-4000:]}")
        if ('"urn:shadowtwin:error:' in said) != ("# refused" in command):
            raise Failed(f"{command}\nanswers:\n{said[-4000:]}")
        self._answer = said
        return said

    def _runs(self, command: str) -> tuple[str, int]:
        plain = command.startswith("./shadowtwin ") and not re.search(r"[|<>$;&`*]|\n", command)
        if not plain or self._exported:
            self._exported = self._exported or command.startswith("export ")
            return self._shell_runs(command)
        words = shlex.split(command, comments=True)[1:]
        if words[0] not in WITHOUT_DATA and not {"--data-dir", "--api-url"} & set(words):
            words += ["--data-dir", str(self._data)]
        said = io.StringIO()
        former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.chdir(self._folder):
                code = parser.main(words)
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
        return said.getvalue(), code

    def _shell_runs(self, command: str) -> tuple[str, int]:
        assert self._shell.stdin
        assert self._shell.stdout
        mark = uuid.uuid4().hex
        self._shell.stdin.write(f"{{ :\n{command}\n}} </dev/null\nprintf '\\n%s %s\\n' {mark} $?\n")
        self._shell.stdin.flush()
        said: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(mark):
                return "".join(said), int(line.split()[1])
            said.append(line)
        raise Failed(f"{command}\nhas ended the shell:\n{''.join(said)}")

    def _settle(self) -> None:
        """Until nothing is under way any more: a reader waits as well."""
        end = time.monotonic() + SECONDS
        while any(self._get("/api/jobs", status=state)["jobs"] for state in ("queued", "running")):
            if time.monotonic() > end:
                raise Failed("jobs do not end")
            time.sleep(0.05)

    def _here(self, text: str) -> str:
        """The text with this stack's address, and what its placeholders stand for."""
        for written, address in self._addresses.items():
            text = text.replace(written, address).replace(f"port={written[10:]},", f"port={address[10:]},")
        for word in dict.fromkeys(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", text)):
            if known := PLACEHOLDERS.get(word):
                text = text.replace(word, known(self))
        return text

    def _get(self, path: str, **query: Any) -> Any:
        answer = self._http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def job(self) -> dict[str, Any]:
        """The newest job."""
        found: dict[str, Any] = self._get("/api/jobs", limit=1)["jobs"][0]
        return found

    def record(self) -> dict[str, Any]:
        """The first record of the newest job's document."""
        job = self.job()
        path = f"/api/documents/{job['documentId']}/records"
        found: dict[str, Any] = self._get(path, library=job["libraryId"])["records"][0]
        return found

    def image(self) -> str:
        """The name of the first picture of the newest job's document."""
        job = self.job()
        listed = self._get(f"/api/documents/{job['documentId']}/images", library=job["libraryId"])
        return str(listed["images"][0]["name"])

    def answered(self, *names: str) -> str:
        """A field of the last command's answer, below others if several are named."""
        found = json.loads(self._answer)
        for name in names:
            found = found[name]
        return str(found)

    def key(self) -> str:
        """The id of the last API key that was made."""
        return str(json.loads((self._data / "secrets" / "api-keys.json").read_text())["keys"][-1]["id"])


PLACEHOLDERS: dict[str, Callable[[Session], str]] = {
    "JOB_ID": lambda session: str(session.job()["jobId"]),
    "DOCUMENT_ID": lambda session: str(session.job()["documentId"]),
    "RECORD_ID": lambda session: str(session.record()["recordId"]),
    "IMAGE_NAME": lambda session: session.image(),
    "UPLOAD_ID": lambda session: session.answered("uploadId"),
    "URL_OF_THE_ANSWER": lambda session: session.answered("url"),
    "KEY_ID": lambda session: session.key(),
}
"""Words of the pages that a reader replaces."""
