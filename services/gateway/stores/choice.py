"""The stores that the settings name, over one file or connection."""

from __future__ import annotations

from typing import NamedTuple

from services.gateway.settings import GatewaySettings
from shared.direct_ports import DirectUploadStore
from shared.ports import AlertStore, DocumentStore, JobStore, UploadStore
from shared.webhook_ports import WebhookStore


class Stores(NamedTuple):
    """The stores over one file or connection; `jobs` opens and closes it."""

    jobs: JobStore
    documents: DocumentStore
    uploads: UploadStore
    direct: DirectUploadStore
    alerts: AlertStore
    webhooks: WebhookStore


def stores(settings: GatewaySettings) -> Stores:
    """The stores that the settings name."""
    if settings.store == "mongo":
        from services.gateway.stores.mongo_alerts import MongoAlerts
        from services.gateway.stores.mongo_direct import MongoDirectUploads
        from services.gateway.stores.mongo_jobs import mongo_stores
        from services.gateway.stores.mongo_uploads import MongoUploads
        from services.gateway.stores.mongo_webhooks import MongoWebhooks

        mongo = mongo_stores(settings.database_address())
        database = mongo[0].database
        uploads, direct = MongoUploads(database), MongoDirectUploads(database)
        return Stores(*mongo, uploads, direct, MongoAlerts(database), MongoWebhooks(database))
    from services.gateway.stores.sqlite_alerts import SqliteAlerts
    from services.gateway.stores.sqlite_direct import SqliteDirectUploads
    from services.gateway.stores.sqlite_jobs import sqlite_stores
    from services.gateway.stores.sqlite_uploads import SqliteUploads
    from services.gateway.stores.sqlite_webhooks import SqliteWebhooks

    sqlite = sqlite_stores(settings.data_dir / "shadowtwin.db")
    file = sqlite[0].file
    return Stores(*sqlite, SqliteUploads(file), SqliteDirectUploads(file), SqliteAlerts(file), SqliteWebhooks(file))
