"""What the container files promise, as far as that can be read without an engine."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml

from shared.adapters.storage_choice import StorageSettings
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
OURS = ["gateway", "extractor", "transformer", "ingestor"]


def test_the_services_are_nats_mongo_and_our_four() -> None:
    assert sorted(COMPOSE["services"]) == sorted(["nats", "mongo", *OURS])


@pytest.mark.parametrize("name", OURS)
def test_each_service_is_built_from_its_folder_and_runs_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["build"]["args"] == {"SERVICE": name}
    assert (ROOT / "services" / name / "__init__.py").exists()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["stop_grace_period"]


@pytest.mark.parametrize("name", OURS)
def test_secrets_are_files_never_values(name: str) -> None:
    service = COMPOSE["services"][name]
    for variable, value in service["environment"].items():
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert not variable.endswith(("_TOKEN", "_KEY", "_PASSWORD", "_SECRET"))
    for secret in service["secrets"]:
        assert COMPOSE["secrets"][secret]["file"].startswith("../.shadowtwin/")  # git-ignored


def test_volumes_networks_and_health_checks_exist() -> None:
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "infra" / source).exists()
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert "healthcheck" in service or "build" in service  # our image brings its own
    assert "HEALTHCHECK" in DOCKERFILE


def test_the_image_is_given_shared_and_one_service_only() -> None:
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    copied = [line.split()[1] for line in final.splitlines() if line.startswith("COPY") and "--from" not in line]
    assert {place for place in copied if place.startswith("services")} == {
        "services/__init__.py",
        "services/${SERVICE}/",
    }
    assert "--require-hashes --constraint requirements.lock" in DOCKERFILE
    assert DOCKERFILE.index("USER shadowtwin") < DOCKERFILE.index('CMD ["sh"')


def test_the_build_is_sent_all_that_the_image_copies() -> None:
    let_through = {
        line[1:] for line in (ROOT / "infra/Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copies = [
        line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    for place in (place.rstrip("/") for places in copies for place in places):
        assert place in let_through or place.split("/")[0] in let_through, place


def test_common_settings_are_ones_that_the_services_read() -> None:
    known = {f"SHADOWTWIN_{name.upper()}" for name in (*Settings.model_fields, *StorageSettings.model_fields)}
    assert set(COMPOSE["x-environment"]) <= known


def test_the_secrets_script_makes_matching_credentials_once(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    script = copy(ROOT / "infra" / "secrets.sh", tmp_path / "infra")
    folder = tmp_path / ".shadowtwin" / "secrets"
    subprocess.run([script], check=True)
    first = (folder / "credentials.json").read_bytes()
    for service, digest in json.loads(first).items():
        token = (folder / f"{service}.token").read_bytes()
        assert len(token) == 64
        assert sha256(token).hexdigest() == digest
    assert sorted(json.loads(first)) == sorted(set(OURS) - {"gateway"})
    subprocess.run([script], check=True)
    assert (folder / "credentials.json").read_bytes() == first
    assert folder.stat().st_mode & 0o077 == 0
