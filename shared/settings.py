"""Settings from the environment, prefix SHADOWTWIN_. Every service has its own class on top of this one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.broker_login import ANYBODY, BrokerLogin
from shared.errors import ConfigurationError


class Settings(BaseSettings):
    """What every process needs. Secrets are given as files (…_FILE) so that no environment listing shows them."""

    model_config = SettingsConfigDict(env_prefix="SHADOWTWIN_", env_ignore_empty=True, extra="ignore")

    nats_url: str = "nats://127.0.0.1:4222"
    """The broker; several addresses of a cluster with commas between."""
    nats_user: str = ""
    """This service's user at the broker (infra/nats-users.conf); empty where the broker asks for none."""
    nats_password_file: Path | None = None
    """A file with that user's password."""
    gateway_url: str = "http://127.0.0.1:8080"
    """The gateway as the other services reach it."""
    data_dir: Path = Path(".shadowtwin/data")
    """Where the embedded defaults keep everything; a volume that all services share."""
    host: str = "127.0.0.1"
    """The address that this process listens on."""
    port: int = 0
    """The port of this process; 0 takes any free one."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    service_token_file: Path | None = None
    """A file with this service's own credential at the gateway."""
    metrics_token_file: Path | None = None
    """The token that scrapes of /metrics show; without one workers ask for none, and the gateway for a key (ADR 43)."""
    memory_pause_share: float = Field(default=0.8, gt=0, le=1)
    """A worker with work in hand takes no more while a larger share of the memory is in use (A1.26); 1 never pauses."""
    owner: str = Field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    """The name that a worker gives itself in leases, unless said host and process id."""

    def nats_login(self) -> BrokerLogin:
        """This service's user at the broker; raises ConfigurationError for a user without a password."""
        if not self.nats_user:
            return ANYBODY
        return BrokerLogin(self.nats_user, read_secret(self.nats_password_file, "SHADOWTWIN_NATS_PASSWORD_FILE"))

    def service_token(self) -> str:
        """This service's own credential at the gateway."""
        return read_secret(self.service_token_file, "SHADOWTWIN_SERVICE_TOKEN_FILE")

    def metrics_token(self) -> str:
        """What a scrape shows; "" where none is set."""
        return read_optional_secret(self.metrics_token_file, "SHADOWTWIN_METRICS_TOKEN_FILE")


def read_optional_secret(path: Path | None, variable: str) -> str:
    """The secret in a file, "" when none is named."""
    return read_secret(path, variable) if path is not None else ""


def read_secret(path: Path | None, variable: str) -> str:
    """The secret in a file, stripped; raises ConfigurationError naming the variable if there is none."""
    if path is None:
        raise ConfigurationError("misconfigured", f"{variable} is not set: it must name a file with the credential.")
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError("misconfigured", f"{variable}: {path} cannot be read ({error.strerror}).") from error
    if len(secret) < 16:
        raise ConfigurationError("misconfigured", f"{variable}: {path} holds no usable credential (16 characters).")
    return secret
