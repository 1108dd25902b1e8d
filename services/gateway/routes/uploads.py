"""Direct uploads: announce a file, send it to signed addresses, complete."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.gateway import access
from services.gateway.bodies import Announcement, Wanted
from services.gateway.composition import Gateway
from services.gateway.creation import JobRequest
from services.gateway.retrying import request_of
from services.gateway.routes.options import parameters_of
from services.gateway.uploads.direct_here import GatewayDirect
from services.gateway.web import MOST, answer, body_of
from shared.direct_upload import DirectStatus, DirectUpload
from shared.errors import RequestError

LONGEST_SECONDS = 24 * 3600
ADDRESSES_MOST = 100
"""Addresses of parts in one answer."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["uploads"])

    @router.post("/uploads", status_code=201, summary="Announce a file that will be sent to storage directly")
    async def begin(request: Request) -> Response:
        """Body `{filename, size, libraryId?, sha256?, multipart?, expiresIn?, itemId?, parameters?, ...}`. The answer
        has `url` to PUT the file to, or `parts` with one for each of `partSize` bytes, good until `expiresAt`."""
        asked = await body_of(request, Announcement)
        job = _job(gateway, asked)
        await gateway.check_named(job.library_id, job.parameters)
        seconds = asked.expires_in or gateway.settings.upload_url_seconds
        if not 1 <= seconds <= LONGEST_SECONDS or not -100 <= asked.priority <= 100:
            raise RequestError("bad_request", f"expiresIn is 1 to {LONGEST_SECONDS} seconds, priority -100 to 100.")
        sha256 = asked.sha256.lower()
        if sha256 and not _SHA256.fullmatch(sha256):
            raise RequestError("bad_request", "sha256 must have 64 hexadecimal digits.")
        name, size = asked.filename, asked.size
        upload = await gateway.direct.begin(name, size, sha256, job, seconds=seconds, parts=asked.multipart)
        return answer(await _announced(gateway, request, upload), 201)

    @router.post("/uploads/{uploadId}/parts", summary="Addresses of parts, and which have arrived")
    async def parts(uploadId: str, request: Request) -> Response:
        """Body `{parts?: [1, 2]}`; without any the first 100 that are missing, so that a broken upload goes on. Of an
        upload in one piece its address again."""
        asked = (await body_of(request, Wanted)).parts
        upload = await gateway.direct.get(uploadId)
        await gateway.direct.check_open(upload)
        if len(asked) > ADDRESSES_MOST:
            raise RequestError("bad_request", f"Ask for {ADDRESSES_MOST} parts at once.")
        stored = await gateway.direct.direct.parts(upload) if upload.part_size else {}
        missing = [
            number for number in range(1, upload.part_count + 1) if stored.get(number) != upload.part_bytes(number)
        ]
        numbers = asked or (missing[:ADDRESSES_MOST] if upload.part_size else [0])
        body = await _with_addresses(gateway, request, upload, numbers)
        return answer({**body, "stored": sorted(stored), "missing": len(missing)})

    @router.post("/uploads/{uploadId}/complete", status_code=202, summary="The file is there: verify it, start its job")
    async def complete(uploadId: str) -> Response:
        """Answers as `POST /api/jobs`, and the same again when it is repeated. The file is read back first: size,
        SHA-256, first bytes, quota."""
        upload = await gateway.direct.complete(uploadId)
        return answer({**upload.answer, "uploadId": uploadId}, 202 if upload.answer.get("jobId") else 200)

    @router.post("/uploads/{uploadId}/retry", status_code=202, summary="Try a failed upload again")
    async def retry(uploadId: str, request: Request) -> Response:
        """A direct one is announced again with its name, size and job, and answered as `POST /api/uploads` (201); one
        that came by `sourceUrl` is fetched again and answered as `POST /api/jobs`. A password must be given anew. 409
        for one that has not failed, and for others: their bytes are not kept, send the file again."""
        return await _again(gateway, request, uploadId)

    @router.get("/uploads/{uploadId}", summary="A direct upload")
    async def show(uploadId: str) -> Response:
        """`status` is open, completed (with documentId and jobId), failed (with code, message, hint) or aborted."""
        return answer(shown(await gateway.direct.get(uploadId)))

    @router.delete("/uploads/{uploadId}", summary="Abort a direct upload")
    async def abort(uploadId: str) -> Response:
        """What has arrived is removed. 409 when it is completed or has failed."""
        return answer(shown(await gateway.direct.abort(uploadId)))

    @router.put("/uploads/{uploadId}/content", summary="Send a file, or a part, to its signed address")
    async def content(
        uploadId: str,
        request: Request,
        part: Annotated[int, Query(ge=0, le=MOST)] = 0,
        expires: Annotated[int, Query(ge=0, le=MOST)] = 0,
        signature: Annotated[str, Query()] = "",
    ) -> Response:
        """Only at the addresses that this API gives, which need no key; where storage is a bucket they lead there."""
        here = gateway.direct.direct
        if not isinstance(here, GatewayDirect):
            raise RequestError("not_found", "Files are sent to the bucket itself.")
        here.check(uploadId, part, expires, signature)
        upload = await gateway.direct.get(uploadId)
        await gateway.direct.check_open(upload)
        size = await here.receive(upload, part, _body(request))
        return answer({"uploadId": uploadId, "part": part, "size": size})

    return router


