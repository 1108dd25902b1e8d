"""Templates: list, show, upload, validate, remove."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway import access
from services.gateway.bodies import TemplateText
from services.gateway.composition import Gateway
from services.gateway.web import answer, body_of, bounded
from shared import templates
from shared.errors import RequestError
from shared.shelf import Standing

BODY_MOST = 4 * templates.SIZE_LIMIT


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api/templates", tags=["templates"])

    @router.get("", summary="List templates")
    async def listing(library: Annotated[str, Query()] = "default") -> Response:
        """What jobs of this library may name: its own templates, and the project's."""
        shelf = await gateway.shelf.all(access.library_id(library))
        return answer({"templates": [_shown(standing) for standing in shelf]})

    @router.post("/validate", summary="Say what is wrong with a template")
    async def validate(request: Request) -> Response:
        """Changes nothing. `problems` is empty when the template can be used."""
        text = await _text_of(request)
        problems = templates.validate(text)
        return answer({"valid": not problems, "problems": problems, **_parsed(templates.parse(text))})

    @router.get("/{name}", summary="A template")
    async def show(name: str, library: Annotated[str, Query()] = "default") -> Response:
        """Its text and what it asks for."""
        standing = await gateway.shelf.find(access.library_id(library), name)
        return answer({**_shown(standing), "text": standing.text})

    @router.put("/{name}", summary="Store a template of this library")
    async def put(name: str, request: Request, library: Annotated[str, Query()] = "default") -> Response:
        """Body: the text as text/markdown, or JSON `{text}`. 201 when it is new. What was made with the former text is
        stale from now on: the next job with this template makes it again."""
        text = await _text_of(request)
        new = await gateway.shelf.put(access.library_id(library), name, text)
        return answer(_shown(await gateway.shelf.find(library, name)), 201 if new else 200)

    @router.delete("/{name}", summary="Remove a template of this library")
    async def remove(name: str, library: Annotated[str, Query()] = "default") -> Response:
        """The project's own templates cannot be removed."""
        await gateway.shelf.remove(access.library_id(library), name)
        return Response(status_code=204)

    return router


async def _text_of(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        return (await body_of(request, TemplateText, BODY_MOST)).text
    try:
        return (await bounded(request, BODY_MOST)).decode()
    except UnicodeDecodeError as error:
        raise RequestError("bad_request", "The template must be text in UTF-8.") from error


def _shown(standing: Standing) -> dict[str, Any]:
    return {"name": standing.name, "origin": standing.origin, **_parsed(standing.template)}


def _parsed(template: templates.Template) -> dict[str, Any]:
    return {
        "hash": template.digest,
        "asked": template.asked,
        "fixed": template.fixed,
        "systemprompt": bool(template.systemprompt),
    }
