"""The openai SDK for the whole process: one HTTP client, no retries of its own, its errors in our words."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import os
import time
import weakref
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.errors import ConfigurationError, ModelAnswerError, ShadowtwinError, TransientError

LOOPBACK_ONLY = "SHADOWTWIN_MODEL_LOOPBACK_ONLY"
"""While this variable is set, only endpoints on this machine can be called: no test ever pays."""

WAIT_MOST = 86_400.0
CONNECT_SECONDS = 10.0
CONNECTIONS = 200


class Trouble(NamedTuple):
    """A call that failed: what to tell, and how it bears on the endpoint (`kind` as in model_lane.Verdict, or
    `refused`: the endpoint is well, the request is not wanted). `detail` is the endpoint's text, for decisions only:
    it may quote the document or the key."""

    kind: str
    error: ShadowtwinError
    reason: str
    status: int | None = None
    retry_after: float | None = None
    detail: str = ""


class _Pool:
    """The HTTP client of an event loop and how many use it."""

    def __init__(self, client: Any) -> None:
        self.client, self.users = client, 0


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


class OpenAIClient:
    """One endpoint through the process's HTTP client. Raises ConfigurationError for an endpoint that is not allowed."""

    def __init__(self, base_url: str, api_key: str) -> None:
        check_allowed(base_url)
        self._base_url, self._api_key = base_url, api_key
        self._opening = asyncio.Lock()
        self._sdk: Any = None
        self._client: Any = None
        self._pool: _Pool | None = None

    async def open(self) -> Any:
        """The SDK's client; importing it takes seconds, so that happens beside the event loop."""
        async with self._opening:
            if self._client is None:
                self._sdk = await asyncio.to_thread(importlib.import_module, "openai")
                loop = asyncio.get_running_loop()
                pool = _pools.get(loop)
                if pool is None:
                    pool = _pools[loop] = _Pool(_http_client(self._sdk))
                pool.users += 1
                self._pool = pool
                self._client = self._sdk.AsyncOpenAI(
                    base_url=self._base_url, api_key=self._api_key or "none", max_retries=0, http_client=pool.client
                )
            return self._client

    async def close(self) -> None:
        """Leave the HTTP client; the last one to leave closes it."""
        if self._pool is None:
            return
        pool, self._pool, self._client = self._pool, None, None
        pool.users -= 1
        if pool.users == 0:
            _pools.pop(asyncio.get_running_loop(), None)
            await pool.client.aclose()

    def trouble(self, error: Exception, where: str) -> Trouble:
        """What an exception of a call means; raises it again if it is none of the SDK's."""
        if isinstance(error, self._sdk.APIStatusError):
            return _status_trouble(error, where)
        if isinstance(error, TimeoutError | self._sdk.APITimeoutError):
            return _passing("answered", f"{where} did not answer in time")
        if isinstance(error, self._sdk.APIConnectionError):
            return _passing("unreachable", f"{where} cannot be reached ({type(error).__name__})")
        if isinstance(error, self._sdk.OpenAIError | ValueError | TypeError):
            return _passing("answered", f"The answer of {where} cannot be read")
        raise error


def check_allowed(base_url: str) -> None:
    """Raise ConfigurationError if the address is none, or is not on this machine while it has to be."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("misconfigured", "The model endpoint's address is no http or https address.")
    if parts.username or parts.password:
        raise ConfigurationError("misconfigured", "A credential belongs into the key file, not into the address.")
    if os.environ.get(LOOPBACK_ONLY) and not _loopback(parts.hostname):
        raise ConfigurationError("misconfigured", f"Live model calls are forbidden here ({LOOPBACK_ONLY} is set).")


def retry_after(headers: Any) -> float | None:
    """Seconds that an answer's headers ask to wait (seconds, milliseconds, or an HTTP date); None if they do not."""
    given = headers.get("retry-after-ms")
    try:
        seconds = float(given) / 1000 if given is not None else float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        try:
            seconds = parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, OSError):
            return None
        seconds = max(seconds, 0.0)
    return seconds if 0 <= seconds < WAIT_MOST else None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _http_client(sdk: Any) -> Any:
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 2)
    timeout = httpx.Timeout(600.0, connect=CONNECT_SECONDS)
    return sdk.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False)


def _passing(kind: str, reason: str, status: int | None = None, wait: float | None = None, detail: str = "") -> Trouble:
    return Trouble(kind, TransientError("unavailable", f"{reason}.", retry_after=wait), reason, status, wait, detail)


def _status_trouble(error: Any, where: str) -> Trouble:
    status, code = error.status_code, str(getattr(error, "code", None) or "")
    detail = f"{code} {error.response.text[:4000]}".lower()
    wait = retry_after(error.response.headers)
    if status == 429 and "insufficient_quota" in code:
        said = f"The account's quota for {where} is used up."
        return Trouble("refused", ConfigurationError("misconfigured", said), said, status)
    if status == 429:
        reason = f"{where} asks to slow down"
        return Trouble("limited", TransientError("rate_limited", retry_after=wait), reason, status, wait, detail)
    if status in (502, 503, 504, 520, 521, 522, 523, 524, 529):
        return _passing("unreachable", f"{where} is not available (HTTP {status})", status, wait, detail)
    if status >= 500 or status in (408, 409, 425):
        return _passing("answered", f"{where} answers with an error (HTTP {status})", status, wait, detail)
    if "context_length" in detail or "maximum context" in detail:
        return Trouble("refused", ModelAnswerError("model_input_too_large"), "too long", status, None, detail)
    if status in (400, 413, 415, 422):
        said = f"{where} does not accept this question (HTTP {status})."
        return Trouble("refused", ModelAnswerError("model_refused", said), said, status, None, detail)
    said = f"{where} refuses the call (HTTP {status}): check key, model and URL."
    return Trouble("refused", ConfigurationError("misconfigured", said), said, status, None, detail)
