"""One SQLite file for several processes: a writer thread with group commit, and readers that never wait for it.

Whatever is queued while a commit waits for the disk shares the next one, so that one fsync acknowledges many callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from services.gateway.stores.sqlite_place import check_place, explain, migrate
from shared.errors import ShadowtwinError, TransientError

Operation = Callable[[sqlite3.Connection], Any]
GROUP = 256
"""Most operations in one transaction: bounds what a failing commit takes with it."""
LOCK_SECONDS = 5.0
LOCK_TRIES = 3


class _Wish(NamedTuple):
    """An operation, whether it changes rows by more than one statement, and who waits for it."""

    operation: Operation
    several: bool
    answer: asyncio.Future[Any]


class SqliteFile:
    """The database both stores share. `open` and `close` belong to the job store; a second call does nothing."""

    def __init__(self, path: Path, *, readers: int = 3) -> None:
        self.path = path
        self._readers = readers
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Check the place, bring the schema up to date and start the threads."""
        if self._loop is not None:
            return
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        connection = await asyncio.to_thread(self._prepare)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self._readers, thread_name_prefix="sqlite-read")
        self._writer = threading.Thread(target=self._write_all, args=(connection,), name="sqlite-write", daemon=True)
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued, then close every connection."""
        if self._loop is None:
            return
        self._loop = None
        self._wishes.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._opened:
            connection.close()

    async def write(self, operation: Operation, *, several: bool = False) -> Any:
        """Run it in the writer thread; returns when it is on disk. Its own failure undoes it alone.

        `several` must be set when it changes rows by more than one statement: it then gets a savepoint. A single
        statement undoes itself, and is spared the two extra turns.
        """
        loop = self._running()
        answer: asyncio.Future[Any] = loop.create_future()
        self._wishes.put(_Wish(operation, several, answer))
        return await answer

    async def read(self, operation: Operation) -> Any:
        """Run it on a reading connection in another thread."""
        return await self._running().run_in_executor(self._pool, self._read, operation)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise TransientError("unavailable", "The store is closed.")
        return self._loop

    def _prepare(self) -> sqlite3.Connection:
        try:
            check_place(self.path)
            connection = self._connect()
            try:
                migrate(connection)
            except BaseException:
                connection.close()
                raise
            return connection
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _read(self, operation: Operation) -> Any:
        try:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._opened.append(connection)
                self._local.connection = connection
            return operation(connection)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    # the writer thread

    def _write_all(self, connection: sqlite3.Connection) -> None:
        ended = False
        while not ended:
            wish = self._wishes.get()
            group: list[_Wish] = []
            while wish is not None:
                group.append(wish)
                if len(group) == GROUP:
                    break
                try:
                    wish = self._wishes.get_nowait()
                except queue.Empty:
                    break
            ended = wish is None
            if group:
                self._tell(group, self._commit(connection, group))
        connection.close()

    def _commit(self, connection: sqlite3.Connection, group: list[_Wish]) -> list[Any]:
        """The result or exception of every operation; all fail when the transaction does."""
        try:
            _begin(connection)
            results = [self._attempt(connection, wish) for wish in group]
            connection.execute("COMMIT")
            return results
        except sqlite3.Error as error:
            failure: Exception = explain(error, self.path)
        except Exception as error:
            failure = error
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return [failure] * len(group)

    def _attempt(self, connection: sqlite3.Connection, wish: _Wish) -> Any:
        """The operation's result or its own exception; raises when the whole transaction is lost."""
        try:
            if wish.several:
                connection.execute("SAVEPOINT wish")
            result = wish.operation(connection)
            if wish.several:
                connection.execute("RELEASE wish")
            return result
        except Exception as error:
            if not connection.in_transaction or isinstance(error, sqlite3.OperationalError):
                raise
            if wish.several:
                connection.execute("ROLLBACK TO wish")
                connection.execute("RELEASE wish")
            return explain(error, self.path) if isinstance(error, sqlite3.Error) else error

    def _tell(self, group: list[_Wish], results: list[Any]) -> None:
        # The caller's loop may have ended without waiting; what was committed stays committed.
        with contextlib.suppress(RuntimeError):
            group[0].answer.get_loop().call_soon_threadsafe(_answer, group, results)


def _begin(connection: sqlite3.Connection) -> None:
    for left in reversed(range(LOCK_TRIES)):
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise


def _answer(group: list[_Wish], results: list[Any]) -> None:
    for wish, result in zip(group, results, strict=True):
        if wish.answer.done():
            continue
        if isinstance(result, BaseException):
            # A fresh exception for each: a shared one would collect the tracebacks of all its callers.
            wish.answer.set_exception(_copy(result))
        else:
            wish.answer.set_result(result)


def _copy(error: BaseException) -> BaseException:
    if isinstance(error, TransientError):
        return TransientError(error.code, error.message, retry_after=error.retry_after)
    if isinstance(error, ShadowtwinError):
        return type(error)(error.code, error.message, hint=error.hint)
    return error
