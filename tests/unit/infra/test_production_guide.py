"""docs/production.md: every command, option, path and setting in it exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.cli.parser import build
from services.extractor.settings import ExtractorSettings
from services.gateway.settings import GatewaySettings
from services.ingestor.settings import IngestorSettings
from services.transformer.settings import TransformerSettings
from shared.adapters.model_choice import ModelSettings
from shared.adapters.storage_choice import StorageSettings
from shared.adapters.vector_choice import VectorSettings

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", GUIDE, re.MULTILINE | re.DOTALL)
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL))
LINES = [line.strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
OURS = [shlex.split(line) for line in [*LINES, *SPANS] if line.startswith("./shadowtwin")]
SETTINGS = {
    f"SHADOWTWIN_{field.upper()}"
    for model in (
        GatewaySettings, ExtractorSettings, TransformerSettings, IngestorSettings,
        ModelSettings, StorageSettings, VectorSettings,
    )
    for field in model.model_fields
}  # fmt: skip
OF_COMMANDS = {"SHADOWTWIN_API_KEY", "SHADOWTWIN_EXTRAS"}
"""Of the command line, and of compose's build."""


@pytest.mark.parametrize("command", OURS, ids=" ".join)
def test_commands_of_ours_are_taken_by_the_command_line(command: list[str]) -> None:
    parsed = build().parse_args(command[1:])
    assert parsed.command == command[1]


def test_the_guide_names_commands_at_all() -> None:
    assert {command[1] for command in OURS} >= {"process", "doctor", "rebuild", "keys", "bench"}
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_are_shell_that_a_shell_understands(block: str) -> None:
    done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_paths_exist() -> None:
    named = {word.strip("`,;") for text in (*LINES, *SPANS) for word in text.split()}
    paths = {word for word in named if word.startswith(("infra/", "docs/", "services/", "shared/", "tests/"))}
    assert len(paths) >= 8
    missing = [path for path in paths if not (ROOT / path).exists()]
    links = re.findall(r"\]\(([^)#:]+)\)", GUIDE)
    assert missing == []
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_settings_are_ones_that_a_service_reads() -> None:
    named = set(re.findall(r"SHADOWTWIN_[A-Z0-9_]+", GUIDE))
    assert len(named) >= 10
    assert named - SETTINGS - OF_COMMANDS == set()


def test_containers_profiles_and_volumes_are_those_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
    for profile in re.findall(r"--profile (\w+)", GUIDE):
        assert any(profile in service.get("profiles", []) for service in compose["services"].values())
    for service in re.findall(r"compose\.yaml (?:exec -T|kill -s HUP) (\w+)", GUIDE):
        assert service in compose["services"]
    for volume in re.findall(r"-v shadowtwin_(\w+):", GUIDE):
        assert volume in compose["volumes"]
