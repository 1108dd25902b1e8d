"""Storage events: what storage says has arrived. They only wake: what is true is read from storage itself.

Two forms are understood: S3's notification (AWS, MinIO and others; object names are encoded as in a URL's query), and
`{"events": [{"key", "bucket"?, "metadata"?}]}` or one such event alone. Only an announced direct upload is ever
completed by an event: what processing has made, and whatever else lies there, starts nothing (checklist A0.35).
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import msgspec

from services.gateway.signatures import Signature, verify
from services.gateway.uploads.direct_uploads import DirectUploads
from shared.direct_upload import FOLDER, DirectStatus
from shared.errors import RequestError
from shared.job import Record
from shared.object_keys import may_start_a_job
from shared.ports import JobStore

MOST_EVENTS = 1000
_META = "x-amz-meta-"


class StoredObject(NamedTuple):
    """An object that has appeared: its bucket ("" where that is not said), its name there, its metadata."""

    bucket: str
    name: str
    metadata: dict[str, str]


class _Own(msgspec.Struct):
    key: str
    bucket: str = ""
    metadata: dict[str, str] = {}


class Heard(Record, frozen=True, kw_only=True):
    """What was made of one event. `outcome`: confirmed | ignored; `reason` of what is ignored: derived, other_bucket,
    part, not_an_upload, unknown_upload."""

    key: str
    outcome: str
    reason: str = ""
    upload_id: str = ""


class StorageEvents:
    """Listens for one gateway. `secret_hash` is the SHA-256 of the shared secret in hex, "" for none: then nobody is
    listened to."""

    def __init__(self, uploads: DirectUploads, jobs: JobStore, secret_hash: str) -> None:
        self._uploads, self._jobs, self._key = uploads, jobs, secret_hash

    async def hear(self, signature: Signature) -> list[Heard]:
        """Raises Unauthorized unless the body is signed, RequestError bad_request for one in no known form."""
        verify(signature, self._key, await self._jobs.now())
        return [await self._one(stored) for stored in objects_of(signature.body)]

    async def _one(self, stored: StoredObject) -> Heard:
        key = self._uploads.direct.own_key(stored.bucket, stored.name)
        if key is None:
            return Heard(key=stored.name, outcome="ignored", reason="other_bucket")
        folder, _, upload_id = key.partition("/")
        if folder != FOLDER:
            reason = "not_an_upload" if may_start_a_job(key, stored.metadata) else "derived"
            return Heard(key=key, outcome="ignored", reason=reason)
        if "/" in upload_id:
            return Heard(key=key, outcome="ignored", reason="part")
        try:
            upload = await self._uploads.get(upload_id)
        except RequestError:
            return Heard(key=key, outcome="ignored", reason="unknown_upload")
        if upload.status == DirectStatus.OPEN:
            self._uploads.wake(upload_id)
        return Heard(key=key, outcome="confirmed", upload_id=upload_id)


def objects_of(body: bytes) -> list[StoredObject]:
    """The objects that a notification says have appeared; none for one of a deletion, or a test of the connection.
    Raises RequestError bad_request for what is no notification, or one of too many events."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
        if "Records" in said:
            found = [_of_s3(record) for record in said["Records"]]
        elif "Event" in said and "key" not in said:  # AWS asks once whether anybody listens
            found = []
        else:
            found = [_own(event) for event in said.get("events", [said])]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise RequestError("bad_request", "The body is no storage event: send Records, events or a key.") from error
    if len(found) > MOST_EVENTS:
        raise RequestError("bad_request", f"At most {MOST_EVENTS} events at once.")
    return [stored for stored in found if stored is not None]


def _of_s3(record: dict[str, Any]) -> StoredObject | None:
    kind = str(record["eventName"]).removeprefix("s3:")
    if not kind.startswith("ObjectCreated"):
        return None
    place = record["s3"]
    metadata = {
        name.lower().removeprefix(_META): str(value)
        for name, value in (place["object"].get("userMetadata") or {}).items()
        if name.lower().startswith(_META)
    }
    return StoredObject(str(place["bucket"]["name"]), unquote_plus(str(place["object"]["key"])), metadata)


def _own(event: Any) -> StoredObject:
    given = msgspec.convert(event, _Own)
    return StoredObject(given.bucket, given.key, given.metadata)
