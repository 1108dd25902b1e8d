"""Replay: the bundles under tests/fixtures give what they gave when they were made, here and anywhere.

Whoever changes results on purpose makes them anew: `python -m tests.support.bundles`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.replay import normal
from infra.replay.replaying import Replay, replay
from infra.stack import REPO
from tests.e2e.conftest import Running
from tests.support.bundles import FOLDER, NAMES, plain

MOST = 1 << 30


def changed(name: str, target: Path, changes: dict[str, bytes | None]) -> Path:
    """A fixture with other members, its list made to fit: as another version of the system would have written it."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        content = {entry: archive.read(entry) for entry in archive.namelist()}
    said = json.loads(content.pop("manifest.json"))
    for member, data in changes.items():
        if data is None:
            del content[member]
        else:
            content[member] = data
    said["members"] = [
        {"name": entry, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for entry, data in content.items()
    ]
    with zipfile.ZipFile(target, "w") as archive:
        for entry, data in {**content, "manifest.json": json.dumps(said).encode()}.items():
            archive.writestr(entry, data)
    return target


def member(name: str, entry: str) -> bytes:
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        return archive.read(entry)


def entries(name: str, prefix: str) -> list[str]:
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        return [entry for entry in archive.namelist() if entry.startswith(prefix)]


def states(found: Replay) -> dict[str, str]:
    return {each.name: each.state for each in found.artefacts if each.state != "identical"}


@pytest.mark.timeout(240)
def test_all_bundles_are_identical_in_another_place_with_other_settings(tmp_path: Path):
    """From another folder, with another home, time zone, language and settings, and with the reader as Python."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TZ": "Pacific/Auckland",
        "LC_ALL": "tr_TR.UTF-8",
        "SHADOWTWIN_MACHINE_CODE": "off",
        "SHADOWTWIN_CHUNKER": "structure",
        "SHADOWTWIN_ANALYZER": "openai",
        "SHADOWTWIN_MAX_PAGES": "1",
    }
    bundles = [str(FOLDER / f"{name}.zip") for name in NAMES]
    ran = subprocess.run(
        [str(REPO / "shadowtwin"), "replay", *bundles, "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    replays: list[dict[str, Any]] = json.loads(ran.stdout)["replays"]
    assert [found["identical"] for found in replays] == [True, True, True]
    assert [len(found["artefacts"]) for found in replays] == [18, 33, 32]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(120)
async def test_a_change_is_told_with_what_it_was_made_with_then(tmp_path: Path):
    settings = json.loads(member("plain", "settings.json"))
    settings["extract_pdf"]["libraries"]["pymupdf"] = "1.0"
    former = {
        "twin/plain.en.md": member("plain", "twin/plain.en.md").replace(b"reefs", b"roofs"),
        "twin/gone.jsonl": b"{}\n",
        "twin/plan.json": None,
        "settings.json": json.dumps(settings).encode(),
    }
    found = await replay(changed("plain", tmp_path / "b.zip", former), most_bytes=MOST)
    assert not found.identical
    assert states(found) == {
        "twin/gone.jsonl": "missing",
        "twin/plan.json": "additional",
        "twin/plain.en.md": "differs",
    }
    diff = next(each.diff for each in found.artefacts if each.name == "twin/plain.en.md")
    assert any(line.startswith("-") and "roofs" in line for line in diff)
    assert any(line.startswith("+") and "reefs" in line for line in diff)
    assert any(said.startswith("extract_pdf: libraries.pymupdf was 1.0, is ") for said in found.otherwise)


@pytest.mark.timeout(120)
async def test_a_question_that_the_bundle_does_not_answer_is_named_and_not_asked(tmp_path: Path):
    answers = entries("model", "twin/ai/")
    product = next(entry for entry in answers if json.loads(member("model", entry))["purpose"] == "product")
    found = await replay(changed("model", tmp_path / "b.zip", {product: None}), most_bytes=MOST)
    assert not found.identical
    assert len(found.unanswered) == 1
    assert "a question of product to simulated" in found.unanswered[0]
    assert Path(product).name in found.unanswered[0]
    assert states(found)


def test_the_page_shows_the_whole_list_of_what_may_differ():
    listed = (normal.__doc__ or "").partition("\n\n")[2].strip()
    page = (REPO / "docs" / "export-and-replay.md").read_text(encoding="utf-8")
    assert f"test_replay.py -->\n{listed}\n<!-- end of list -->" in page


@pytest.mark.timeout(240)
def test_the_commands_of_the_page_do_what_it_says(running: Running, tmp_path: Path):
    job = running.ended(running.submit(plain(tmp_path / "paper.pdf"), libraryId="bundles")["jobId"])
    page = (REPO / "docs" / "export-and-replay.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\./shadowtwin .*$", page, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["jobs", "export", "replay"]
    said = {}
    for command in commands:
        words = command.replace("JOB", job["jobId"]).split()[1:]
        where = [] if words[0] == "replay" else ["--data-dir", str(running.stack.data_dir)]
        ran = subprocess.run(
            [str(REPO / "shadowtwin"), *words, *where], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        said[words[0]] = ran.stdout
    assert (tmp_path / "sample.zip").is_file()
    assert "identical: 18 of 18 artefacts are identical" in said["replay"]
