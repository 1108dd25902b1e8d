"""docs/openapi.json: FastAPI knows paths and parameters, `table.py` the rest; here both become one description."""

from __future__ import annotations

import http
from collections.abc import Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import PlainTextResponse

from services.gateway.access import EXTERNAL, INTERNAL, OPEN, SIGNED, scope_of
from services.gateway.described import webhook_shapes
from services.gateway.described.job_shapes import Problem
from services.gateway.described.llms import llms
from services.gateway.described.table import TABLE, Content, Media, Row
from shared.errors import CATALOGUE

REF = "#/components/schemas/{name}"
PROBLEM = "application/problem+json"
KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key (docs: ARCHITECTURE.md, Who may call)"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "worker": {"type": "http", "scheme": "bearer", "description": "a service's credential, or an attempt's token"},
}


def install(app: FastAPI) -> None:
    """Have the application describe itself by the table, made at its first use; to language models at /llms.txt."""

    def described_once() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = described(app)
        return app.openapi_schema

    app.openapi = described_once  # type: ignore[method-assign]

    @app.get("/llms.txt", include_in_schema=False)
    def for_models() -> PlainTextResponse:
        return PlainTextResponse(llms(described_once()))


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. A route that the table does not have stays as FastAPI knows it; a test looks for such."""
    whole = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas, components = _schemas()
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            _requires(operation, method.upper(), path)
            row = TABLE.get((method.upper(), path))
            if row is None:
                continue
            operation["responses"] = _responses(row, method.upper(), path, operation, schemas)
            if row.takes is not None:
                operation["requestBody"] = _body(row.takes, schemas)
    held = whole.setdefault("components", {})
    whole["webhooks"] = webhook_shapes.section(schemas)
    own = {name: held.get("schemas", {})[name] for name in held.get("schemas", {}) if "ValidationError" not in name}
    held["schemas"] = {**own, **components}
    held["securitySchemes"] = KEYS
    return whole


def common(method: str, path: str, operation: dict[str, Any], takes: bool) -> Iterator[int]:
    """Errors that follow from the kind of a route."""
    if path in OPEN:
        return
    yield from (400, 401, 403, 503)
    named = {parameter["name"] for parameter in operation.get("parameters", ())}
    if "{" in path or named & {"library", "document", "documentId"}:
        yield 404
    if takes:
        yield 413


def _requires(operation: dict[str, Any], method: str, path: str) -> None:
    """Which credential the route takes, and which scope an API key needs."""
    if path in OPEN or SIGNED.fullmatch(f"{method} {path}"):
        operation["security"] = []
    elif path.startswith((INTERNAL, EXTERNAL)):
        operation["security"] = [{"worker": []}]
    else:
        operation["security"] = [{"bearer": []}, {"header": []}]
        operation["x-scope"] = scope_of(method, path)


def _responses(
    row: Row, method: str, path: str, operation: dict[str, Any], schemas: dict[Any, dict[str, Any]]
) -> dict[str, Any]:
    made: dict[int, dict[str, Any]] = {}
    for status, content in row.gives.items():
        made[status] = {"description": http.HTTPStatus(status).phrase}
        if content is not None:
            made[status]["content"] = _content(content, schemas)
    for status in {*row.errors, *common(method, path, operation, row.takes is not None)}:
        told = made.setdefault(status, {"description": _meaning(status)})
        told.setdefault("content", {})[PROBLEM] = {"schema": schemas[Problem]}
        if status in (429, 503):
            told["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}}
        if status == 401:
            told["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return {str(status): made[status] for status in sorted(made)}


def _meaning(status: int) -> str:
    """The codes that are answered with this status."""
    codes = [code for code, entry in CATALOGUE.items() if entry.status == status]
    return f"{http.HTTPStatus(status).phrase}: {', '.join(codes)}" if codes else http.HTTPStatus(status).phrase


def _body(takes: Content, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    kinds = [kind for kind in _each(takes) if not isinstance(kind, Media)]
    needed = any(field.required for kind in kinds for field in msgspec.structs.fields(kind)) or not kinds
    return {"required": needed, "content": _content(takes, schemas)}


def _content(content: Content, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    kinds = [schemas[kind] for kind in _each(content) if not isinstance(kind, Media)]
    if kinds:
        made["application/json"] = {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
    for media in _each(content):
        if isinstance(media, Media):
            made |= {name: {"schema": _of_media(name)} for name in media.types}
    return made


def _of_media(name: str) -> dict[str, Any]:
    if name in ("application/json", "application/schema+json", "text/event-stream"):  # of which each event is an object
        return {"type": "object"}
    if name.startswith("text/") or name == "application/x-ndjson":
        return {"type": "string"}
    return {"type": "string", "format": "binary"}


def _each(content: Content) -> tuple[Any, ...]:
    return content if isinstance(content, tuple) and not isinstance(content, Media) else (content,)


def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Every type of the table with its schema, and the components that they refer to."""
    found: dict[Any, None] = {Problem: None}
    for row in TABLE.values():
        for content in (row.takes, *row.gives.values()):
            found |= {kind: None for kind in _each(content) if kind is not None and not isinstance(kind, Media)}
    found |= dict.fromkeys(webhook_shapes.DATA.values())
    schemas, components = msgspec.json.schema_components(found, schema_hook=_anything, ref_template=REF)
    components["Problem"]["properties"]["code"]["enum"] = sorted(CATALOGUE)
    return dict(zip(found, schemas, strict=True)), components


def _anything(kind: type) -> dict[str, Any]:
    """The schema of `object`: any JSON."""
    if kind is object:
        return {"description": "any JSON"}
    raise NotImplementedError
