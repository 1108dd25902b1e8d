"""The Python client: its shapes are those of the description, its calls those of the real routes."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.cli.specs import openapi
from infra.client import Client, ClientError, shapes
from tests.support.gateway import World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route

COMPONENTS = {
    "Job": "ShownJob",
    "Document": "ShownDocument",
    "JobPage": "Jobs",
    "LogPage": "Logs",
    "Step": "shared.job.Step",
}
"""Shapes whose name in the description is another one."""
SHAPES = [shape for shape in vars(shapes).values() if typing.is_typeddict(shape)]
KINDS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def kinds_of(kind: Any) -> set[str]:
    """JSON types of a Python type."""
    origin = typing.get_origin(kind)
    if origin in (list, dict):
        return {"array" if origin is list else "object"}
    if typing.get_args(kind):
        return {name for part in typing.get_args(kind) for name in kinds_of(part)}
    return {"object"} if typing.is_typeddict(kind) else {KINDS[kind]}


def described_kinds(schema: dict[str, Any], components: dict[str, Any]) -> set[str]:
    if "anyOf" in schema:
        return {name for part in schema["anyOf"] for name in described_kinds(part, components)}
    if "$ref" in schema:
        return described_kinds(components[schema["$ref"].rpartition("/")[2]], components)
    return {schema["type"]} if "type" in schema else {"string"} if "enum" in schema else set()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_is_what_the_description_says(shape: Any):
    components = openapi()["components"]["schemas"]
    described = components[COMPONENTS.get(shape.__name__, shape.__name__)]["properties"]
    for name, kind in typing.get_type_hints(shape).items():
        assert name in described, f"{shape.__name__}.{name}"
        assert kinds_of(kind) == described_kinds(described[name], components), f"{shape.__name__}.{name}"


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_from_a_file_to_an_answer(gateway: World, tmp_path: Path):
    client = Client(gateway.http)
    pdf = tmp_path / "frost.pdf"
    pdf.write_bytes(text_pdf("Glazed tiles resist frost when they take up little water."))
    plan = msgspec.convert(await client.plan(pdf, {"libraryId": "tiles"}), shapes.Plan)
    assert [phase["run"] for phase in plan["phases"]] == [True] * len(plan["phases"])
    accepted = msgspec.convert(await client.submit(pdf, {"libraryId": "tiles"}), shapes.Accepted)
    await gateway.settle()
    await Route(gateway).run()
    assert accepted["jobId"] is not None
    job = msgspec.convert(await client.ended(accepted["jobId"]), shapes.Job)
    assert job["status"] == "completed"
    page = msgspec.convert(await client.jobs(library="tiles"), shapes.JobPage)
    assert [row["jobId"] for row in page["jobs"]] == [job["jobId"]]
    logs = msgspec.convert(await client.logs(job["jobId"]), shapes.LogPage)
    assert logs["logs"][-1]["phase"] == "completed"
    assert not msgspec.convert(await client.why(job["jobId"]), shapes.WhyNot)["stuck"]
    document = msgspec.convert(await client.document(accepted["documentId"], "tiles"), shapes.Document)
    assert (document["pages"], document["status"]) == (1, "processed")
    assert "resist frost" in await client.page_text(document["documentId"], 1, "tiles")
    (hit,) = msgspec.convert(await client.search("frost resistance", 5, "tiles"), shapes.Hits)["hits"]
    assert (hit["documentId"], hit["pages"]) == (document["documentId"], [1])
    again = msgspec.convert(await client.requeue(job["jobId"], {"from": "ingest"}), shapes.Job)
    assert again["processId"] != job["processId"]
    assert msgspec.convert(await client.cancel(job["jobId"]), shapes.Job)["status"] == "failed"
    assert msgspec.convert(await client.system_status(), shapes.Fleet)["version"]
    missing = msgspec.convert(await client.missing_images(document["documentId"]), shapes.MissingImages)
    assert missing["missing"] == []


async def test_a_refusal_is_an_error_with_its_code_and_what_to_do(gateway: World):
    client = Client(gateway.http)
    with pytest.raises(ClientError) as refused:
        await client.job("nobody")
    assert (refused.value.code, refused.value.exit_code) == ("not_found", 2)
    with pytest.raises(ClientError) as refused:
        await client.page_text("nobody", 1)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize("other", ["{}/cancel?", "{}/cancel#", "x/../{}/cancel?", ".", "../system/rebuild-broker?"])
async def test_an_id_never_leads_to_another_route(gateway: World, other: str):
    job_id = (await gateway.upload())["jobId"]
    with pytest.raises(ClientError, match="There is no such"):
        await Client(gateway.http).requeue(other.format(job_id), {"force": True})
    assert (await gateway.job(job_id)).status == "queued"
