"""What rules can measure in a picture: its main colours by name, sharpness, contrast, and a quality score from them.

Runs in a child process: pictures are as hostile as the PDFs they come from.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from services.transformer.images.colours import name_of

SIDE = 512
"""Pictures are measured at this size, so that scores of large and small ones compare."""

PIXELS_MOST = 100_000_000
PALETTE = 8
SHOWN = 5
SHARE_LEAST = 0.04
MODEL_SIDE = 1568
"""Longest side of a picture that is made anew for a model; larger ones are scaled down by the models themselves."""

MODEL_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""Formats that vision models read."""

_WIDE_ENOUGH, _TOO_SMALL = 900.0, 48.0
_SHARP, _BLURRED = 400.0, 4.0
_CONTRASTY = 48.0


def measure(content: bytes) -> dict[str, Any]:
    """Width, height, `palette` [{name, hex, share}] of the main colours, `sharpness` (variance of the Laplacian of the
    grey picture), `contrast` (deviation of its grey values) and `qualityScore` 0-1. Raises ValueError."""
    with _opened(content) as image:
        width, height = image.size
        image.draft("RGB", (SIDE, SIDE))
        small = _flat(image)
    small.thumbnail((SIDE, SIDE))
    grey = np.asarray(small.convert("L"), dtype=float)
    sharpness, contrast = _sharpness(grey), float(grey.std())
    return {
        "width": width,
        "height": height,
        "palette": palette(small),
        "sharpness": round(sharpness, 1),
        "contrast": round(contrast, 1),
        "qualityScore": round(_score(width, height, sharpness, contrast), 3),
    }


def palette(image: Image.Image) -> list[dict[str, Any]]:
    """The main colours, the largest first; neighbours of one name count together."""
    reduced = image.copy()
    reduced.thumbnail((128, 128))
    quantized = reduced.quantize(PALETTE, Image.Quantize.MEDIANCUT)
    codes = quantized.getpalette() or []
    total = reduced.width * reduced.height
    found: dict[str, dict[str, Any]] = {}
    counts: Any = quantized.getcolors() or []
    for count, index in sorted(counts, reverse=True):
        red, green, blue = codes[3 * index : 3 * index + 3]
        name = name_of((red, green, blue))
        row = found.setdefault(name, {"name": name, "hex": f"#{red:02x}{green:02x}{blue:02x}", "share": 0.0})
        row["share"] = round(row["share"] + count / total, 3)
    rows = sorted(found.values(), key=lambda row: -row["share"])
    return [row for row in rows if row["share"] >= SHARE_LEAST][:SHOWN]


def prepared(content: bytes) -> tuple[bytes, str]:
    """The picture as a vision model can read it, and its MIME type: as it is, or made anew as a JPEG."""
    with _opened(content) as image:
        if image.format in MODEL_KINDS and max(image.size) <= 4 * MODEL_SIDE and len(content) <= 4 << 20:
            return content, MODEL_KINDS[image.format]
        small = _flat(image)
    small.thumbnail((MODEL_SIDE, MODEL_SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=88)
    return out.getvalue(), "image/jpeg"


def _opened(content: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content))
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(f"no picture that can be read ({type(error).__name__})") from error
    if image.width * image.height > PIXELS_MOST or min(image.size) < 1:
        raise ValueError(f"a picture of {image.width} x {image.height} pixels")
    return image


def _flat(image: Image.Image) -> Image.Image:
    """RGB on white."""
    try:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            white = Image.new("RGBA", image.size, "white")
            return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
        return image.convert("RGB")
    except Exception as error:
        raise ValueError(f"no picture that can be read ({type(error).__name__})") from error


def _sharpness(grey: Any) -> float:
    if min(grey.shape) < 3:
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var())


def _score(width: int, height: int, sharpness: float, contrast: float) -> float:
    """Geometric mean of size, sharpness and contrast: each may spoil a picture alone."""
    size = _between(np.log(max(min(width, height), 1)), np.log(_TOO_SMALL), np.log(_WIDE_ENOUGH))
    sharp = _between(np.log(max(sharpness, 1e-3)), np.log(_BLURRED), np.log(_SHARP))
    parts = np.array([size, sharp, min(contrast / _CONTRASTY, 1.0)])
    weights = np.array([0.4, 0.35, 0.25])
    return float(np.exp((weights * np.log(np.maximum(parts, 0.01))).sum()))


def _between(value: float, low: float, high: float) -> float:
    return float(min(max((value - low) / (high - low), 0.0), 1.0))
