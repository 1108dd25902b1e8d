"""The simulated model server for tests; also a process of its own: `python -m tests.support.model_server --port 0`."""

from __future__ import annotations

from infra.bench.model_server import Fault, ModelServer, main
from infra.bench.model_wire import Asked, content_hash, sample, vector_of

__all__ = ["Asked", "Fault", "ModelServer", "content_hash", "main", "sample", "vector_of"]

if __name__ == "__main__":
    main()
