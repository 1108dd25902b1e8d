"""Upload forms: the file of a multipart form goes to storage while it arrives, before the form has been read.

FastAPI reads a form whole and keeps its files in the temporary folder; a route of this class has its form read here
first, so that nothing is stored twice and a file that is refused is refused at its first bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.gateway.uploads.log import UploadLog
from services.gateway.uploads.receiving import Incoming, Receiver
from shared.errors import RequestError, ShadowtwinError

FIELD = "file"
MOST_FIELDS = 100
NOTED = ("storage_write_failed", "quota_exceeded", "unavailable", "internal")
"""What may become of a file that has arrived: other refusals are of the request, which its sender sees."""


class ReceivedFile(UploadFile):
    """The form's file; its bytes are in storage, `incoming` knows where."""

    def __init__(self, incoming: Incoming, former: UploadFile) -> None:
        super().__init__(former.file, size=0, filename=former.filename, headers=former.headers)
        self.incoming = incoming

    async def write(self, data: bytes) -> None:
        """What has arrived."""
        await self.incoming.write(data)

    async def seek(self, offset: int) -> None:
        """The parser's way to say that all of it has arrived."""
        self.size = (await self.incoming.finish()).size

    async def close(self) -> None:
        """Whoever wanted it has taken it by now."""
        await self.incoming.discard()
        await super().close()


class _Parser(MultiPartParser):
    """Starlette's parser with another place for the file."""

    def __init__(self, request: Request, receiver: Receiver, stream: AsyncGenerator[bytes, None]) -> None:
        super().__init__(request.headers, stream, max_files=1, max_fields=MOST_FIELDS)
        self._receiver = receiver
        self.received: list[ReceivedFile] = []

    def on_headers_finished(self) -> None:
        """A part begins: a file must be the one that is asked for."""
        super().on_headers_finished()
        former = self._current_part.file
        if former is None:
            return
        if self._current_part.field_name != FIELD:
            raise MultiPartException(f"The form takes one file, in its field {FIELD!r}.")
        received = ReceivedFile(self._receiver.begin(), former)
        self.received.append(received)
        self._current_part.file = received


class _ReadRequest(Request):
    """A request whose form has been read."""

    def with_form(self, form: FormData) -> _ReadRequest:
        self._form = form
        return self


async def read_form(request: Request, receiver: Receiver, log: UploadLog) -> FormData:
    """The multipart form. Raises RequestError for what is none, and what the file is refused for; then it is noted."""
    parser = _Parser(request, receiver, request.stream())
    try:
        return await parser.parse()
    except BaseException as error:
        told: BaseException = error
        if isinstance(error, MultiPartException):
            told = RequestError("bad_request", f"The form cannot be read: {error.message}")
        if isinstance(error, ClientDisconnect):
            told = RequestError("upload_aborted")
        for file in parser.received:
            fields = {name: value for name, value in parser.items if isinstance(value, str)}
            await file.close()
            await log.failed(file.filename or "", file.incoming.size, told, fields)
        raise told from error


def streamed(parts: Callable[[], tuple[Receiver, UploadLog]]) -> type[APIRoute]:
    """The class of routes whose multipart forms are read by `read_form`; uploads that fail later are noted as well."""

    class Streamed(APIRoute):
        """A route with an upload."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """FastAPI's handler, behind the reading of the form."""
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
                if request.method != "POST" or kind != "multipart/form-data":
                    return await handler(request)
                receiver, log = parts()
                form = await read_form(request, receiver, log)
                try:
                    return await handler(_ReadRequest(request.scope, request.receive).with_form(form))
                except ShadowtwinError as error:
                    file = form.get(FIELD)
                    if isinstance(file, ReceivedFile) and error.code in NOTED:
                        fields = {name: value for name, value in form.items() if isinstance(value, str)}
                        await log.failed(file.filename or "", file.incoming.size, error, fields)
                    raise
                finally:
                    await form.close()

            return handle

    return Streamed
