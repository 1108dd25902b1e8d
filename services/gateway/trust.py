"""Which certificates HTTPS servers are held against that the gateway calls: receivers of webhooks, sources, workers."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping

import httpx

from shared.errors import ConfigurationError


class Trust:
    """The authorities of SSL_CERT_FILE, as everywhere; without it those that httpx brings along."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._file = environment.get("SSL_CERT_FILE") or None
        self._made: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Read them now, so that a wrong setting is told at the start. Raises ConfigurationError."""
        await self.context()

    async def context(self) -> ssl.SSLContext:
        """Made once, and beside the loop, because all certificates are read. Raises ConfigurationError."""
        if self._made is None:
            self._made = await asyncio.to_thread(self._make)
        return self._made

    def _make(self) -> ssl.SSLContext:
        if not self._file:
            return httpx.create_ssl_context(trust_env=False)
        try:
            return ssl.create_default_context(cafile=self._file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError("misconfigured", f"SSL_CERT_FILE names no certificates: {self._file}") from error
