"""Which stores the settings name: one file, or one database."""

from __future__ import annotations

from services.gateway.settings import GatewaySettings
from shared.ports import AlertStore, DocumentStore, JobStore, UploadStore


def stores(settings: GatewaySettings) -> tuple[JobStore, DocumentStore, UploadStore, AlertStore]:
    """The stores that the settings name, over one file or connection."""
    if settings.store == "mongo":
        from services.gateway.mongo_alerts import MongoAlerts
        from services.gateway.mongo_jobs import mongo_stores
        from services.gateway.mongo_uploads import MongoUploads

        mongo = mongo_stores(settings.mongodb_uri)
        return *mongo, MongoUploads(mongo[0].database), MongoAlerts(mongo[0].database)
    from services.gateway.sqlite_alerts import SqliteAlerts
    from services.gateway.sqlite_jobs import sqlite_stores
    from services.gateway.sqlite_uploads import SqliteUploads

    sqlite = sqlite_stores(settings.data_dir / "shadowtwin.db")
    return *sqlite, SqliteUploads(sqlite[0].file), SqliteAlerts(sqlite[0].file)
