"""Where and how to call models."""

from __future__ import annotations

import msgspec

from shared.adapters.model_lane import Lane
from shared.models import ModelRequest


class ModelEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to call. `purposes` names another model for a purpose, `vision_model` the one for images. A call
    may take `timeout` seconds and more for every 1,000 tokens it reads and may write."""

    base_url: str
    api_key: str
    model: str
    vision_model: str = ""
    purposes: dict[str, str] = {}
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    in_flight: int = 8
    attempts: int = 5
    timeout: float = 30.0
    timeout_per_1000_read: float = 1.0
    timeout_per_1000_written: float = 15.0
    timeout_most: float = 600.0
    output_tokens_most: int = 32_000
    failures_to_open: int = 5
    open_seconds: float = 15.0
    open_seconds_most: float = 300.0
    budget_usd: float | None = None

    def __repr__(self) -> str:
        return f"ModelEndpoint({self.base_url}, {self.model})"

    @property
    def name(self) -> str:
        """Which models answer (shared.models.Models)."""
        others = sorted({self.vision_model, *self.purposes.values()} - {"", self.model})
        return "+".join(["openai/" + self.model, *others])

    def model_for(self, request: ModelRequest) -> str:
        """Which model a question goes to."""
        model = request.model or self.purposes.get(request.purpose, "")
        return model or (self.vision_model if request.images else "") or self.model

    def lane(self, model: str) -> Lane:
        """What is limited together."""
        return Lane(
            endpoint=self.base_url,
            model=model,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            in_flight=self.in_flight,
            failures_to_open=self.failures_to_open,
            open_seconds=self.open_seconds,
            open_seconds_most=self.open_seconds_most,
        )

    def deadline(self, read: int, written: int) -> float:
        """Seconds that a call of this size may take."""
        seconds = self.timeout + (read * self.timeout_per_1000_read + written * self.timeout_per_1000_written) / 1_000
        return min(seconds, self.timeout_most)
