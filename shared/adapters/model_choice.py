"""Which model endpoint the settings name, and the limits that all processes share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_limits import MemoryLanes, ModelLimits
from shared.adapters.model_prices import Prices
from shared.adapters.openai_models import OpenAIModels
from shared.broker_login import ANYBODY, BrokerLogin
from shared.errors import ConfigurationError
from shared.models import Models
from shared.ports import Storage
from shared.settings import read_optional_secret


class ModelSettings(BaseSettings):
    """Prefix SHADOWTWIN_. Without any of these no model is called: the analyzer is `offline`.

    `model_purposes` maps purposes to other models, as JSON; `model_prices` is a price table, as JSON or a file's path.
    `model_in_flight` bounds the calls of all processes together. They wait for the network, not for this machine; an
    endpoint that wants fewer says so (429, Retry-After) and is obeyed by all. For a model that serves one call after
    the other, such as one on this machine, set it to what that model does at once (ADR 17).
    """

    model_config = SettingsConfigDict(
        env_prefix="SHADOWTWIN_", env_ignore_empty=True, extra="ignore", protected_namespaces=()
    )

    analyzer: Literal["offline", "openai"] = "offline"
    """`offline` needs no model; `openai` asks an OpenAI-compatible endpoint."""
    model_base_url: str = ""
    """The endpoint, as http://host:port/v1."""
    model_name: str = ""
    """The model."""
    model_vision_name: str = ""
    """Another model for pictures."""
    model_purposes: dict[str, str] = {}
    """Other models for some purposes, as JSON: {"metadata": "small-model"}."""
    model_api_key_file: Path | None = None
    """A file with the key of the endpoint."""
    model_requests_per_minute: float = 0.0
    """The most calls a minute of all processes together; 0: no limit."""
    model_tokens_per_minute: float = 0.0
    """The most tokens a minute of all processes together; 0: no limit."""
    model_in_flight: int = 48
    """The most calls at a time of all processes together."""
    model_timeout_seconds: float = 30.0
    """The deadline of a short call; it grows with the size of a call."""
    model_open_seconds: float = 15.0
    """How long an endpoint that fails is left alone at first."""
    model_open_seconds_most: float = 300.0
    """How long it is left alone at most."""
    model_prices: str = ""
    """A price table, as JSON or a file's path."""
    model_budget_usd: float | None = None
    """The most that a job's calls may cost, unless the job says so."""


def choose_limits(nats_url: str | None, login: BrokerLogin = ANYBODY) -> ModelLimits:
    """Limits shared over the broker, or of this process alone without one."""
    if not nats_url:
        return ModelLimits(MemoryLanes())
    from shared.adapters.nats_lanes import NatsLanes

    return ModelLimits(NatsLanes(nats_url, login=login))


def choose_models(
    settings: ModelSettings, storage: Storage | None, nats_url: str | None, login: BrokerLogin = ANYBODY
) -> Models | None:
    """The model client; None with the offline analyzer. Raises ConfigurationError for an incomplete setting."""
    if settings.analyzer == "offline":
        return None
    if not (settings.model_base_url and settings.model_name):
        raise ConfigurationError(
            "misconfigured", "The openai analyzer needs SHADOWTWIN_MODEL_BASE_URL and SHADOWTWIN_MODEL_NAME."
        )
    endpoint = ModelEndpoint(
        base_url=settings.model_base_url,
        api_key=read_optional_secret(settings.model_api_key_file, "SHADOWTWIN_MODEL_API_KEY_FILE"),
        model=settings.model_name,
        vision_model=settings.model_vision_name,
        purposes=settings.model_purposes,
        requests_per_minute=settings.model_requests_per_minute,
        tokens_per_minute=settings.model_tokens_per_minute,
        in_flight=settings.model_in_flight,
        timeout=settings.model_timeout_seconds,
        open_seconds=settings.model_open_seconds,
        open_seconds_most=settings.model_open_seconds_most,
        budget_usd=settings.model_budget_usd,
    )
    return OpenAIModels(endpoint, choose_limits(nats_url, login), storage, Prices(settings.model_prices))
