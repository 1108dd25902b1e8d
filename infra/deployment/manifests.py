"""Checks the Kubernetes manifests as they stand: by the schemas of Kubernetes and KEDA, and by what they must agree on.

Kustomize only puts them together, so that what is checked here is what a cluster gets; no tool of Kubernetes is needed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

OLDEST, NEWEST = "1.31", "1.37"
"""The versions of Kubernetes between which the manifests must fit."""

KEDA_SCHEMA = "schemas/keda-scaledobject-2.20.1.json"
WORKLOADS = ("Deployment",)
Manifest = dict[str, Any]


def manifests(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """Every object of `base` and `components`, with its file; kustomizations are none."""
    for part in ("base", "components"):
        for file in sorted((folder / part).rglob("*.yaml")):
            if file.name != "kustomization.yaml":
                for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                    yield file, document


def manifest_findings(folder: Path) -> list[str]:
    """What is wrong with the manifests below `folder`, each with its file and object."""
    found = [*_kustomization_findings(folder)]
    for file, manifest in manifests(folder):
        where = f"{file}: {manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
        found += [f"{where}: {finding}" for finding in [*_schema_findings(folder, manifest), *_rules(manifest)]]
    return found


def _kustomization_findings(folder: Path) -> Iterator[str]:
    """Each file is named by its kustomization, and each name is a file or folder."""
    for file in sorted(folder.rglob("kustomization.yaml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        named = {(file.parent / name).resolve() for key in ("resources", "components") for name in content.get(key, [])}
        for path in named:
            if not (path / "kustomization.yaml").exists() and not path.is_file():
                yield f"{file}: {path} does not exist"
        for path in sorted(file.parent.glob("*.yaml")):
            if path != file and path.resolve() not in named:
                yield f"{file}: {path.name} is not named in it"


def _schema_findings(folder: Path, manifest: Manifest) -> Iterator[str]:
    if manifest.get("apiVersion") == "keda.sh/v1alpha1":
        for error in _keda(folder / KEDA_SCHEMA).iter_errors(manifest):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        return
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield error.message


@functools.cache
def _keda(file: Path) -> jsonschema.Draft202012Validator:
    """KEDA's schema, closed: a cluster prunes a field it does not know without a word."""
    schema = json.loads(file.read_text(encoding="utf-8"))
    _close(schema)
    return jsonschema.Draft202012Validator(schema)


def _close(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if isinstance(properties, dict):
        schema.setdefault("additionalProperties", False)
        for inner in properties.values():
            _close(inner)
    _close(schema.get("items"))
    _close(schema.get("additionalProperties"))


def _rules(manifest: Manifest) -> Iterator[str]:
    """What no schema asks: the restricted standard, probes, limits, and secrets by reference only."""
    if manifest["kind"] == "Secret":
        yield "secrets are made outside of these files"
    if manifest["kind"] not in WORKLOADS:
        return
    pod = manifest["spec"]["template"]["spec"]
    confined = pod.get("securityContext", {})
    if not confined.get("runAsNonRoot") or not confined.get("runAsUser"):
        yield "runs as root, or might"
    if confined.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "is given a credential of the cluster that it does not need"
    for needed in ("topologySpreadConstraints", "terminationGracePeriodSeconds"):
        if not pod.get(needed):
            yield f"says nothing of {needed}"
    for container in pod["containers"]:
        yield from _container_rules(container, {volume["name"] for volume in pod.get("volumes", [])})


def _container_rules(container: Manifest, volumes: set[str]) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps privileges"
    if not own.get("readOnlyRootFilesystem"):
        yield "may write its image"
    if not container.get("resources", {}).get("limits", {}).get("memory"):
        yield "has no memory limit"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe not in container:
            yield f"has no {probe}"
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    if mounted != volumes:
        yield "does not mount what it declares, or mounts what it does not"
