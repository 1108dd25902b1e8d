"""A diagnosis keeps nothing but counts, whatever the number of documents."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


async def diagnosed(count: int) -> tuple[dict[str, Any], int]:
    """What the run says, and the most memory that it had at once."""
    command = [sys.executable, "-m", "tests.support.diagnosed", str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    end, peak = json.loads(said)
    return end, peak


async def test_memory_does_not_grow_with_the_number_of_documents() -> None:
    _, small = await diagnosed(500)
    end, large = await diagnosed(4_000)
    assert end["summary"] == {"null_pointer": 4_000}
    assert {pattern["pattern"] for pattern in end["patterns"]} >= {"same_error", "deleted_after_upload"}
    assert large < small + 2_000_000, (small, large)
