"""HTTP ground rules: JSON by msgspec, problem+json errors with stable codes, bounded bodies, bearer tokens."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.durations import durations_of
from services.gateway.secrets import Unauthorized
from shared.errors import CATALOGUE, RequestError, ShadowtwinError, describe
from shared.job import Job, to_document
from shared.ports import OpenJobExists
from shared.transitions import Refused

logger = logging.getLogger("web")

T = TypeVar("T")

MOST = (1 << 53) - 1
"""The largest number that a request may name: stores, JSON and JavaScript all hold it exactly."""


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def problem(code: str, message: str, status: int, hint: str = "", **more: object) -> Response:
    """An RFC 9457 answer."""
    body = {
        "type": f"urn:shadowtwin:error:{code}",
        "title": CATALOGUE[code].message if code in CATALOGUE else message,
        "status": status,
        "detail": message,
        "code": code,
        "hint": hint,
        **more,
    }
    return Response(msgspec.json.encode(body), status, media_type="application/problem+json")


async def bounded(request: Request, limit: int) -> bytes:
    """The request's body; raises RequestError payload_too_large as soon as it is over the limit (bytes)."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > limit:
            raise RequestError("payload_too_large", f"The body is larger than {limit} bytes.")
    return content


async def body_of(request: Request, kind: type[T], limit: int = 1 << 20) -> T:
    """The request's JSON body as `kind`; raises RequestError for anything else."""
    content = await bounded(request, limit)
    try:
        return msgspec.json.decode(content or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bad_request", f"The body is not as described: {error}.") from error


def bearer(request: Request) -> str | None:
    """The token of the Authorization or X-Callback-Token header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("x-callback-token")


def shown_job(job: Job) -> dict[str, Any]:
    """The job as the API shows it: all fields of the source, secrets masked, newest logs embedded."""
    document = to_document(job)
    document["_id"] = job.job_id
    document["jobSecretHash"] = "***" if job.job_secret_hash else ""
    document["parameters"]["sealedPassword"] = "***" if job.parameters.sealed_password else ""
    cancelled = job.error is not None and job.error.code == "cancelled"
    document["shownStatus"] = "cancelled" if cancelled else str(job.status)
    document["summary"] = summary_of(job)
    document["durations"] = durations_of(job)
    return document


def summary_of(job: Job) -> dict[str, Any]:
    """The run's answer in the words of seed 001 (checklist A1.18). The score is that of the products where there are
    any, else how well the pages could be read, both 0-1; None while nothing is known."""
    counts = job.counts
    percent = counts.get("productConfidencePercent", counts.get("pageConfidencePercent"))
    return {
        "document_id": job.document_id,
        "products_discovered": counts.get("products", 0),
        "chunks_created": counts.get("chunksSmall", 0) + counts.get("chunksLarge", 0),
        "images_processed": counts.get("imagesProcessed", counts.get("images", 0)),
        "confidence_score": None if percent is None else percent / 100,
    }


class BodyLimit:
    """Refuses a request whose declared length is over the limit before any of it is read (pure ASGI: no cost else)."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
            if declared.isdigit() and int(declared) > self._limit:
                entry = CATALOGUE["payload_too_large"]
                await problem("payload_too_large", entry.message, 413, entry.hint)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _allowed(app: FastAPI, path: str) -> set[str]:
    """Every method that the path knows; the framework names those of one route only."""
    known = app.openapi()["paths"].items()
    return {method.upper() for there, methods in known if compile_path(there)[0].match(path) for method in methods}


_FRAMEWORK = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
"""What the framework answers by itself, as our codes; anything else of it is a malformed request."""


def install_errors(app: FastAPI) -> None:
    """Every exception becomes a problem; the text of unknown ones stays in the log."""

    @app.exception_handler(Unauthorized)
    async def _unauthorized(request: Request, error: Unauthorized) -> Response:
        entry = CATALOGUE["unauthorized"]
        response = problem("unauthorized", entry.message, 401, entry.hint)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])
        return problem("bad_request", said, 400, CATALOGUE["bad_request"].hint)

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> Response:
        code = _FRAMEWORK.get(error.status_code, "bad_request")
        entry = CATALOGUE[code]
        said = str(error.detail) if code == "bad_request" and error.detail else entry.message
        response = problem(code, said, entry.status, entry.hint)
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(sorted(_allowed(app, request.url.path)))
        return response

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        return problem("conflict", f"Not possible now: {error.reason}.", 409, reason=error.reason)

    @app.exception_handler(OpenJobExists)
    async def _open_job(request: Request, error: OpenJobExists) -> Response:
        entry = CATALOGUE["job_open"]
        return problem("job_open", entry.message, 409, entry.hint, jobId=error.job_id)

    @app.exception_handler(ShadowtwinError)
    async def _known(request: Request, error: ShadowtwinError) -> Response:
        response = problem(error.code, error.message, error.status, error.hint)
        if error.status in (429, 503):
            response.headers["Retry-After"] = str(int(getattr(error, "retry_after", None) or 2))
        return response

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        said = describe(error)
        logger.error("request failed", exc_info=error, extra={"path": request.url.path})
        return problem(said.code, said.message, 500, said.hint)
