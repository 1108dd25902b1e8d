"""What the container files promise, as far as that can be read without an engine."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy
from threading import Thread
from typing import Any

import pytest
import yaml

from infra.deployment.validation import broker_findings, compose_findings, dockerfile_findings, findings
from infra.nats_users import FILE, PASSWORDS, password_variable
from services.gateway.__main__ import REQUESTS_SECONDS
from services.gateway.__main__ import STOP_SECONDS as CLOSING_SECONDS
from shared.adapters.storage_choice import StorageSettings
from shared.adapters.vector_choice import VectorSettings
from shared.probe import holds
from shared.settings import Settings
from shared.worker import DRAIN_SECONDS

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
OURS = ["gateway", "extractor", "transformer", "ingestor"]


def test_the_services_are_what_ours_need_and_ours() -> None:
    assert sorted(COMPOSE["services"]) == sorted(["nats", "mongo", "objects", "milvus", "prometheus", "grafana", *OURS])
    optional = {name: service["profiles"] for name, service in COMPOSE["services"].items() if "profiles" in service}
    assert optional == {"milvus": ["milvus"], "prometheus": ["telemetry"], "grafana": ["telemetry"]}


@pytest.mark.parametrize("name", OURS)
def test_each_service_is_built_from_its_folder(name: str) -> None:
    assert COMPOSE["services"][name]["build"]["args"]["SERVICE"] == name
    assert (ROOT / "services" / name / "__init__.py").exists()


@pytest.mark.parametrize("name", list(COMPOSE["services"]))
def test_every_container_runs_confined_limited_watched_and_is_started_again(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] or name == "milvus"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "stop_grace_period"} <= set(service)
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    for needed in service.get("depends_on", {}):
        assert service["depends_on"][needed] == {"condition": "service_healthy"}


def test_a_stop_waits_longer_than_a_drain_takes() -> None:
    seconds = {name: int(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) for name in OURS}
    assert seconds.pop("gateway") > REQUESTS_SECONDS + CLOSING_SECONDS
    assert all(each > DRAIN_SECONDS for each in seconds.values())


def test_only_the_gateway_reaches_the_database_and_only_clients_parts_are_published() -> None:
    services = COMPOSE["services"]
    assert [name for name, each in services.items() if "records" in each["networks"]] == ["mongo", "gateway"]
    assert services["mongo"]["networks"] == ["records"]
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert sorted(published) == ["gateway", "grafana", "objects"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", OURS)
def test_each_service_has_its_own_user_at_the_broker(name: str) -> None:
    environment = COMPOSE["services"][name]["environment"]
    assert environment["SHADOWTWIN_NATS_USER"] == name
    assert environment["SHADOWTWIN_NATS_PASSWORD_FILE"] == f"/run/secrets/nats_{name}"


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
    assert 'CMD ["python", "-m", "shared.probe", "live"]' in DOCKERFILE


def test_the_image_is_given_shared_and_one_service_only() -> None:
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    copied = [line.split()[1] for line in final.splitlines() if line.startswith("COPY") and "--from" not in line]
    assert {place for place in copied if place.startswith("services")} == {
        "services/__init__.py",
        "services/${SERVICE}/",
    }
    assert "--require-hashes --constraint requirements.lock" in DOCKERFILE
    assert DOCKERFILE.index("USER 10001:10001") < DOCKERFILE.index('CMD ["sh"')


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
    assert set(COMPOSE["x-environment"]) <= known | {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert set(COMPOSE["x-vectors"]) <= {f"SHADOWTWIN_{name.upper()}" for name in VectorSettings.model_fields}


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
    for user in ("operator", *OURS):
        password = (folder / f"nats-{user}.token").read_text()
        assert f'{password_variable(user)}: "{password}"' in (folder / PASSWORDS).read_text().splitlines()
    for secret in COMPOSE["secrets"].values():
        assert (folder / Path(secret["file"]).name).exists(), secret
    subprocess.run([script], check=True)
    assert (folder / "credentials.json").read_bytes() == first
    assert folder.stat().st_mode & 0o077 == 0


def test_the_validators_are_content_with_what_is_here() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("check", "file", "before", "after"),
    [
        (compose_findings, "compose.yaml", "stop_grace_period: 45s", "stop_grace_periode: 45s"),
        (dockerfile_findings, "Dockerfile", "WORKDIR /data", "WORKDIR data"),
        (broker_findings, "nats.conf", "max_payload: 256KB", "max_payload: many"),
        (broker_findings, FILE.name, '"roll.call"', '"roll.call", ">"'),
    ],
)
def test_the_validators_find_what_is_wrong(tmp_path: Path, check: Any, file: str, before: str, after: str) -> None:
    for name in ("compose.yaml", "Dockerfile", "nats.conf", FILE.name):
        copy(ROOT / "infra" / name, tmp_path)
    text = (tmp_path / file).read_text()
    assert before in text
    (tmp_path / file).write_text(text.replace(before, after))
    assert check(tmp_path)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_a_health_check_believes_only_a_200(status: int, healthy: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        assert holds("ready", server.server_port) is healthy
        server.shutdown()
    assert holds("ready", server.server_port) is False
