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
    """The port of the API."""
    listen_fd: int | None = None
    """An open socket to listen on instead of a port, as a number."""
    store: Literal["sqlite", "mongo"] = "sqlite"
    """Where jobs and documents are kept."""
    mongodb_uri: str = "mongodb://127.0.0.1:27017/shadowtwin"
    """The address of MongoDB, with the name of the database."""
    mongodb_uri_file: Path | None = None
    """A file with the address instead, because it may hold a password."""
    service_credentials_file: Path | None = None
    """A file with the hashes of the workers' credentials (infra/secrets.sh makes it)."""
    api_keys_file: Path | None = None
    """A file with the hashes of API keys (`shadowtwin keys` writes it)."""
    max_upload_bytes: int = 2 << 30
    """The largest file."""
    upload_url_seconds: int = 3600
    """How long an address of a direct upload is good, unless its request says otherwise."""
    upload_grace_seconds: float = 300.0
    """What was begun in time may arrive so long afterwards."""
    upload_sweep_seconds: float = 10.0
    """How often open direct uploads are looked at."""
    storage_events_secret_file: Path | None = None
    """The secret that storage events are signed with; without it none is listened to, and only the sweep looks."""
    max_library_documents: int = 0
    """The most documents of a library; 0: no limit."""
    max_library_bytes: int = 0
    """The most bytes of a library's files; 0: no limit."""
    max_callback_bytes: int = 64 << 20
    """The largest report of a worker."""
    heartbeat_seconds: float = 1.0
    """How often workers show life."""
    lease_seconds: float = 7.0
    """How long a worker may be silent before its step is started again."""
    sweep_seconds: float = 1.5
    """How often the sweeper looks."""
    outbox_seconds: float = 5.0
    """How old an untold event is when the sweeper tells it again."""
    step_deadline_seconds: float = 3600.0
    """The longest time of one attempt of a step."""
    stream_bytes: int = 512 << 20
    """The most bytes of each of the broker's streams."""
    stream_replicas: int = 1
    """On how many servers of a cluster the broker keeps its streams: 3 outlives the loss of one."""
    max_attempts: int = 5
    """So many lost attempts fail a run."""
    max_admitted: int = 64
    """Jobs that may be worked on at the same time; the others wait in the database."""
    max_admitted_per_library: int = 16
    """The same for each library."""
    max_queued: int = 20_000
    """So many waiting jobs have further uploads answered 429."""
    source_allow: Annotated[list[str], NoDecode] = []
    """Where uploads by URL may come from besides public addresses: host:port, an address, or a network in CIDR form."""
    webhook_allow: Annotated[list[str], NoDecode] = []
    """Where webhooks may lead besides public addresses: host:port, an address, or a network in CIDR form."""
    source_seconds: float = 600.0
    """The longest time to fetch a file by its URL."""
    watch_seconds: float = 30.0
    """How often the watch looks for causes of alerts."""
    watch_round_seconds: float = 3600.0
    """How often all documents are looked at."""
    alert_failures: int = 3
    """How many failures are an alert, within the next setting."""
    alert_window_seconds: float = 3600.0
    """So many documents or uploads of a library that fail within the window are an alert."""
    alert_silent_seconds: float = 900.0
    """A batch that does not move for so long is an alert."""
    internal_token_file: Path | None = None
    """A file with the token of internal callbacks (X-Internal-Token)."""
    callback_fetch_allow: Annotated[list[str], NoDecode] = []
    """Where archives that a worker names may lie besides public addresses: host:port, addresses, networks."""
    callback_fetch_bytes: int = 128 << 20
    """The largest archive."""
    callback_fetch_seconds: float = 60.0
    """The longest time to fetch an archive."""
    callback_unpacked_bytes: int = 512 << 20
    """The most bytes of an archive, unpacked."""

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
