"""A fresh bucket at the test's S3 server, through the settings that operators use."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.s3_storage import S3Storage
from shared.adapters.storage_choice import StorageSettings, choose_storage
from tests.support import s3_server as s3


def served_s3() -> Iterator[s3.S3Server]:
    """A session's server, for a fixture."""
    if reason := s3.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have an S3 server: {reason}")
        pytest.skip(f"no S3 server: {reason}")
    server = s3.start()
    yield server
    server.stop()


def settings(server: s3.S3Server, folder: Path, name: str, **more: Any) -> StorageSettings:
    """What the environment would say; the secret lies in the folder."""
    secret = folder / "s3-secret"
    secret.write_text(s3.SECRET_KEY, encoding="utf-8")
    return StorageSettings(
        storage=f"s3://{name}/its/prefix",
        s3_endpoint=server.endpoint,
        s3_access_key_id=s3.ACCESS_KEY,
        s3_secret_key_file=secret,
        **more,
    )


@contextlib.asynccontextmanager
async def bucket(server: s3.S3Server, folder: Path, **more: Any) -> AsyncIterator[S3Storage]:
    """The storage over a new bucket."""
    made = choose_storage(settings(server, folder, f"bucket-{uuid.uuid4().hex[:12]}", **more), folder)
    assert isinstance(made, S3Storage)
    await made.client.call("create_bucket")
    try:
        yield made
    finally:
        await made.client.close()
