"""An agent's way in: the real command, spoken to by the protocol's own client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.e2e.conftest import Running

REPO = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def agent(running: Running, *arguments: str) -> AsyncIterator[Client]:
    folder = str(running.stack.data_dir)
    command = ["mcp", "--data-dir", folder, *arguments]
    server = StdioServerParameters(command=str(REPO / "shadowtwin"), args=command, env=dict(os.environ))
    async with Client(server, read_timeout_seconds=60) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


async def test_an_agent_searches_reads_and_starts_a_job_again(running: Running, sample: Path):
    accepted = running.submit(sample, libraryId="agents")
    running.ended(accepted["jobId"])
    async with agent(running) as client:
        assert client.instructions is not None
        (hit, *_) = (await call(client, "search", query="How tall is the tower?", library="agents", top=3))["hits"]
        assert (hit["documentId"], hit["libraryId"]) == (accepted["documentId"], "agents")
        page = await call(client, "page", document=hit["documentId"], page=hit["pages"][0], library="agents")
        assert hit["text"].split()[0] in page["text"]
        record = await call(client, "document", document=hit["documentId"], library="agents")
        assert (record["status"], record["pages"]) == ("processed", 5)
        (listed,) = (await call(client, "jobs", library="agents"))["jobs"]
        assert (listed["jobId"], listed["status"], listed["name"]) == (accepted["jobId"], "completed", "sample.pdf")
        log = await call(client, "log", job=accepted["jobId"])
        assert log["logs"][-1]["phase"] == "completed"
        assert "gateway" in str(await call(client, "status"))
        again = await call(client, "requeue", job=accepted["jobId"], start="ingest")
        assert again["shownStatus"] in ("queued", "running")
        assert running.ended(accepted["jobId"])["status"] == "completed"
        shown = await call(client, "job", job=accepted["jobId"])
        assert (shown["status"], shown["why"]["stuck"]) == ("completed", False)


async def test_a_refusal_says_why_and_reading_alone_offers_nothing_that_changes(running: Running):
    async with agent(running, "--read-only") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "requeue" not in tools
        assert set(tools) == {"search", "page", "document", "jobs", "job", "log", "status"}
        refused = await client.call_tool("job", {"job": "nobody"})
        assert refused.is_error
        assert "not_found" in str(refused.content)
