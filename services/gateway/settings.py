"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import field_validator
from pydantic_settings import NoDecode

from shared.external_settings import ExternalSettings
from shared.settings import read_secret


class GatewaySettings(ExternalSettings):
    """All times in seconds, sizes in bytes."""

    environment: str = "local"
    """What commands that write call the place where they write to."""
    other_buckets: Annotated[list[str], NoDecode] = []
    """Folders or s3://BUCKET/PREFIX that were in use once, or elsewhere: where a diagnosis may look for lost files."""
    port: int = 8080
    listen_fd: int | None = None
    store: Literal["sqlite", "mongo"] = "sqlite"
    mongodb_uri: str = "mongodb://127.0.0.1:27017/shadowtwin"
    mongodb_uri_file: Path | None = None
    """A file with the address instead, because it may hold a password."""
    service_credentials_file: Path | None = None
    api_keys_file: Path | None = None
    max_upload_bytes: int = 2 << 30
    upload_url_seconds: int = 3600
    """How long an address of a direct upload is good, unless its request says otherwise."""
    upload_grace_seconds: float = 300.0
    """What was begun in time may arrive so long afterwards."""
    upload_sweep_seconds: float = 10.0
    storage_events_secret_file: Path | None = None
    """The secret that storage events are signed with; without it none is listened to, and only the sweep looks."""
    max_library_documents: int = 0
    max_library_bytes: int = 0
    max_callback_bytes: int = 64 << 20
    heartbeat_seconds: float = 1.0
    lease_seconds: float = 7.0
    sweep_seconds: float = 1.5
    outbox_seconds: float = 5.0
    step_deadline_seconds: float = 3600.0
    stream_bytes: int = 512 << 20
    stream_replicas: int = 1
    """On how many servers of a cluster the broker keeps its streams: 3 outlives the loss of one."""
    max_attempts: int = 5
    max_admitted: int = 64
    max_admitted_per_library: int = 16
    max_queued: int = 20_000
    source_allow: Annotated[list[str], NoDecode] = []
    """Where uploads by URL may come from besides public addresses: host:port, an address, or a network in CIDR form."""
    webhook_allow: Annotated[list[str], NoDecode] = []
    """Where webhooks may lead besides public addresses: host:port, an address, or a network in CIDR form."""
    source_seconds: float = 600.0
    watch_seconds: float = 30.0
    watch_round_seconds: float = 3600.0
    """How often all documents are looked at."""
    alert_failures: int = 3
    alert_window_seconds: float = 3600.0
    """So many documents or uploads of a library that fail within the window are an alert."""
    alert_silent_seconds: float = 900.0
    internal_token_file: Path | None = None
    callback_fetch_allow: Annotated[list[str], NoDecode] = []
    callback_fetch_bytes: int = 128 << 20
    callback_fetch_seconds: float = 60.0
    callback_unpacked_bytes: int = 512 << 20

    def database_address(self) -> str:
        """Where MongoDB is; raises ConfigurationError for a file that cannot be read."""
        if self.mongodb_uri_file is None:
            return self.mongodb_uri
        return read_secret(self.mongodb_uri_file, "SHADOWTWIN_MONGODB_URI_FILE")

    @field_validator("callback_fetch_allow", "source_allow", "webhook_allow", "other_buckets", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        """Entries separated by commas, as an environment variable holds them."""
        return [entry.strip() for entry in value.split(",") if entry.strip()] if isinstance(value, str) else value
