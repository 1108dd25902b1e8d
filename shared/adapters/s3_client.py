"""The connection to an S3 server: made at the first call, shared by all of a process, closed once.

Vendor: aiobotocore (ADR 36), which signs, retries and streams on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from shared.adapters.s3_failure import told

CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
TRIES = 4
CONNECTIONS = 50


class S3Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where objects are kept. `endpoint` is empty for AWS itself, `public_endpoint` for a server that clients reach
    under the same address; without an access key the credential is looked for as AWS's own tools do (role,
    environment)."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    path_style: bool = False


class S3Client:
    """Calls of the S3 API by their names, with failures told as ours."""

    def __init__(self, place: S3Place) -> None:
        self.place = place
        self._opening = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._session: AioSession | None = None
        self._clients: dict[str, Any] = {}

    async def close(self) -> None:
        """End all connections; a later call would make new ones."""
        async with self._opening:
            await self._open.aclose()
            self._clients.clear()

    async def call(self, operation: str, key: str = "", *, writing: bool = False, **arguments: Any) -> dict[str, Any]:
        """The answer to one call in this bucket; `key` is what failures are told about. Raises as `s3_failure.told`."""
        with told(key, writing=writing):
            client = await self._client(self.place.endpoint)
            answer: dict[str, Any] = await getattr(client, operation)(Bucket=self.place.bucket, **arguments)
        return answer

    async def pages(self, operation: str, **arguments: Any) -> Any:
        """An iterator over the pages of a listing."""
        with told("", writing=False):
            client = await self._client(self.place.endpoint)
        return aiter(client.get_paginator(operation).paginate(Bucket=self.place.bucket, **arguments))

    async def signed(self, operation: str, seconds: int, **arguments: Any) -> str:
        """An address that allows this one call for so long, for whoever has it; nothing is sent."""
        with told("", writing=False):
            client = await self._client(self.place.public_endpoint or self.place.endpoint)
            address: str = await client.generate_presigned_url(
                operation, Params={"Bucket": self.place.bucket, **arguments}, ExpiresIn=seconds
            )
        return address

    async def _client(self, endpoint: str) -> Any:
        if endpoint not in self._clients:
            async with self._opening:
                if endpoint not in self._clients:
                    self._clients[endpoint] = await self._open.enter_async_context(await self._made(endpoint))
        return self._clients[endpoint]

    async def _made(self, endpoint: str) -> Any:
        if self._session is None:
            session = get_session()
            # The models are files of some megabytes that are read and parsed: in a thread, once.
            await asyncio.to_thread(_load, session)
            self._session = session
        place = self.place
        config = AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path" if place.path_style else "auto"},
            retries={"mode": "standard", "total_max_attempts": TRIES},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            # Checksums of the newer kinds come as trailers that many servers do not know; ours is Content-MD5.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return self._session.create_client(
            "s3",
            region_name=place.region,
            endpoint_url=endpoint or None,
            aws_access_key_id=place.access_key or None,
            aws_secret_access_key=place.secret_key or None,
            config=config,
        )


def _load(session: AioSession) -> None:
    loader = session.get_component("data_loader")
    loader.load_data_with_path("endpoints")
    for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
        loader.load_service_model("s3", kind)
