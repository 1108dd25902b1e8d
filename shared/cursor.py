"""The place in a listing where the next page starts: creation time and id, so that inserts never shift a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from shared.errors import RequestError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CURSOR = re.compile(r"(-?[0-9]{1,15})~(.{1,200})", re.DOTALL)
MOST = 1000
"""Rows a page may have at most."""


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, exactly (a float would round)."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(stamp: int) -> datetime:
    """The UTC time of a number of milliseconds since 1970."""
    return _EPOCH + stamp * _MILLISECOND


def page_size(limit: int) -> int:
    """The limit that was asked for, within what is served."""
    return max(1, min(limit, MOST))


def write_cursor(created_at: datetime, row_id: str) -> str:
    """The cursor that continues after this row."""
    return f"{milliseconds(created_at)}~{row_id}"


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Creation time and id of the last row served; RequestError bad_request when it is none of ours."""
    match = _CURSOR.fullmatch(cursor)
    try:
        if match:
            return moment(int(match[1])), match[2]
    except OverflowError:
        pass
    raise RequestError("bad_request", "The cursor is not one that this listing gave.")
