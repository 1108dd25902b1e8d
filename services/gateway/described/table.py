"""The table of the API: what each route takes, what it answers, and which errors are its own.

`common` says which errors follow from a route's kind: no row repeats them. A test walks all routes, so that none goes
without a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from services.gateway.accepted import Accepted
from services.gateway.bodies import (
    Acknowledgement,
    Announcement,
    HeartbeatRequest,
    LeftRequest,
    TemplateText,
    Wanted,
)
from services.gateway.bulk import BatchRequest, BulkRequeue, Handle
from services.gateway.described import job_shapes, shapes, upload_shapes, webhook_shapes, worker_shapes
from services.gateway.health.repairs import RepairState
from services.gateway.health.steps import RepairRequest
from services.gateway.planning import Plan
from services.gateway.rebuilding import Rebuild, RebuildRequest
from services.gateway.record_book import RecordChange
from services.gateway.requeue import RequeueRequest
from services.gateway.search.image_search import ImageQuery
from services.gateway.search.searching import SearchRequest
from services.gateway.webhooks.endpoints import EndpointChange, EndpointRequest, Replay, Rotation
from shared.alert import Alert
from shared.records import Shown as ShownRecord
from shared.ticket import Callback, ClaimRequest, Ticket


class Media(NamedTuple):
    """A body that is no JSON of ours."""

    types: tuple[str, ...]


Content = Any
"""A type that msgspec describes, a Media, a tuple of both, or None for no body."""


class Row(NamedTuple):
    """A route: success status -> content; what it takes; errors beyond those that its kind brings."""

    gives: dict[int, Content]
    takes: Content = None
    errors: tuple[int, ...] = ()


PDF = Media(("application/pdf",))
PICTURES = Media(
    ("image/jpeg", "image/png", "image/gif", "image/webp", "image/jp2", "image/j2c", "image/tiff", "image/bmp",
     "application/octet-stream")
)  # fmt: skip
METRICS = Media(("text/plain",))
ANY_FILE = Media(("application/octet-stream",))
DIAGNOSIS = {200: (shapes.Diagnosed, Media(("application/x-ndjson",)))}
_WORKER = (409, 422)

TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/api/jobs"): Row({200: (Accepted, Plan), 202: Accepted}, errors=(404, 409, 413, 415, 422, 429, 507)),
    ("GET", "/api/jobs"): Row({200: job_shapes.Jobs}),
    ("GET", "/api/jobs/{jobId}"): Row({200: job_shapes.ShownJob}),
    ("GET", "/api/jobs/{jobId}/logs"): Row({200: job_shapes.Logs}),
    ("POST", "/api/jobs/{jobId}/requeue"): Row({202: job_shapes.ShownJob}, RequeueRequest, (409,)),
    ("POST", "/api/jobs/{jobId}/cancel"): Row({200: job_shapes.ShownJob}, errors=(409,)),
    ("GET", "/api/jobs/{jobId}/bundle"): Row({200: Media(("application/zip",))}, errors=(409,)),
    ("GET", "/api/jobs/{jobId}/events"): Row({200: Media(("text/event-stream",))}),
    ("GET", "/api/jobs/{jobId}/timeline"): Row({200: job_shapes.Timeline}),
    ("GET", "/api/jobs/{jobId}/diagnosis"): Row({200: job_shapes.WhyNot}),
    ("GET", "/api/status/{jobId}"): Row({200: job_shapes.ShortStatus}),
    ("POST", "/api/batches"): Row({202: job_shapes.Batch}, BatchRequest, (404, 422)),
    ("GET", "/api/batches/{batchId}"): Row({200: job_shapes.BatchCounts}),
    ("POST", "/api/jobs/requeue"): Row({200: Handle, 202: Handle}, BulkRequeue, (404,)),
    ("GET", "/api/jobs/requeue/{handle}"): Row({200: Handle}),
    ("POST", "/api/ingest/{docHash}/retry"): Row({202: job_shapes.Retried}, errors=(409, 429)),
    ("POST", "/api/system/rebuild-broker"): Row({200: job_shapes.Told}),
    ("POST", "/api/system/rebuild"): Row({202: Rebuild}, RebuildRequest, (404,)),
    ("POST", "/api/system/reembed"): Row({202: Rebuild}, RebuildRequest, (404,)),
    ("GET", "/api/system/rebuild/{handle}"): Row({200: Rebuild}),
    ("POST", "/api/search"): Row({200: shapes.Hits}, SearchRequest, (404, 409)),
    ("GET", "/api/uploads"): Row({200: shapes.Uploads}),
    ("POST", "/api/uploads"): Row({201: upload_shapes.DirectAddresses}, Announcement, (404, 413, 422, 429, 507)),
    ("GET", "/api/uploads/{uploadId}"): Row({200: upload_shapes.DirectUploadShown}),
    ("DELETE", "/api/uploads/{uploadId}"): Row({200: upload_shapes.DirectUploadShown}, errors=(409,)),
    ("POST", "/api/uploads/{uploadId}/parts"): Row({200: upload_shapes.DirectAddresses}, Wanted, (409, 410)),
    ("POST", "/api/uploads/{uploadId}/complete"): Row(
        {200: Accepted, 202: Accepted}, errors=(409, 410, 413, 415, 422, 429, 507)
    ),
    ("PUT", "/api/uploads/{uploadId}/content"): Row(
        {200: upload_shapes.DirectReceived}, ANY_FILE, (409, 410, 422, 507)
    ),
    ("POST", "/api/storage-events"): Row(
        {202: upload_shapes.StorageEventsHeard}, Media(("application/json",)), (404, 422)
    ),
    ("POST", "/api/uploads/{uploadId}/retry"): Row(
        {200: Accepted, 201: upload_shapes.DirectAddresses, 202: Accepted},
        errors=(404, 409, 410, 413, 415, 422, 429, 507),
    ),
    ("GET", "/api/documents"): Row({200: shapes.Documents}),
    ("GET", "/api/documents/{documentId}"): Row({200: shapes.ShownDocument}),
    ("DELETE", "/api/documents/{documentId}"): Row({200: shapes.Deleted, 202: shapes.Deleted}, errors=(409,)),
    ("GET", "/api/documents/{documentId}/twin"): Row({200: Media(("text/markdown",))}),
    ("GET", "/api/documents/{documentId}/products"): Row({200: shapes.Products}),
    ("GET", "/api/documents/{documentId}/entities"): Row({200: shapes.Entities}),
    ("GET", "/api/documents/{documentId}/images"): Row({200: shapes.Images}),
    ("GET", "/api/documents/{documentId}/images/{name}"): Row({200: PICTURES}),
    ("PUT", "/api/documents/{documentId}/images/{name}"): Row(
        {200: shapes.PutImage, 201: shapes.PutImage}, ANY_FILE, (409, 422, 507)
    ),
    ("GET", "/api/documents/{documentId}/previews/{page}"): Row({200: PICTURES}, errors=(422, 507)),
    ("GET", "/api/documents/{documentId}/pages"): Row({200: shapes.Pages}),
    ("GET", "/api/documents/{documentId}/chunks"): Row({200: shapes.Chunks}),
    ("GET", "/api/documents/{documentId}/links"): Row({200: shapes.Links}),
    ("GET", "/api/documents/{documentId}/source"): Row({200: PDF}),
    ("GET", "/api/documents/{documentId}/missing-images"): Row({200: shapes.MissingImages}),
    ("GET", "/api/documents/{documentId}/records"): Row(
        {200: (shapes.Records, Media(("text/csv", "application/x-ndjson")))}
    ),
    ("GET", "/api/file-status"): Row({200: shapes.FileStatus}),
    ("GET", "/api/products"): Row({200: shapes.Products}),
    ("GET", "/api/images"): Row({200: shapes.Images}),
    ("POST", "/api/images/search"): Row({200: shapes.ImageHits}, ImageQuery, (404, 409, 422)),
    ("POST", "/api/images/similar"): Row({200: shapes.ImageHits}, Media(("image/*",)), (404, 409, 422)),
    ("GET", "/api/diagnosis"): Row(DIAGNOSIS),
    ("POST", "/api/repairs"): Row({200: RepairState, 202: RepairState}, RepairRequest, (404, 409)),
    ("GET", "/api/alerts"): Row({200: shapes.Alerts}),
    ("GET", "/api/alerts/{alertId}"): Row({200: Alert}),
    ("POST", "/api/alerts/{alertId}/acknowledge"): Row({200: Alert}, Acknowledgement),
    ("POST", "/api/webhooks"): Row({201: webhook_shapes.Webhook}, EndpointRequest, (404, 409)),
    ("GET", "/api/webhooks"): Row({200: webhook_shapes.Webhooks}),
    ("GET", "/api/webhooks/{endpointId}"): Row({200: webhook_shapes.Webhook}),
    ("PATCH", "/api/webhooks/{endpointId}"): Row({200: webhook_shapes.Webhook}, EndpointChange),
    ("DELETE", "/api/webhooks/{endpointId}"): Row({204: None}),
    ("POST", "/api/webhooks/{endpointId}/rotate"): Row({200: webhook_shapes.Webhook}, Rotation),
    ("POST", "/api/webhooks/{endpointId}/test"): Row({202: webhook_shapes.WebhookDelivery}, errors=(409,)),
    ("GET", "/api/webhooks/{endpointId}/deliveries"): Row({200: webhook_shapes.WebhookDeliveries}),
    ("POST", "/api/webhooks/{endpointId}/deliveries/{deliveryId}/replay"): Row({202: webhook_shapes.WebhookDelivery}),
    ("POST", "/api/webhooks/{endpointId}/replay"): Row({202: webhook_shapes.Replayed}, Replay),
    ("GET", "/api/repairs/{handle}"): Row({200: RepairState}),
    ("GET", "/api/repairs/{handle}/left"): Row(DIAGNOSIS),
    ("GET", "/api/schemas"): Row({200: shapes.SchemaNames}),
    ("GET", "/api/schemas/{name}"): Row({200: Media(("application/schema+json",))}),
    ("PUT", "/api/schemas/{name}"): Row(
        {200: shapes.StoredSchema, 201: shapes.StoredSchema}, Media(("application/json",)), (409, 422, 507)
    ),
    ("DELETE", "/api/schemas/{name}"): Row({204: None}),
    ("GET", "/api/records/{recordId}"): Row({200: ShownRecord}),
    ("PATCH", "/api/records/{recordId}"): Row({200: ShownRecord}, RecordChange, (409, 422, 507)),
    ("GET", "/api/templates"): Row({200: shapes.Templates}),
    ("POST", "/api/templates/validate"): Row(
        {200: shapes.Validation}, (TemplateText, Media(("text/markdown",))), (422,)
    ),
    ("GET", "/api/templates/{name}"): Row({200: shapes.ShownTemplate}),
    ("PUT", "/api/templates/{name}"): Row(
        {200: shapes.ShownTemplate, 201: shapes.ShownTemplate},
        (TemplateText, Media(("text/markdown",))),
        (409, 422, 507),
    ),
    ("DELETE", "/api/templates/{name}"): Row({204: None}),
    ("GET", "/live"): Row({200: shapes.Live}),
    ("GET", "/ready"): Row({200: shapes.Ready, 503: shapes.Ready}),
    ("GET", "/api/key"): Row({200: shapes.OpenedBy}),
    ("GET", "/api/libraries"): Row({200: shapes.Libraries}),
    ("GET", "/metrics"): Row({200: METRICS}),
    ("GET", "/api/system/status"): Row({200: shapes.Fleet}),
    ("POST", "/warmup"): Row({200: shapes.Warmed}, errors=(409, 502, 504)),
    ("POST", "/warmup/mineru"): Row({200: shapes.Warmed}, errors=(404, 502, 504)),
    ("POST", "/api/internal/jobs/{jobId}/claim"): Row(
        {200: Ticket, 401: worker_shapes.ServiceUnauthorized, 409: worker_shapes.NotGranted}, ClaimRequest, _WORKER
    ),
    ("POST", "/api/internal/jobs/{jobId}/heartbeat"): Row({200: worker_shapes.Alive}, HeartbeatRequest, _WORKER),
    ("POST", "/api/internal/jobs/{jobId}/left"): Row({200: worker_shapes.Removed}, LeftRequest, _WORKER),
    ("POST", "/api/internal/jobs/{jobId}/requeue"): Row({202: worker_shapes.Requeued}, RequeueRequest, _WORKER),
    ("POST", "/api/external/jobs/{jobId}"): Row({200: worker_shapes.Applied}, Callback, _WORKER),
    ("GET", "/api/external/jobs/{jobId}/source"): Row({200: PDF}, errors=(409,)),
}
