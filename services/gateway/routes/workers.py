"""Workers: claim, heartbeat, callback."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from msgspec.structs import replace
from starlette.responses import Response
from starlette.routing import Route

from services.gateway.bodies import HeartbeatRequest, LeftRequest
from services.gateway.callbacks import Credentials
from services.gateway.composition import Gateway
from services.gateway.reports import read_callback
from services.gateway.requeue import PHASES, RequeueRequest, requeue
from services.gateway.secrets import Unauthorized
from services.gateway.signatures import Signature
from services.gateway.web import answer, bearer, body_of
from shared.errors import RequestError
from shared.job import StepName
from shared.ticket import Callback, ClaimRequest
from shared.transitions import Refused

HOT = ("/claim", "/heartbeat", "/external/jobs/{jobId}")

T = TypeVar("T")

LARGE = 1 << 20
"""Bodies from this size on are read beside the event loop."""


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["workers"])

    @router.post("/internal/jobs/{jobId}/claim", summary="Take a step")
    async def claim(jobId: str, request: Request) -> Response:
        """With the service's own credential: the attempt's token, lease and input references."""
        wanted = await _of_service(gateway, request, ClaimRequest)
        try:
            gateway.callbacks.check_service(bearer(request), wanted.step)
        except Unauthorized:
            return answer({"code": "unauthorized", "reason": "service_unauthorized"}, 401)
        try:
            job, token = await gateway.callbacks.claim(jobId, wanted)
        except Refused as refused:
            gateway.orchestrator.look_again(jobId)
            return answer({"granted": False, "reason": refused.reason}, 409)
        document = await gateway.documents.get(job.document_id)
        if document is None:
            await gateway.deletion.forget(jobId)
            raise RequestError("not_found", "The job's document is gone.")
        return answer(gateway.callbacks.ticket(job, token, document))

    @router.post("/internal/jobs/{jobId}/heartbeat", summary="Show life")
    async def heartbeat(jobId: str, request: Request) -> Response:
        """With the attempt's token; 401 or 409 mean that the attempt is over. `reports` counts what it has reported."""
        try:
            body = await body_of(request, HeartbeatRequest)
        except RequestError:
            await gateway.callbacks.authentic(jobId, bearer(request))
            raise
        reports = await gateway.callbacks.heartbeat(jobId, bearer(request), body.process_id, body.attempt)
        return answer({"alive": True, "reports": reports})

    @router.post("/internal/jobs/{jobId}/left", summary="An attempt that was given up may have left files")
    async def left(jobId: str, request: Request) -> Response:
        """With the service's own credential. While the job is open nothing is removed: its end does that."""
        body = await _of_service(gateway, request, LeftRequest)
        gateway.callbacks.check_service(bearer(request), body.step)
        removed = await gateway.clean_after(jobId, body.library_id, body.document_id, body.folder())
        return answer({"removed": removed})

    @router.post("/internal/jobs/{jobId}/requeue", status_code=202, summary="A message without a run was taken")
    async def requeue_by_hand(jobId: str, request: Request) -> Response:
        """With the service's own credential: an operator published the subject by hand; start a run from its step."""
        body = await _of_service(gateway, request, RequeueRequest)
        gateway.callbacks.check_service(bearer(request), PHASES.get(body.start or "", StepName.STORE))
        job = await requeue(gateway.orchestrator, jobId, replace(body, reason="an event published by hand"))
        return answer({"jobId": job.job_id, "processId": job.process_id}, 202)

    @router.post("/external/jobs/{jobId}", summary="Report progress or the result (callback)")
    async def callback(jobId: str, request: Request) -> Response:
        """With the attempt's token as Bearer, X-Callback-Token, X-Service-Token or body `callback_token`, or with a
        Standard-Webhooks signature over the body. A report of an old run, for a finished job, or told before, is
        answered 200 with `applied: false` and changes nothing."""
        content = await _content(request, gateway.settings.max_callback_bytes)
        body: Callback | RequestError
        try:
            body = await asyncio.to_thread(read_callback, content) if len(content) > LARGE else read_callback(content)
        except RequestError as error:
            body = error
        try:
            job = await gateway.callbacks.receive(jobId, _credentials(request, content, body), body)
        except Refused as refused:
            gateway.orchestrator.look_again(jobId)
            return answer({"applied": False, "reason": refused.reason})
        return answer({"applied": True, "status": job.status, "revision": job.revision})

    return router


async def _of_service(gateway: Gateway, request: Request, kind: type[T]) -> T:
    """The body; who has no service's credential does not learn what is wrong with it."""
    try:
        return await body_of(request, kind)
    except RequestError:
        gateway.callbacks.check_known(bearer(request))
        raise


def hot(router: APIRouter) -> list[Route]:
    """The three routes of every step once more, plain: FastAPI's handling costs more than their work (ADR 8)."""
    return [_plain(route) for route in router.routes if isinstance(route, APIRoute) and route.path.endswith(HOT)]


def _plain(route: APIRoute) -> Route:
    async def endpoint(request: Request) -> Response:
        request.scope["route"] = route
        response: Response = await route.endpoint(request.path_params["jobId"], request)
        return response

    return Route(route.path, endpoint, methods=["POST"])


async def _content(request: Request, limit: int) -> bytes:
    """The raw body, which is what a signature is about."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise RequestError("payload_too_large", f"The body is larger than {limit} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _credentials(request: Request, content: bytes, body: Callback | RequestError) -> Credentials:
    """Everything that the caller shows; which of it counts is decided on the job."""
    headers = request.headers
    signature = None
    if "webhook-signature" in headers:
        signature = Signature(
            headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), headers["webhook-signature"], content
        )
    in_body = body.callback_token if isinstance(body, Callback) else None
    return Credentials(
        tokens=(bearer(request), headers.get("x-callback-token"), headers.get("x-service-token"), in_body),
        signature=signature,
        internal=headers.get("x-internal-token"),
        source=request.client.host if request.client else "",
    )
