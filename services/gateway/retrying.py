"""The request of a failed upload once more, from the fields that were kept of it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import FormData

from services.gateway.creation import JobRequest
from services.gateway.routes.options import options_of, parameters_of
from shared.errors import RequestError


def request_of(fields: Mapping[str, str], library: str) -> JobRequest:
    """The request for a job; raises RequestError bad_request for options that are no longer known."""
    form = FormData(list(fields.items()))
    priority = fields.get("priority") or "0"
    try:
        place = int(priority)
    except ValueError as error:
        raise RequestError("bad_request", "priority: a whole number is expected.") from error
    return JobRequest(
        library_id=library,
        item_id=fields.get("itemId", ""),
        parent_id=fields.get("parentId", ""),
        user_email=fields.get("userEmail", ""),
        batch_id=fields.get("batchId") or None,
        batch_name=fields.get("batchName") or None,
        priority=max(-100, min(place, 100)),
        parameters=parameters_of(fields.get("parameters") or "{}", options_of(form), "", None),
    )
