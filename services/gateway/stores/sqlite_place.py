"""Whether a place is fit for the SQLite file, its schema, and what its errors mean."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from shared.errors import ConfigurationError, ShadowtwinError, TransientError

NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|davfs|glusterfs|gpfs|lustre|ncpfs|nfs4?|orangefs|smb3|smbfs|"
    r"fuse\.(blobfuse2|ceph(-fuse)?|davfs|gcsfuse|glusterfs|grpcfuse|osxfs|rclone|s3fs|smbnetfs|sshfs)"
)
"""File systems whose locks or shared memory SQLite's write-ahead log cannot rely on."""
LASTING = {"SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"}
VERSION = 6
"""2: a quality pass has a slot of its own beside its document's open job. 3: failed uploads are written down. 4: direct
uploads have records. 5: alerts and leases. 6: webhooks and their deliveries."""

UPLOADS = """
CREATE TABLE uploads (
    uploadId TEXT PRIMARY KEY, libraryId TEXT NOT NULL, createdAt INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX uploads_newest ON uploads (createdAt, uploadId);
CREATE INDEX uploads_library ON uploads (libraryId, createdAt, uploadId)
"""

DIRECT_UPLOADS = """
CREATE TABLE direct_uploads (
    uploadId TEXT PRIMARY KEY, revision INTEGER NOT NULL, settled INTEGER NOT NULL, createdAt INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX direct_uploads_left ON direct_uploads (uploadId) WHERE settled = 0
"""

ALERTS = """
CREATE TABLE alerts (
    alertId TEXT PRIMARY KEY, libraryId TEXT NOT NULL, state TEXT NOT NULL, openedAt INTEGER NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX alerts_newest ON alerts (openedAt, alertId);
CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL)
"""

WEBHOOKS = """
CREATE TABLE webhooks (
    endpointId TEXT PRIMARY KEY, libraryId TEXT NOT NULL, createdAt INTEGER NOT NULL, revision INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE webhook_deliveries (
    deliveryId TEXT PRIMARY KEY, endpointId TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL,
    state TEXT NOT NULL, tries INTEGER NOT NULL, dueAt INTEGER NOT NULL, createdAt INTEGER NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpointId, dueAt, place) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_key ON webhook_deliveries (endpointId, key, place) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (endpointId, createdAt, deliveryId);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (createdAt, deliveryId)
"""

SCHEMA = """
CREATE TABLE jobs (
    jobId TEXT PRIMARY KEY, processId TEXT NOT NULL, revision INTEGER NOT NULL, attempt INTEGER NOT NULL,
    status TEXT NOT NULL, open INTEGER NOT NULL, libraryId TEXT NOT NULL, documentId TEXT NOT NULL,
    slot TEXT NOT NULL, batchId TEXT,
    createdAt INTEGER NOT NULL, updatedAt INTEGER NOT NULL, heartbeatAt INTEGER, deadlineAt INTEGER,
    outboxAt INTEGER, waiting INTEGER NOT NULL, priority INTEGER NOT NULL, idempotencyKey TEXT, body BLOB NOT NULL);
CREATE UNIQUE INDEX jobs_open ON jobs (slot) WHERE open = 1;
CREATE INDEX jobs_waiting ON jobs (libraryId, priority, createdAt) WHERE waiting = 1;
CREATE INDEX jobs_admitted ON jobs (libraryId) WHERE open = 1 AND waiting = 0;
CREATE UNIQUE INDEX jobs_key ON jobs (libraryId, idempotencyKey) WHERE idempotencyKey IS NOT NULL;
CREATE INDEX jobs_outbox ON jobs (outboxAt) WHERE outboxAt IS NOT NULL;
CREATE INDEX jobs_newest ON jobs (createdAt, jobId);
CREATE INDEX jobs_status ON jobs (status, createdAt, jobId);
CREATE INDEX jobs_library ON jobs (libraryId, createdAt, jobId);
CREATE INDEX jobs_batch ON jobs (batchId, createdAt, jobId) WHERE batchId IS NOT NULL;
CREATE INDEX jobs_document ON jobs (documentId, createdAt, jobId);
CREATE TABLE job_logs (
    jobId TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (jobId, seq)) WITHOUT ROWID;
CREATE TABLE documents (
    documentId TEXT PRIMARY KEY, libraryId TEXT NOT NULL, itemId TEXT NOT NULL, sha256 TEXT NOT NULL,
    revision INTEGER NOT NULL, createdAt INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX documents_hash ON documents (libraryId, sha256, createdAt);
CREATE INDEX documents_newest ON documents (createdAt, documentId);
CREATE INDEX documents_library ON documents (libraryId, createdAt, documentId);
"""


