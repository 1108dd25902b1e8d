"""What runs in the child process: the offline analysis of one transcript. Hostile text can cost only this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from services.transformer.offline import analyze
from services.transformer.task import Task


def transform(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """The analyzer's answer as plain data."""
    task = msgspec.convert(args, Task)
    answer = analyze(task.transcript, task.info, task.pages, task.template)
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    return plain
