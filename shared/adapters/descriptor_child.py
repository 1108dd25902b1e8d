"""What runs in the child process of the descriptors: hostile pictures can cost only this process."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a child does one picture; threads' buffers would eat its memory

from shared.adapters.skimage_descriptors import SPACES, describe, prepare, reduced

prepare()


def describe_images(args: dict[str, Any], send: Callable[[Any], None]) -> list[dict[str, Any]]:
    """A row for each of `images` (bytes), in order: {"vectors"}, the descriptors of SPACES behind one another as
    little-endian float32, with {"small"}, a JPEG of at most `side` pixels, if `side` is given; or {"error"}."""
    return [_row(content, int(args.get("side") or 0)) for content in args["images"]]


def _row(content: bytes, side: int) -> dict[str, Any]:
    try:
        found = describe(content)
        row = {"vectors": b"".join(struct.pack(f"<{size}f", *found[name]) for name, size in SPACES.items())}
        return row | ({"small": reduced(content, side)} if side else {})
    except ValueError as error:
        return {"error": str(error)[:200]}
