"""Model clients, questions and accounts for tests."""

from __future__ import annotations

from typing import Any

from shared.account import Account
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_limits import MemoryLanes, ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.openai_models import OpenAIModels
from shared.models import ModelRequest
from shared.testing.memory import MemoryStorage
from tests.support.model_server import ModelServer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title"],
}
GOOD = {"title": "A", "year": 1999}


def question(text: str = "What is the title?", **more: Any) -> ModelRequest:
    given: dict[str, Any] = {"purpose": "metadata", "instructions": text, "schema": SCHEMA}
    return ModelRequest(**(given | more))


def account(**more: Any) -> Account:
    given: dict[str, Any] = {"library_id": "lib", "document_id": "doc", "run": "run-1/transform"}
    return Account(**(given | more))


class Client:
    """A client as one process has it; another one on the same storage is the process after a restart."""

    def __init__(self, server: ModelServer, storage: MemoryStorage | None = None, **settings: Any) -> None:
        self.storage = storage or MemoryStorage()
        given: dict[str, Any] = {"base_url": server.url + "/v1", "api_key": "k", "model": "gpt-4o-mini"}
        endpoint = ModelEndpoint(**(given | {"open_seconds": 0.3} | settings))
        limits = ModelLimits(MemoryLanes(), patience=0.1, rate_patience=2)
        prices = Prices('{"cheap": {"input": 1, "output": 2}}')
        self.models = OpenAIModels(endpoint, limits, self.storage, prices)
