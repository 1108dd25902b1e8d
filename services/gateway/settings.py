"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from shared.settings import Settings


class GatewaySettings(Settings):
    """All times in seconds, sizes in bytes."""

    port: int = 8080
    listen_fd: int | None = None
    store: Literal["sqlite", "mongo"] = "sqlite"
    mongodb_uri: str = "mongodb://127.0.0.1:27017/shadowtwin"
    service_credentials_file: Path | None = None
    max_upload_bytes: int = 2 << 30
    max_callback_bytes: int = 64 << 20
    heartbeat_seconds: float = 1.0
    lease_seconds: float = 7.0
    sweep_seconds: float = 1.5
    outbox_seconds: float = 5.0
    step_deadline_seconds: float = 3600.0
    max_attempts: int = 3
