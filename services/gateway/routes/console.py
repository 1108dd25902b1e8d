"""The console: its files, served as they are, with a policy that lets a browser run nothing else (ADR 41).

They hold nothing of anyone's documents, so that they need no key; everything shown comes from the API, which does.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

FOLDER = Path(__file__).resolve().parents[1] / "console"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; any other file in the folder is not."""
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}


class _Asset(NamedTuple):
    content: bytes
    media_type: str
    tag: str


@cache
def _assets() -> dict[str, _Asset]:
    """Every file by its path below /console/, read once; what is no key here is not served."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in MEDIA_TYPES and path.is_file():
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.relative_to(FOLDER).as_posix()] = _Asset(content, MEDIA_TYPES[path.suffix], tag)
    return found


def routes(gateway: object) -> APIRouter:
    """The router; it asks nothing of the gateway."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    @router.get("/console")
    async def entrance() -> Response:
        """To the console."""
        return RedirectResponse("/console/", headers=HEADERS)

    @router.get("/console/{name:path}")
    async def asset(name: str, request: Request) -> Response:
        """A file of the console."""
        found = _assets().get(name or "index.html")
        if found is None:
            return Response("There is no such file.", 404, HEADERS, media_type="text/plain")
        headers = {**HEADERS, "ETag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, headers=headers, media_type=found.media_type)

    return router
