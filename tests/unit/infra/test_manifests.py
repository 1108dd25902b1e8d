"""The Kubernetes manifests: what they say of streams, settings, ports, times and secrets is what the code says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from infra.deployment.manifests import KEDA_SCHEMA, manifest_findings, manifests
from infra.nats_users import ACCOUNT, PASSWORDS
from services.extractor.settings import ExtractorSettings
from services.gateway.__main__ import REQUESTS_SECONDS, STOP_SECONDS
from services.gateway.settings import GatewaySettings
from services.ingestor.settings import IngestorSettings
from services.transformer.settings import TransformerSettings
from shared import route
from shared.adapters.nats_streams import durable_name
from shared.adapters.storage_choice import StorageSettings
from shared.adapters.vector_choice import VectorSettings
from shared.settings import Settings
from shared.worker import DRAIN_SECONDS

FOLDER = Path(__file__).resolve().parents[3] / "infra" / "kubernetes"
ALL = [manifest for _, manifest in manifests(FOLDER)]
SETTINGS: dict[str, type[Settings]] = {
    "gateway": GatewaySettings,
    "extractor": ExtractorSettings,
    "transformer": TransformerSettings,
    "ingestor": IngestorSettings,
}

PLACES = {
    "extractor": ExtractorSettings().concurrency,
    "transformer": TransformerSettings().concurrency,
    "ingestor": IngestorSettings().concurrency,
}
"""What one worker does at a time, unless it is told otherwise."""


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in ALL if each["kind"] == kind}


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = named("Deployment")[name]["spec"]["template"]["spec"]
    return spec


def variables(*models: type[BaseSettings]) -> set[str]:
    return {f"SHADOWTWIN_{field.upper()}" for model in models for field in model.model_fields}


def environment(name: str) -> dict[str, str]:
    own = {each["name"]: each["value"] for each in pod(name)["containers"][0]["env"]}
    return {**named("ConfigMap")["shadowtwin"]["data"], **own}


def test_each_service_is_a_deployment_that_disruptions_spare() -> None:
    assert set(named("Deployment")) == set(SETTINGS) == set(named("PodDisruptionBudget"))


@pytest.mark.parametrize("worker", sorted(set(SETTINGS) - {"gateway"}))
def test_workers_are_scaled_by_what_waits_in_the_consumers_that_the_code_makes(worker: str) -> None:
    scaled = named("ScaledObject")[worker]["spec"]
    assert scaled["scaleTargetRef"]["name"] == worker
    wanted = [durable_name(leg) for leg in route.ROUTE if leg.consumer == worker]
    asked = [trigger["metadata"] for trigger in scaled["triggers"]]
    assert [each["consumer"] for each in asked] == wanted
    for each in asked:
        assert (each["stream"], each["account"]) == (route.STREAM, ACCOUNT)
        assert int(each["lagThreshold"]) == PLACES[worker]
    assert scaled["minReplicaCount"] >= 1  # somebody must answer plans


def test_as_much_is_admitted_as_the_workers_can_have_under_way() -> None:
    admitted = int(environment("gateway")["SHADOWTWIN_MAX_ADMITTED"])
    for scaled in named("ScaledObject").values():
        places = scaled["spec"]["maxReplicaCount"] * int(scaled["spec"]["triggers"][0]["metadata"]["lagThreshold"])
        assert admitted >= places


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_settings_are_ones_that_the_service_reads(name: str) -> None:
    own = variables(SETTINGS[name], StorageSettings, VectorSettings)
    assert set(environment(name)) <= variables(*SETTINGS.values()) | own
    assert {each["name"] for each in pod(name)["containers"][0]["env"]} <= own
    assert environment(name)["SHADOWTWIN_NATS_USER"] == name


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_secrets_are_files_of_a_volume_and_are_named_in_the_guide(name: str) -> None:
    guide = (FOLDER.parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    projected = {volume["name"]: volume for volume in pod(name)["volumes"]}["secrets"]["projected"]
    given = set()
    for source in projected["sources"]:
        assert source["secret"]["name"] in guide
        given |= {item["path"] for item in source["secret"].get("items", [])}
    own = {"nats-password", "service-token", "credentials.json", "api-keys.json"}
    for variable, value in environment(name).items():
        if variable.endswith("_FILE"):
            file = value.removeprefix("/run/secrets/shadowtwin/")
            assert file in given | own
            assert file in given or f"--from-file={file}=" in guide
        assert not variable.endswith(("_TOKEN", "_PASSWORD", "_SECRET", "_URI")) or variable == "SHADOWTWIN_MILVUS_URI"


def test_a_pod_is_given_longer_than_its_drain_takes() -> None:
    grace = {name: pod(name)["terminationGracePeriodSeconds"] for name in SETTINGS}
    assert grace.pop("gateway") > REQUESTS_SECONDS + STOP_SECONDS + 5
    assert all(seconds > DRAIN_SECONDS for seconds in grace.values())


def test_ports_are_the_same_everywhere() -> None:
    port = environment("gateway")["SHADOWTWIN_PORT"]
    assert environment("gateway")["SHADOWTWIN_GATEWAY_URL"] == f"http://gateway:{port}"
    assert named("Service")["gateway"]["spec"]["ports"][0]["port"] == int(port)
    for name in SETTINGS:
        assert pod(name)["containers"][0]["ports"] == [{"name": "http", "containerPort": int(port)}]


def test_nothing_may_talk_unless_it_is_said() -> None:
    policies = named("NetworkPolicy")
    closed = policies["nothing"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    to_database = [
        name for name, each in policies.items()
        if any(port.get("port") == 27017 for rule in each["spec"].get("egress", []) for port in rule.get("ports", []))
    ]  # fmt: skip
    assert sorted(to_database) == ["gateway", "mongodb"]


def test_the_broker_is_three_servers_with_our_users_and_as_many_copies() -> None:
    values = yaml.safe_load((FOLDER / "charts" / "nats.yaml").read_text())
    replicas = values["config"]["cluster"]["replicas"]
    assert str(replicas) == environment("gateway")["SHADOWTWIN_STREAM_REPLICAS"] == "3"
    compose = yaml.safe_load((FOLDER.parent / "compose.yaml").read_text())
    assert compose["services"]["nats"]["image"] == f"nats:{values['container']['image']['tag']}"
    assert values["config"]["merge"]["$include"] == "../nats-users/nats-users.conf"
    guide = (FOLDER.parents[1] / "docs" / "production.md").read_text(encoding="utf-8")
    assert "nats-users.conf" in guide
    assert PASSWORDS in guide


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("base/gateway.yaml", "minReplicas: 2", "minReplica: 2"),
        ("base/gateway.yaml", "containerPort: 8080", "containerPort: many"),
        ("base/extractor.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        ("base/extractor.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("base/ingestor.yaml", "            failureThreshold: 60\n", "            failureTreshold: 60\n"),
        ("base/kustomization.yaml", "  - network.yaml\n", ""),
        ("components/keda/scaledobjects.yaml", "pollingInterval: 10", "pollingIntervall: 10"),
        ("components/keda/scaledobjects.yaml", "maxReplicaCount: 32", 'maxReplicaCount: "32"'),
        ("components/ingress/ingress.yaml", "pathType: Prefix", "pathType: [Prefix]"),
    ],
)
def test_the_validators_find_what_is_wrong(tmp_path: Path, file: str, before: str, after: str) -> None:
    folder = tmp_path / "kubernetes"
    (folder / Path(KEDA_SCHEMA).parent).mkdir(parents=True)
    shutil.copy(FOLDER / KEDA_SCHEMA, folder / KEDA_SCHEMA)
    parent = Path(file).parent
    (folder / parent).mkdir(parents=True)
    for name in {Path(file).name, "kustomization.yaml"}:
        shutil.copy(FOLDER / parent / name, folder / parent)
    for name in yaml.safe_load((FOLDER / parent / "kustomization.yaml").read_text())["resources"]:
        (folder / parent / name).touch()
    text = (folder / file).read_text()
    assert before in text
    assert manifest_findings(folder) == []
    (folder / file).write_text(text.replace(before, after))
    assert manifest_findings(folder)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl, which brings kustomize")
def test_kustomize_puts_the_overlay_together() -> None:
    command = ["kubectl", "kustomize", str(FOLDER / "overlays" / "production")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    made = list(yaml.safe_load_all(done.stdout))
    assert len(made) == len(ALL)
    for each in made:
        assert each["metadata"].get("namespace") == "shadowtwin" or each["kind"] == "Namespace"
        if each["kind"] == "Deployment":
            assert each["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example.com/")
            assert "replicas" not in each["spec"]
