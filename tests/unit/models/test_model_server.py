"""The simulated model server as a process of its own, as benches start it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp

from tests.support.model_server import Asked, sample


def answers(asked: Asked) -> dict[str, Any]:
    """The script of the test below."""
    return {"purpose": asked.purpose, "pages": [label for label, _ in asked.blocks]}


async def test_it_serves_a_script_is_programmed_over_http_and_ends_with_its_starter() -> None:
    script = f"{__name__}:answers"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.model_server", "--port", "0", "--script", script, "--latency", "*=0.01"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    url = json.loads(await process.stdout.readline())["url"]
    boundary = "0" * 24
    text = f"BEGIN {boundary} page 1\nA\nEND {boundary}"
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Task: metadata."},
            {"role": "user", "content": text},
        ],
    }
    async with aiohttp.ClientSession() as http:
        await http.post(f"{url}/control", json={"faults": [{"kind": "status", "status": 503}]})
        assert (await http.post(f"{url}/v1/chat/completions", json=body)).status == 503
        for _ in range(2):
            answer = await (await http.post(f"{url}/v1/chat/completions", json=body)).json()
        said = json.loads(answer["choices"][0]["message"]["content"])
        assert said == {"purpose": "metadata", "pages": ["page 1"]}
        told = await (await http.get(f"{url}/control")).json()
        assert (told["received"], told["completed"], told["repeated"]) == (3, 2, 1)
        assert told["log"] == {"metadata:status": 1, "metadata:ok": 2}
        assert (await (await http.get(f"{url}/v1/models")).json())["data"]
        floats = await (await http.post(f"{url}/v1/embeddings", json={"model": "m", "input": ["a"]})).json()
        assert len(floats["data"][0]["embedding"]) == 16
    process.stdin.close()
    assert await process.wait() == 0


def test_a_question_without_a_script_gets_an_answer_that_fits() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 3},
            "kind": {"enum": ["x", "y"]},
            "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}, "minItems": 1},
        },
        "$defs": {"row": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
    }
    assert sample(schema) == {"n": 3, "kind": "x", "rows": [{"a": "x"}]}
