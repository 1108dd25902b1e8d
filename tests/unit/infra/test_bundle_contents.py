"""What stands in a bundle's members may be anything: it is compared as it is, or refused, and nothing falls over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.replay.normal import normal, normal_jobs
from infra.replay.replaying import replay
from shared import bundle
from shared.errors import RequestError
from tests.unit.infra.test_bundle_reading import written

DEEP = b"[" * 5000
ODD = [b"3", b"[]", b"[[3]]", b'{"metadata":3}', b'{"files":[3]}', b"\xff", DEEP, b'{"counts":{"a":' + DEEP, b""]


@pytest.mark.parametrize("content", ODD)
@pytest.mark.parametrize("name", [bundle.DOCUMENT, "twin/manifests/a.json", "twin/a.md"])
def test_content_that_is_not_as_expected_is_compared_as_it_is(name: str, content: bytes):
    assert normal(name, content) == content


@pytest.mark.parametrize("content", ODD)
def test_a_job_that_is_not_as_expected_is_compared_as_it_is(content: bytes):
    assert normal_jobs(content, b"{}") == (content, b"{}")


def test_rows_that_are_nested_without_end_are_compared_as_they_are():
    assert normal("twin/records.jsonl", DEEP) == DEEP


def test_a_metadata_of_another_kind_is_compared_as_it_is():
    names = ("documentId", "libraryId", "itemId", "sha256", "name", "size", "status", "error", "pages", "counts")
    fields = ",".join(f'"{name}":{{}}' for name in (*names, "generation", "chunkCount", "chaptersCount", "artefacts"))
    content = f'{{{fields},"metadata":3}}'.encode()
    assert normal(bundle.DOCUMENT, content) == content


async def test_a_job_that_does_not_say_how_it_ended_is_refused_before_it_is_run(tmp_path: Path):
    path = written(tmp_path / "b.zip", {bundle.JOB: b'{"jobId":"j","parameters":{}}'})
    with pytest.raises(RequestError, match=bundle.JOB) as refused:
        await replay(path, most_bytes=1 << 20)
    assert refused.value.code == "bundle_invalid"
