"""Records and their schemas: store a schema, list, export and edit what was found by it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway import access
from services.gateway.composition import Gateway
from services.gateway.record_book import RecordChange
from services.gateway.routes.documents import document_of
from services.gateway.web import MOST, answer, body_of, bounded
from shared import record_schema, twin
from shared.errors import RequestError

FORMS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["records"])

    @router.get("/schemas", summary="List schemas of records")
    async def schemas(library: Annotated[str, Query()] = "default") -> Response:
        """Names of the library's schemas."""
        return answer({"schemas": await gateway.schemas.names(access.library_id(library))})

    @router.get("/schemas/{name}", summary="A schema of records")
    async def schema(name: str, library: Annotated[str, Query()] = "default") -> Response:
        """The JSON schema as it was stored."""
        text = await gateway.schemas.text(access.library_id(library), name)
        return Response(text, media_type="application/schema+json")

    @router.put("/schemas/{name}", summary="Store a schema of records")
    async def put(name: str, request: Request, library: Annotated[str, Query()] = "default") -> Response:
        """A JSON schema with properties > records > items and x-unique-fields. 201 when it is new. Stored records stay;
        to extract again with a changed schema, force it."""
        try:
            text = (await bounded(request, 4 * record_schema.SIZE_LIMIT)).decode()
        except UnicodeDecodeError as error:
            raise RequestError("schema_invalid", "The schema must be JSON in UTF-8.") from error
        new = await gateway.schemas.put(access.library_id(library), name, text)
        parsed = record_schema.parse(text, name)
        shown: dict[str, Any] = {"name": name, "hash": parsed.digest, "unique": parsed.unique}
        return answer({**shown, "fields": list(parsed.fields)}, 201 if new else 200)

    @router.delete("/schemas/{name}", summary="Remove a schema of records")
    async def remove(name: str, library: Annotated[str, Query()] = "default") -> Response:
        """Records that were made with it stay."""
        await gateway.schemas.remove(access.library_id(library), name)
        return Response(status_code=204)

    @router.get("/documents/{documentId}/records", summary="A document's records")
    async def listing(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        deleted: Annotated[bool, Query(description="also those that a person has deleted")] = False,
        form: Annotated[str, Query(alias="format", pattern="^(json|csv|jsonl)$")] = "json",
        after: Annotated[int, Query(ge=0, le=MOST)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> Response:
        """Records with citations, in the order in which they were found; as csv or jsonl all of them in one file."""
        document = await document_of(gateway, documentId, library)
        if form != "json":
            name = json.dumps(f"{twin.stem(document.name).encode('ascii', 'replace').decode()}.records.{form}")
            headers = {"Content-Disposition": f"attachment; filename={name}", "X-Content-Type-Options": "nosniff"}
            return Response(await gateway.record_book.export(document, form), 200, headers, FORMS[form])
        rows = await gateway.record_book.all(document, deleted=deleted)
        following = after + limit if after + limit < len(rows) else None
        return answer({"records": rows[after : after + limit], "total": len(rows), "cursor": following})

    @router.get("/records/{recordId}", summary="A record")
    async def show(recordId: str) -> Response:
        """Also one that a person has deleted."""
        return answer(await gateway.record_book.one(recordId))

    @router.patch("/records/{recordId}", summary="Edit or delete a record, as a person")
    async def change(recordId: str, request: Request) -> Response:
        """Body `{values?, deleted?, by?}`. No run of the machine overrides it; `deleted: false` takes one back."""
        return answer(await gateway.record_book.change(recordId, await body_of(request, RecordChange)))

    return router