async def _again(gateway: Gateway, request: Request, upload_id: str) -> Response:
    try:
        announced = await gateway.direct.again(upload_id)
    except RequestError as error:
        if error.code != "not_found":
            raise
        return await _fetched_again(gateway, upload_id)
    return answer(await _announced(gateway, request, announced), 201)


async def _fetched_again(gateway: Gateway, upload_id: str) -> Response:
    upload = await gateway.upload_log.one(upload_id)
    request = request_of(upload.fields, upload.library_id)
    await gateway.check_named(upload.library_id, request.parameters)
    accepted = await gateway.sources.again(upload, request)
    return answer(accepted, 202 if accepted.job_id else 200)


def shown(upload: DirectUpload) -> dict[str, Any]:
    """The record as the API shows it."""
    body: dict[str, Any] = {
        "uploadId": upload.upload_id,
        "status": upload.status,
        "libraryId": upload.library_id,
        "name": upload.name,
        "size": upload.size,
        "sha256": upload.sha256,
        "partSize": upload.part_size,
        "partCount": upload.part_count,
        "createdAt": upload.created_at,
        "expiresAt": upload.expires_at,
    }
    if upload.status == DirectStatus.FAILED:
        body |= {"code": upload.code, "message": upload.message, "hint": upload.hint}
    return body | {name: upload.answer[name] for name in ("documentId", "jobId") if name in upload.answer}


async def _announced(gateway: Gateway, request: Request, upload: DirectUpload) -> dict[str, Any]:
    """A new upload with its first addresses."""
    numbers = list(range(1, min(upload.part_count, ADDRESSES_MOST) + 1)) or [0]
    return await _with_addresses(gateway, request, upload, numbers)


async def _with_addresses(
    gateway: Gateway, request: Request, upload: DirectUpload, numbers: list[int]
) -> dict[str, Any]:
    """The upload with an address for each of the parts."""
    base = str(request.base_url).rstrip("/")
    urls = await gateway.direct.addresses(upload, numbers)
    urls = [f"{base}{url}" if url.startswith("/") else url for url in urls]
    body = {**shown(upload), "method": "PUT"}
    if not upload.part_size:
        return {**body, "url": urls[0]}
    rows = zip(numbers, urls, strict=True)
    return {**body, "parts": [{"number": n, "size": upload.part_bytes(n), "url": url} for n, url in rows]}


def _job(gateway: Gateway, asked: Announcement) -> JobRequest:
    parameters = msgspec.json.encode(asked.parameters).decode()
    return JobRequest(
        library_id=access.library_id(asked.library_id),
        item_id=asked.item_id,
        parent_id=asked.parent_id,
        user_email=asked.user_email,
        batch_id=asked.batch_id,
        batch_name=asked.batch_name,
        priority=asked.priority,
        parameters=parameters_of(parameters, {}, asked.password, gateway.sealing),
    )


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise RequestError("upload_aborted") from None
