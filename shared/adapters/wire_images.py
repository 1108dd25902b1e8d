"""What a child says of one picture: read strictly, because the child has read a hostile file."""

from __future__ import annotations

import msgspec


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`vectors` are float32 behind one another, `small` is a JPEG; or `error` says why there are none."""

    vectors: bytes = b""
    small: bytes = b""
    error: str = ""
