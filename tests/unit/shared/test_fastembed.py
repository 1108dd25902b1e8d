"""fastembed is an option: without its package or its model it says so with a stable code."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from shared.adapters.vector_choice import VectorSettings, choose_embedder
from shared.errors import ConfigurationError

MODEL = "maker/small"


class Vector(list[float]):
    def tolist(self) -> list[float]:
        return list(self)


class FakeModel:
    """Knows one model; `here` says whether its files are."""

    here = True

    def __init__(self, model: str, *, cache_dir: str | None, threads: int | None, local_files_only: bool) -> None:
        if not self.here:
            raise ValueError("no such file, and this sentence is not shown")

    @staticmethod
    def list_supported_models() -> list[dict[str, Any]]:
        return [{"model": "Maker/Small", "dim": 3}]

    def passage_embed(self, texts: list[str], batch_size: int) -> Iterator[Vector]:
        return (Vector([len(text), 1.0, 0.0]) for text in texts)

    def query_embed(self, texts: list[str]) -> Iterator[Vector]:
        return (Vector([0.0, 0.0, 0.0]) for _ in texts)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    fake = ModuleType("fastembed")
    model = type("Model", (FakeModel,), {})
    fake.TextEmbedding = model  # type: ignore[attr-defined]
    logs = ModuleType("loguru")
    logs.logger = SimpleNamespace(disable=lambda name: None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastembed", fake)
    monkeypatch.setitem(sys.modules, "loguru", logs)
    return model


def settings(**more: Any) -> VectorSettings:
    return VectorSettings(embedder="fastembed", **({"embedding_model": MODEL} | more))


async def test_it_gives_unit_vectors_and_its_models_name_and_length(package: type[FakeModel]) -> None:
    embedder = choose_embedder(settings())
    assert (embedder.name, embedder.dimension, embedder.costly) == (f"fastembed:{MODEL}@3", 3, True)
    vectors = await embedder.embed(["abc", "", "\ud800"])
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1, 1])
    assert await embedder.embed(["x"], query=True) == [[1.0, 0.0, 0.0]]


async def test_a_missing_model_has_a_code(package: type[FakeModel], tmp_path: Path) -> None:
    package.here = False
    embedder = choose_embedder(settings(fastembed_dir=tmp_path))
    with pytest.raises(ConfigurationError, match=f"{MODEL} cannot be had from {tmp_path}") as caught:
        await embedder.embed(["a"])
    assert caught.value.code == "embedder_unavailable"
    assert "not shown" not in caught.value.message


def test_a_missing_package_has_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        choose_embedder(settings())
    assert caught.value.code == "embedder_unavailable"


def test_an_unknown_model_is_a_wrong_setting(package: type[FakeModel]) -> None:
    with pytest.raises(ConfigurationError, match="knows no model") as caught:
        choose_embedder(settings(embedding_model="maker/large"))
    assert caught.value.code == "misconfigured"
