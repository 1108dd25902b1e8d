"""The stores that the behavioural rows run on, from the contract suite: memory, SQLite and the MongoDB protocol."""

from __future__ import annotations

from tests.contract.conftest import mongo_server, stores

__all__ = ["mongo_server", "stores"]
