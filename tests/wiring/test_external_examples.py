"""docs/external-workers.md: every example there is what is sent, or is understood."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.extractor.external_parse import handed
from shared.external_settings import ExternalSettings
from tests.support.external import outside
from tests.support.file_server import png, zipped
from tests.support.gateway import PDF
from tests.support.reference_worker import Treatment

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "external-workers.md").read_text(encoding="utf-8")


def example(name: str) -> dict[str, Any]:
    match = re.search(rf"<!-- example: {name} -->\n```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert match, name
    found: dict[str, Any] = json.loads(match.group(1))
    return found


async def test_the_request_has_the_fields_of_the_example(tmp_path: Path):
    async with outside(tmp_path) as made:
        await made.extracted(PDF)
        sent = made.worker.requests[0].fields
        assert list(sent) == [*example("request"), "filename"]
        assert set(json.loads(sent["correlation"])) == set(re.findall(r'"(\w+)":', example("request")["correlation"]))
        assert set(json.loads(sent["process"])) == set(json.loads(example("request")["process"]))


async def test_the_examples_of_progress_and_of_a_result_are_applied(tmp_path: Path):
    finals = [example("progress"), example("completed")]
    async with outside(tmp_path, plan=[Treatment(progress=[], finals=finals)]) as made:
        made.worker.files["/archives/7.zip"] = zipped({"img-0.png": png()})
        job = await made.extracted(PDF)
        assert [said["applied"] for _, said in made.worker.requests[0].applied] == [True, True]
        assert (job.counts["pages"], job.counts["images"]) == (2, 1)
        assert "OCR request sent" in [entry["message"] for entry in await made.log(job)]


async def test_the_example_of_an_error_fails_the_job(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(progress=[], finals=[example("error")])]) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (job.error.code, job.error.message) == ("ocr_failed", "Page 7 cannot be read.")


async def test_the_examples_of_the_parse_protocol_are_understood(tmp_path: Path):
    answer = json.dumps(example("text")).encode()
    treatment = Treatment(asynchronous=True, polls=[example("state")], body=answer)
    async with outside(tmp_path, "parse", [treatment]) as made:
        job = await made.extracted(PDF)
        assert job.counts["pages"] == 2
        assert (job.progress is not None, made.worker.polled) == (True, ["r-1", "r-1"])
    assert handed(example("text"), "mineru")["metadata"]["parser"] == "mineru"
    assert list(example("job")) == ["job_id"]


@pytest.mark.parametrize("row", re.findall(r"^\| `SHADOWTWIN_(\w+)` \| `?([^|`]*?)`? ?\| ", PAGE, re.MULTILINE))
def test_every_setting_of_the_table_exists_with_its_default(row: tuple[str, str]):
    name, default = row
    field = ExternalSettings.model_fields[name.lower()]
    if default and default != "the gateway's":
        assert str(field.default).removesuffix(".0") == default
