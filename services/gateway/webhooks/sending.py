"""One attempt: the delivery is posted to the checked address of its endpoint, and the head of the answer decides.

The address is checked and pinned at every attempt, whatever the name resolved to before. Redirects are not followed,
and no more is read than the answer's head.
"""

from __future__ import annotations

import asyncio
import email.utils
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from services.gateway.fetching import AddressRules, FetchFailed, Resolver, parsed, resolve
from services.gateway.trust import Trust
from services.gateway.webhooks.signing import headers
from shared.errors import RequestError
from shared.version import VERSION
from shared.webhook import Delivery, Endpoint

ALLOW = "SHADOWTWIN_WEBHOOK_ALLOW"
_REASONS = {
    "bad_url": "The url is not one: http or https, a host, a port that exists, no user and password.",
    "unresolvable": "The host of the url is not known.",
    "address_not_allowed": "The url leads into a private network.",
}


class Outcome(NamedTuple):
    """HTTP status, or 0 and a word; `retry_after` in seconds, where the answer says so."""

    status: int
    error: str
    milliseconds: int
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        """Whether the receiver has taken it."""
        return 200 <= self.status < 300


class Sender:
    """Posts deliveries."""

    def __init__(
        self,
        allow: Sequence[str],
        seconds: float,
        *,
        resolver: Resolver = resolve,
        trust: Trust | None = None,
    ) -> None:
        self._rules, self._seconds, self._trust = AddressRules(allow, ALLOW, resolver), seconds, trust or Trust()

    async def check(self, url: str) -> str:
        """The URL, if it may be told anything now; RequestError webhook_url_refused."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._rules.checked(parsed(url))
        except (FetchFailed, TimeoutError) as error:
            said = _REASONS.get(str(error), _REASONS["unresolvable"])
            raise RequestError("webhook_url_refused", said) from error
        return url

    async def send(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> Outcome:
        """One attempt; never raises for what a receiver does."""
        began = time.monotonic()

        def outcome(status: int, error: str = "", retry_after: float | None = None) -> Outcome:
            return Outcome(status, error, int((time.monotonic() - began) * 1000), retry_after)

        try:
            async with asyncio.timeout(self._seconds):
                response = await self._post(endpoint, delivery, at)
        except TimeoutError:
            return outcome(0, "timeout")
        except FetchFailed as failed:
            return outcome(0, failed.reason)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as failed:
            return outcome(0, "timeout" if isinstance(failed, httpx.TimeoutException) else "unreachable")
        error = "redirect" if 300 <= response.status_code < 400 else ""
        asked = retry_after(response.headers.get("retry-after", ""), datetime.now(UTC))
        return outcome(response.status_code, error, asked if response.status_code in (429, 503) else None)

    async def _post(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> httpx.Response:
        where = parsed(endpoint.url)
        address = await self._rules.checked(where)
        verify = await self._trust.context() if where.scheme == "https" else False
        own = {
            "host": where.netloc.decode(),
            "content-type": "application/json",
            "user-agent": f"shadowtwin/{VERSION}",
            "connection": "close",
        }
        async with (
            httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=self._seconds) as client,
            client.stream(
                "POST",
                where.copy_with(host=address),
                content=delivery.body.encode(),
                headers={**own, **headers(endpoint, delivery, at)},
                extensions={"sni_hostname": where.raw_host.decode().strip("[]")},
            ) as response,
        ):
            return response


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds of a Retry-After header, in either of its forms; None for anything else."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, (until - now).total_seconds()) if until.tzinfo is not None else None