FROM_1 = """
ALTER TABLE jobs ADD COLUMN slot TEXT NOT NULL DEFAULT '';
UPDATE jobs SET slot = documentId;
DROP INDEX jobs_open;
CREATE UNIQUE INDEX jobs_open ON jobs (slot) WHERE open = 1
"""


def check_place(path: Path) -> None:
    """Make the folder; raises ConfigurationError when it cannot hold the file, or lies on a network file system."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace") if os.name == "posix" else ""
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unfit(f"The data folder {path.parent} cannot be made ({error.strerror}).") from error
    kind = file_system(path.parent.resolve(), mounts.splitlines())
    if NETWORK.fullmatch(kind):
        raise _unfit(
            f"{path.parent} lies on a network file system ({kind}), where SQLite loses or damages data: "
            "name a folder on a local disk in SHADOWTWIN_DATA_DIR, or use MongoDB (SHADOWTWIN_STORE=mongo)."
        )


def file_system(folder: Path, mounts: Iterable[str]) -> str:
    """Type of the file system that holds the folder, from the lines of /proc/mounts; later mounts cover earlier."""
    found, depth = "", -1
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if folder.is_relative_to(mounted) and len(mounted.parts) >= depth:
            found, depth = fields[2], len(mounted.parts)
    return found


def migrate(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log and make the tables, unless they are there; a newer schema is refused."""
    mode = _switch_to_wal(connection)
    if mode != "wal":
        raise _unfit(f"SQLite cannot keep a write-ahead log here (journal mode {mode}): use a local disk.")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("ROLLBACK")
        raise _unfit("The SQLite file holds tables of something else: name another SHADOWTWIN_DATA_DIR.")
    since_5 = (WEBHOOKS,)
    since_4 = (ALERTS, *since_5)
    since_3 = (DIRECT_UPLOADS, *since_4)
    since_2 = (UPLOADS, *since_3)
    steps = {0: (SCHEMA, *since_2), 1: (FROM_1, *since_2), 2: since_2, 3: since_3, 4: since_4, 5: since_5}.get(
        version, ()
    )
    for statement in ";".join(steps).split(";"):
        connection.execute(statement)
    if steps:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    if version > VERSION:
        raise _unfit(
            f"The SQLite file has schema {version}, this program knows {VERSION}: start the newer program again."
        )


def _switch_to_wal(connection: sqlite3.Connection, tries: int = 50) -> str:
    """The journal mode reached. SQLite does not wait for the lock here, and two processes may start at once."""
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            tries -= 1
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not tries:
                raise
            time.sleep(0.1)


def explain(error: sqlite3.Error, path: Path) -> Exception:
    """The error as this system's own: transient where the same call may succeed later."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if any(name.startswith(lasting) for lasting in LASTING):
        return _unfit(f"The database {path} cannot be used ({error}): check the file, its rights and the disk.")
    if isinstance(error, sqlite3.OperationalError):
        return TransientError("unavailable", f"The database cannot be written or read now ({error}).")
    return ShadowtwinError("internal", f"The database refused a statement ({type(error).__name__}).")


def _unfit(message: str) -> ConfigurationError:
    return ConfigurationError("misconfigured", message)
