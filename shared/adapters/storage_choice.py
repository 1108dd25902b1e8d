"""Which storage the settings name. The vendor's package is imported when it is chosen."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.adapters.folder_storage import FolderStorage
from shared.direct_ports import DirectStorage
from shared.errors import ConfigurationError, TransientError
from shared.ports import Storage
from shared.settings import read_optional_secret

logger = logging.getLogger("storage")
FOLDER = "twins"


class StorageSettings(BaseSettings):
    """Prefix SHADOWTWIN_. Without any of these: the folder `twins` below the data folder, no account needed."""

    model_config = SettingsConfigDict(env_prefix="SHADOWTWIN_", env_ignore_empty=True, extra="ignore")

    storage: str = ""
    """s3://BUCKET or s3://BUCKET/PREFIX, the same for all services; empty for the folder."""
    s3_endpoint: str = ""
    """http(s)://host:port of a server that is not AWS."""
    s3_public_endpoint: str = ""
    """The same server as clients reach it, if they do under another address: for presigned uploads."""
    s3_region: str = "us-east-1"
    """The region of the bucket."""
    s3_access_key_id: str = ""
    """Without it the credential comes from where AWS's own tools look: role, environment, profile."""
    s3_secret_key_file: Path | None = None
    """A file with the secret of that key."""
    s3_path_style: bool | None = None
    """Whether addresses are endpoint/bucket instead of bucket.endpoint; unless said, wherever it is not AWS."""


def choose_storage(settings: StorageSettings, data_dir: Path) -> Storage:
    """The storage; raises ConfigurationError for a setting that names none, or half a credential."""
    if not settings.storage:
        return FolderStorage(data_dir / FOLDER)
    where = urlsplit(settings.storage)
    if where.scheme != "s3" or not where.netloc or where.query or where.fragment:
        raise ConfigurationError("misconfigured", "SHADOWTWIN_STORAGE must be s3://BUCKET or s3://BUCKET/PREFIX.")
    file = settings.s3_secret_key_file if settings.s3_access_key_id else None
    secret = read_optional_secret(file, "SHADOWTWIN_S3_SECRET_KEY_FILE")
    if settings.s3_access_key_id and not secret:
        said = "SHADOWTWIN_S3_ACCESS_KEY_ID needs SHADOWTWIN_S3_SECRET_KEY_FILE, a file with its secret."
        raise ConfigurationError("misconfigured", said)
    from shared.adapters.s3_client import S3Client, S3Place
    from shared.adapters.s3_storage import S3Storage

    path_style = bool(settings.s3_endpoint) if settings.s3_path_style is None else settings.s3_path_style
    place = S3Place(
        bucket=where.netloc,
        prefix=where.path.strip("/"),
        endpoint=settings.s3_endpoint,
        public_endpoint=settings.s3_public_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key_id,
        secret_key=secret,
        path_style=path_style,
    )
    return S3Storage(S3Client(place))


@contextlib.asynccontextmanager
async def opened_storage(data_dir: Path, settings: StorageSettings | None = None) -> AsyncIterator[Storage]:
    """The chosen storage, closed at the end. Raises ConfigurationError when the bucket cannot be used; a server that
    is away may come later."""
    storage = choose_storage(settings or StorageSettings(), data_dir)
    if isinstance(storage, FolderStorage):
        yield storage
        return
    from shared.adapters.s3_storage import S3Storage

    assert isinstance(storage, S3Storage)
    try:
        try:
            await storage.check()
        except TransientError as error:
            logger.warning("storage cannot be reached yet", extra={"reason": error.message})
        yield storage
    finally:
        await storage.client.close()


@contextlib.asynccontextmanager
async def opened_bucket(name: str) -> AsyncIterator[Storage]:
    """Another storage by its name: s3://BUCKET/PREFIX with the same server and credential, else a folder."""
    if not name.startswith("s3:"):
        yield FolderStorage(Path(name))
        return
    async with opened_storage(Path(), StorageSettings(storage=name)) as storage:
        yield storage


def choose_direct(storage: Storage) -> DirectStorage | None:
    """What takes files from their senders, where the storage itself can."""
    if isinstance(storage, FolderStorage):
        return None
    from shared.adapters.s3_direct import S3Direct
    from shared.adapters.s3_storage import S3Storage

    return S3Direct(storage) if isinstance(storage, S3Storage) else None


def place_of(data_dir: Path, settings: StorageSettings | None = None) -> str:
    """The storage as operators name it."""
    return (settings or StorageSettings()).storage or str(data_dir.resolve() / FOLDER)
