"""Settings from the environment, as deployments give them."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
for name in sys.argv[1:]:
    module, _, kind = name.partition(":")
    made = getattr(__import__(module, fromlist=[kind]), kind)()
    for field in made.model_fields_set:
        raise SystemExit(f"{field} is set to {getattr(made, field)!r}")
"""
CLASSES = (
    "services.gateway.settings:GatewaySettings", "services.extractor.settings:ExtractorSettings",
    "services.transformer.settings:TransformerSettings", "services.ingestor.settings:IngestorSettings",
    "shared.adapters.image_choice:ImageSettings", "shared.adapters.vector_choice:VectorSettings",
    "shared.adapters.storage_choice:StorageSettings", "shared.adapters.model_choice:ModelSettings",
)  # fmt: skip


def test_an_empty_variable_is_none_at_all():
    """Compose files pass on what is not set as an empty text; an empty path was this folder."""
    names: list[str] = []
    for name in CLASSES:
        module, _, kind = name.partition(":")
        fields = getattr(__import__(module, fromlist=[kind]), kind).model_fields
        names += [f"SHADOWTWIN_{field.upper()}" for field in fields]
    assert len(names) > 80
    environment = {**os.environ, **dict.fromkeys(names, "")}
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, *CLASSES], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
