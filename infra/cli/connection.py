"""What a command talks to: a running gateway by its address, or a local run's folder read in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from infra.api_keys import key_for
from infra.cli.failure import CliError
from infra.cli.local_transport import LocalTransport
from infra.client import Client, connect
from infra.stack_files import running_stack


@contextlib.asynccontextmanager
async def remote(url: str) -> AsyncIterator[Client]:
    """A client of the gateway at that address, with the key that this user has for it."""
    async with connect(url, key_for(url)) as client:
        yield client


@contextlib.asynccontextmanager
async def client_for(api_url: str | None, data_dir: Path) -> AsyncIterator[Client]:
    """The gateway at `api_url`; else the stack running on `data_dir`; else the folder itself, read here."""
    url = api_url or running_stack(data_dir.resolve())
    if url:
        async with remote(url) as client:
            yield client
        return
    if not (data_dir / "shadowtwin.db").exists():
        raise CliError("not_found", f"{data_dir} holds no run.", "Process a PDF first, or name another --data-dir.", 2)
    from services.gateway.app import application
    from services.gateway.settings import GatewaySettings

    settings = GatewaySettings(data_dir=data_dir.resolve(), store="sqlite")
    async with (
        application(settings, reading=True) as app,
        httpx.AsyncClient(transport=LocalTransport(app), base_url="http://local", timeout=60) as http,
    ):
        yield Client(http)
