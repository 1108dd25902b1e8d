"""Where the foreign worker is, how it is spoken to, and how long it may take (docs/external-workers.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, TypeAdapter, ValidationError

from shared.errors import ConfigurationError
from shared.settings import Settings

Seconds = Annotated[float, Field(gt=0)]


class ExternalSettings(Settings):
    """Settings of the external lane, for the extractor and the gateway. Times in seconds, sizes in bytes.

    `external_url` is the very address for protocol `callback`, the base of `/parse`, `/jobs` and `/warmup` for
    `parse`; empty: there is no foreign worker. `public_url` is the gateway as the foreign worker sees it.
    """

    external_url: str = ""
    """The foreign worker: the very address (`callback`), or the base of /parse and /jobs (`parse`)."""
    external_protocol: Literal["callback", "parse"] = "callback"
    """How it is spoken to (docs/external-workers.md)."""
    external_send: Literal["file", "link"] = "file"
    """`file` uploads the PDF, `link` says where to fetch it."""
    external_token_file: Path | None = None
    """A file with the credential that it wants to be shown."""
    external_token_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "Authorization"
    """Where the credential goes."""
    external_parser_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] = "mineru"
    """The name under which its texts are recorded."""
    external_seconds: Seconds = 3000.0
    """The longest time for one document."""
    external_quiet_seconds: Seconds = 300.0
    """The longest time without a report, or without an answer to a poll."""
    external_connect_seconds: Seconds = 10.0
    """The longest time until it takes a connection."""
    external_poll_seconds: Annotated[float, Field(ge=0.5)] = 1.0
    """The time between two polls."""
    external_concurrency: Annotated[int, Field(ge=1)] = 4
    """Documents at a time, for each extractor."""
    external_place_seconds: Seconds = 300.0
    """How long a document waits for one of these places before its step is given back."""
    external_answer_bytes: Annotated[int, Field(ge=1024)] = 48 << 20
    """The largest answer that is read."""
    external_warmup_seconds: Seconds = 120.0
    """The longest time for a warm-up."""
    public_url: str = ""
    """The gateway as the foreign worker sees it; empty: as services do."""

    def external_address(self) -> str:
        """The checked address, without a slash at its end; raises ConfigurationError when there is none."""
        if not self.external_url:
            raise ConfigurationError(
                "misconfigured", "SHADOWTWIN_EXTERNAL_URL is not set: there is no worker for this extraction method."
            )
        try:
            url = TypeAdapter(HttpUrl).validate_python(self.external_url)
        except ValidationError:
            url = None
        query = url is not None and url.query and self.external_protocol == "parse"
        if url is None or url.username or url.password or url.fragment or query or not self.external_url.isprintable():
            raise ConfigurationError(
                "misconfigured",
                "SHADOWTWIN_EXTERNAL_URL must be an http(s) address without a name or password in it; "
                "for the protocol parse without a query.",
            )
        return self.external_url.rstrip("/")

    def external_target(self) -> str:
        """The address as it may be logged: a query can hold a key."""
        return self.external_address().partition("?")[0]

    def external_headers(self) -> dict[str, str]:
        """The credential's header, for the configured address only; nothing when the file is not named or empty."""
        token = self._external_token()
        if not token:
            return {}
        bearer = self.external_token_header.lower() == "authorization"
        return {self.external_token_header: f"Bearer {token}" if bearer else token}

    def _external_token(self) -> str:
        file = self.external_token_file
        if file is None:
            return ""
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "misconfigured", f"SHADOWTWIN_EXTERNAL_TOKEN_FILE: {file} cannot be read as text."
            ) from error
        if not token.isascii() or not token.isprintable():
            raise ConfigurationError("misconfigured", f"SHADOWTWIN_EXTERNAL_TOKEN_FILE: {file} holds no credential.")
        return token

    def callback_url(self, job_id: str) -> str:
        """Where a foreign worker reports about a job."""
        return f"{(self.public_url or self.gateway_url).rstrip('/')}/api/external/jobs/{job_id}"
