"""Which stores the settings name: one file, or one database."""

from __future__ import annotations

from typing import NamedTuple

from services.gateway.settings import GatewaySettings
from shared.direct_ports import DirectUploadStore
from shared.ports import DocumentStore, JobStore, UploadStore


class Stores(NamedTuple):
    """The stores over one file or connection; `jobs` opens and closes it."""

    jobs: JobStore
    documents: DocumentStore
    uploads: UploadStore
    direct: DirectUploadStore


def stores(settings: GatewaySettings) -> Stores:
    """The stores that the settings name."""
    if settings.store == "mongo":
        from services.gateway.mongo_direct import MongoDirectUploads
        from services.gateway.mongo_jobs import mongo_stores
        from services.gateway.mongo_uploads import MongoUploads

        mongo = mongo_stores(settings.mongodb_uri)
        return Stores(*mongo, MongoUploads(mongo[0].database), MongoDirectUploads(mongo[0].database))
    from services.gateway.sqlite_direct import SqliteDirectUploads
    from services.gateway.sqlite_jobs import sqlite_stores
    from services.gateway.sqlite_uploads import SqliteUploads

    sqlite = sqlite_stores(settings.data_dir / "shadowtwin.db")
    return Stores(*sqlite, SqliteUploads(sqlite[0].file), SqliteDirectUploads(sqlite[0].file))
