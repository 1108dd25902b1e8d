"""Access: what the key of a request opens. Kept for the request's course, and asked by all that show or change things.

The door (`Door`) lets in who has a key with the scope that the route needs; what lies in another library is not there
for it: the stores that routes see (scoped_stores.py) leave it out, so that a route cannot forget to look. Without a key
in this context, the system itself is at work, or keys are not asked for.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.api_keys import ALL, Key, KeyRing
from services.gateway.web import problem
from shared import twin
from shared.errors import CATALOGUE, RequestError
from shared.job import Job

_key: ContextVar[Key | None] = ContextVar("key", default=None)

OPEN = frozenset({"/live", "/ready", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/llms.txt"})
"""What needs no key: signs of life, and the description of the API."""

CONSOLE = re.compile(r"/|/console(?:/.*)?")
"""Files of the console, the same for everybody; what they show, they ask for with the user's key (ADR 41)."""

METRICS = "/metrics"
"""For who has a token of its own (SHADOWTWIN_METRICS_TOKEN_FILE), or a key that reads all libraries."""

INTERNAL, EXTERNAL = "/api/internal/", "/api/external/"
"""Doors of workers, who have credentials of their own; the callback route answers unknown jobs with 404 (ADR 35)."""


SIGNED = re.compile(r"PUT /api/uploads/[^/]+/content|POST /api/storage-events")
"""Doors of those who show a signature instead: senders of direct uploads, and storage that tells of events."""

LINKED = re.compile(r"/api/documents/[^/]+/images/[^/]+")
"""Pictures, whose addresses may hold a signature that opens them for an hour (picture_links.py)."""


class _Need(NamedTuple):
    method: str
    path: re.Pattern[str]
    scope: str


def _path(pattern: str) -> re.Pattern[str]:
    """Also for a path with line breaks in it."""
    return re.compile(pattern, re.DOTALL)


NEEDS = (
    _Need(".*", _path(r"/api/webhooks.*"), "operate"),
    _Need("POST", _path(r"/api/search|/api/images/(search|similar)|/api/templates/validate"), "read"),
    _Need("GET", _path(r".*"), "read"),
    _Need("HEAD", _path(r".*"), "read"),
    _Need(".*", _path(r"/warmup.*|/api/system/.*|/api/repairs.*|/api/jobs/requeue"), "operate"),
    _Need(".*", _path(r".*"), "write"),
)
"""The first row that fits says which scope a request needs."""


def scope_of(method: str, path: str) -> str:
    """read | write | operate."""
    return next(need.scope for need in NEEDS if re.fullmatch(need.method, method) and need.path.fullmatch(path))


class Door:
    """Pure ASGI: refuses before anything of the body is read; 401 without a key, 403 with one that does not fit."""

    def __init__(self, app: ASGIApp, keys: KeyRing, scraper: str = "") -> None:
        """`scraper` is the token that opens /metrics, and nothing else."""
        self._app, self._keys, self._scraper = app, keys, scraper.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _opened_otherwise(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _linked(scope) and not _token(headers):
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(INTERNAL) and ("authorization" in headers or "x-callback-token" in headers):
            await self._app(scope, receive, send)
            return
        token = _token(headers)
        if scope["path"] == METRICS and self._scraper and hmac.compare_digest(token.encode(), self._scraper):
            await self._app(scope, receive, send)
            return
        key = await self._keys.find(token) if token else None
        if key is None or scope["path"].startswith(INTERNAL):
            await _refused("unauthorized", 401)(scope, receive, send)
        elif scope_of(scope["method"], scope["path"]) not in key.scopes:
            await _refused("forbidden", 403)(scope, receive, send)
        else:
            held = _key.set(key)
            try:
                await self._app(_with_library(scope, key), receive, send)
            finally:
                _key.reset(held)


def _opened_otherwise(method: str, path: str) -> bool:
    """Whether a route needs no key: it is open, or asks for a credential of its own."""
    if method in ("GET", "HEAD") and CONSOLE.fullmatch(path):
        return True
    return path in OPEN or path.startswith(EXTERNAL) or SIGNED.fullmatch(f"{method} {path}") is not None


def _linked(scope: Scope) -> bool:
    """Whether a picture is asked for with a signature; its route checks it."""
    signed = re.search(rb"(?:^|&)signature=", scope["query_string"]) is not None
    return signed and scope["method"] == "GET" and LINKED.fullmatch(scope["path"]) is not None


def _token(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _refused(code: str, status: int) -> ASGIApp:
    entry = CATALOGUE[code]
    response = problem(code, entry.message, status, entry.hint)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _with_library(scope: Scope, key: Key) -> Scope:
    """A key of one library means that one wherever a query could name one and does not."""
    if len(key.libraries) != 1 or ALL in key.libraries or re.search(rb"(?:^|&)library=", scope["query_string"]):
        return scope
    named = b"library=" + key.libraries[0].encode()
    return {**scope, "query_string": b"&".join(filter(None, [scope["query_string"], named]))}


def current() -> Key | None:
    """The key that the request has shown; None where keys are not asked for."""
    return _key.get()


def bound() -> tuple[str, ...] | None:
    """The libraries that the request may see; None for all."""
    key = _key.get()
    return None if key is None or ALL in key.libraries else key.libraries


def visible(library: str) -> bool:
    """Whether the request may see this library."""
    key = _key.get()
    return key is None or key.reaches(library)


def library_id(text: str) -> str:
    """The library id, checked (`twin.library_id`); RequestError not_found when the key does not reach it."""
    library = twin.library_id(text)
    if not visible(library):
        raise RequestError("not_found", "There is no such library for this key.", hint="Name one that it is bound to.")
    return library


def chosen(library: str | None) -> str | None:
    """The library that something over whole libraries is about; None for all. RequestError when the key has several and
    none is named, or does not reach it."""
    libraries = bound()
    if library is not None:
        return library_id(library)
    if libraries is not None and len(libraries) != 1:
        raise RequestError("bad_request", "This key is bound to several libraries: name one.")
    return libraries[0] if libraries else None


def within(library: str | None) -> list[str] | None:
    """The libraries that a search may look into; None for all."""
    if library is not None:
        return [library_id(library)]
    libraries = bound()
    return None if libraries is None else list(libraries)


def guard(job_of: Callable[[str], Awaitable[Job | None]]) -> Callable[[Request], Awaitable[None]]:
    """A dependency for every route: what its path and query name must be visible. `job_of` leaves out what is not."""

    async def look(request: Request) -> None:
        if bound() is None:
            return
        for library in request.query_params.getlist("library"):
            library_id(library)
        job_id = request.path_params.get("jobId")
        if job_id is not None and await job_of(job_id) is None:
            raise RequestError("not_found", "There is no such job.")

    return look
