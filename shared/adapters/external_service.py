"""A foreign worker over HTTP, by aiohttp's client: files streamed up from disk, answers bounded, no redirects.

The credential and a run's token go to the configured address only: redirects are refused, the environment's proxies
and password files are not read, and no message of ours quotes what was sent or answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec

from shared.errors import ConfigurationError, DocumentError, ShadowtwinError, TransientError
from shared.external_settings import ExternalSettings

LARGE = 1 << 20
"""Answers from this size on are decoded beside the event loop."""

GET_SECONDS = 30.0

LONGEST_WAIT = 300.0
"""Most seconds of a Retry-After that are believed."""


class Reply(NamedTuple):
    """A successful answer: its status, and its JSON object ({} when it is none)."""

    status: int
    body: dict[str, Any]


class ExternalService:
    """One connection pool; made without touching the settings' secrets, which are read at the first request."""

    def __init__(self, settings: ExternalSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def send(
        self, path: str, fields: Mapping[str, str], *, file: str = "", name: str = "", patience: float
    ) -> Reply:
        """POST a multipart form below the configured address; with `file` that local file goes along as `file`.
        `patience` is how many seconds the other side may be silent.

        Raises NoAnswer, TransientError (unavailable, rate_limited), DocumentError worker_failed when the document is
        refused, ConfigurationError when the request can never succeed as it is configured.
        """
        form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
        for key, value in fields.items():
            form.add_field(key, value)
        if not file:
            return await self._post(path, patience, form)
        with await asyncio.to_thread(open, file, "rb") as content:
            form.add_field("file", content, filename=name, content_type="application/pdf")
            return await self._post(path, patience, form)

    async def get(self, path: str) -> Reply:
        """GET below the configured address. Raises as `send` does, and NotThere for a 404."""
        return await self._ask("GET", path, GET_SECONDS)

    async def warmup(self) -> Reply:
        """POST /warmup: the service loads its models now rather than with the first document."""
        return await self._ask("POST", "/warmup", self._settings.external_warmup_seconds)

    async def _post(self, path: str, patience: float, form: aiohttp.FormData) -> Reply:
        try:
            return await self._ask("POST", path, patience, form)
        except NotThere as error:
            raise ConfigurationError("misconfigured", f"{error.message} Check SHADOWTWIN_EXTERNAL_URL.") from None

    async def _ask(self, method: str, path: str, patience: float, data: aiohttp.FormData | None = None) -> Reply:
        url = self._settings.external_address() + path
        headers = await asyncio.to_thread(self._settings.external_headers)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.external_connect_seconds, sock_read=patience
        )
        try:
            async with self._opened().request(
                method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                body = await self._body(answer)
        except aiohttp.SocketTimeoutError:
            raise NoAnswer("worker_silent") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TransientError(
                "unavailable", f"The external worker cannot be reached ({type(error).__name__})."
            ) from None
        if answer.status >= 300:
            raise _refusal(answer.status, answer.headers)
        return Reply(answer.status, await _object(body))

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        """The whole answer; of an error's only the fact counts."""
        if answer.status >= 300:
            return b""
        pieces, size = [], 0
        async for piece in answer.content.iter_chunked(1 << 16):
            size += len(piece)
            if size > self._settings.external_answer_bytes:
                raise DocumentError(
                    "worker_failed",
                    f"The external worker's answer is larger than {self._settings.external_answer_bytes} bytes.",
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "shadowtwin"}, trust_env=False
            )
        return self._session


class NoAnswer(TransientError):
    """The request is with the foreign worker, which has not answered in time: asking again would make it work twice."""


class NotThere(TransientError):
    """The foreign worker does not know what was asked for."""


def _refusal(status: int, headers: Mapping[str, str]) -> ShadowtwinError:
    """Our error for an HTTP status; who has to act decides which."""
    wait = _retry_after(headers)
    if status == 404:
        return NotThere("unavailable", "The external worker does not know this address (HTTP 404).")
    if status in (408, 425, 429):
        return TransientError("rate_limited", f"The external worker asks to wait (HTTP {status}).", retry_after=wait)
    if status >= 500:
        return TransientError("unavailable", f"The external worker failed (HTTP {status}).", retry_after=wait)
    if status < 400 or status in (401, 403, 405, 407):
        said = {401: "refuses our credential", 403: "refuses our credential"}.get(status, "cannot be used this way")
        return ConfigurationError(
            "misconfigured",
            f"The external worker {said} (HTTP {status}): check SHADOWTWIN_EXTERNAL_URL and its token file.",
        )
    return DocumentError("worker_failed", f"The external worker refused the document (HTTP {status}).")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    with contextlib.suppress(KeyError, ValueError):
        seconds = float(headers["Retry-After"])
        if 0 <= seconds < 86_400:
            return min(seconds, LONGEST_WAIT)
    return None


async def _object(body: bytes) -> dict[str, Any]:
    try:
        if len(body) < LARGE:
            return msgspec.json.decode(body, type=dict[str, Any])
        return await asyncio.to_thread(msgspec.json.decode, body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
