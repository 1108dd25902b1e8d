"""Heavy libraries are loaded where they are needed, and by the process that needs them (checklist A1.25)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
HEAVY = {"pymupdf", "lancedb", "pyarrow", "numpy", "wordllama", "onnxruntime", "openai", "PIL", "pymilvus", "botocore"}
SAY = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*{name.split(".")[0] for name in sys.modules})
"""


@pytest.mark.parametrize("service", ["gateway", "extractor", "transformer", "ingestor"])
def test_no_service_loads_heavy_libraries_before_they_are_needed(service: str):
    command = [sys.executable, "-c", SAY, f"services.{service}.__main__"]
    loaded = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout.split()
    assert "services" in loaded
    assert not HEAVY & set(loaded)
