"""What a picture looks like, as unit vectors of real descriptors: colour, texture, shape and layout, by scikit-image.

Runs in child processes only: decoders are as easily broken as readers of PDFs, and pictures are as hostile.

| vector      | length | what it is |
|---|---|---|
| visual      | 512 | HOG (288: 9 blocks of 4 cells, 8 directions), mean Lab of 8 x 8 fields (192), Lab marginals (32) |
| colour      | 512 | histogram of 8 x 8 x 8 cells of CIELAB, finer near grey, soft edges |
| texture     | 512 | uniform LBP of 8 points at 3 radii, whole and by quarter (150), 6 GLCM statistics (144), Gabor
                      energies (64), histograms of slope and of local contrast (154) |
| application | 512 | GIST: energies of 32 Gabor filters on 4 x 4 fields, what kind of scene it is |

Sources: Dalal and Triggs 2005 (HOG), Ojala et al. 2002 (LBP), Haralick 1973 (GLCM), Oliva and Torralba 2001 (GIST).
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]

VERSION = "descriptors-1"
"""Raise it with every change of a vector: an index holds vectors of one version."""
SPACES = {"visual": 512, "colour": 512, "texture": 512, "application": 512}
PIXELS_MOST = 100_000_000
"""A picture that says it has more is not decoded."""
SIDE = 128
"""Pictures are described at this size, stretched to a square: descriptors of different shapes compare."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000")
"""What is decoded: raster formats only, nothing that would start a program (EPS) or fetch (SVG)."""
PLAIN = 0.01
"""Mean slope (grey values 0-1 a pixel) of an area at which its shapes count half; noise of compression is below it."""
_GREY = 256
_WAVES, _DIRECTIONS, _FIELDS = (0.4, 0.25, 0.15, 0.08), 8, 4
_LBP, _LBP_CODES = (1.0, 2.0, 4.0), 10
_STEPS = (1, 2, 3, 4, 6, 8)
_EPSILON = 1e-9


def describe(content: bytes) -> dict[str, list[float]]:
    """The four vectors of a picture (its file's bytes) by name; ValueError with a sentence for what is no picture."""
    rgb = _square(content)
    from skimage.color import rgb2lab

    lab: Array = rgb2lab(rgb)
    grey: Array = lab[..., 0] / 100
    energies = _gabor(grey)
    vectors = {
        "visual": _visual(grey, lab),
        "colour": _colour(lab),
        "texture": _texture(grey, energies),
        "application": _scene(energies),
    }
    return {name: _unit(vectors[name], SPACES[name]).astype(np.float32).tolist() for name in SPACES}


def prepare() -> None:
    """Import what is imported lazily and make the filters, once in the process that children are forked from."""
    out = io.BytesIO()
    Image.radial_gradient("L").save(out, "PNG")
    describe(out.getvalue())


def reduced(content: bytes, side: int) -> bytes:
    """The picture (its file's bytes) as a JPEG on white that fits into a square of `side`; ValueError as `describe`."""
    image = _flat(content, side)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _square(content: bytes) -> Array:
    """RGB (0-1) on white, SIDE x SIDE x 3."""
    small = _flat(content, 2 * SIDE).resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float64) / 255


def _flat(content: bytes, side: int) -> Image.Image:
    """RGB on white; a JPEG that is much larger than `side` is decoded smaller."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(f"no picture that can be read ({type(error).__name__})") from error
    with image:
        if image.width * image.height > PIXELS_MOST or min(image.size) < 1:
            raise ValueError(f"a picture of {image.width} x {image.height} pixels")
        try:
            image.draft("RGB", (side, side))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                white = Image.new("RGBA", image.size, "white")
                return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
            return image.convert("RGB")
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"no picture that can be read ({type(error).__name__})") from error


def _visual(grey: Array, lab: Array) -> list[Array]:
    from skimage.feature import hog
    from skimage.filters import gaussian
    from skimage.util import view_as_windows

    cell = SIDE // 4
    soft = gaussian(grey, 1.0)
    blocks = hog(soft, 8, (cell, cell), (2, 2), block_norm="L2-Hys", feature_vector=False)
    # a block is normed to one length whatever it holds: without this, the noise of plain areas would outweigh shapes
    slope = np.hypot(*np.gradient(soft)).reshape(4, cell, 4, cell).mean(axis=(1, 3))
    strength = view_as_windows(slope, (2, 2)).mean(axis=(2, 3))
    shape = _normed((blocks * (strength / (strength + PLAIN))[..., None, None, None]).ravel())
    fields = lab.reshape(8, SIDE // 8, 8, SIDE // 8, 3).mean(axis=(1, 3)).reshape(-1, 3) / 100
    fields[:, 0] -= 0.5  # a mean grey picture says nothing
    ranges = ((lab[..., 0], 16, (0, 100)), (lab[..., 1], 8, (-90, 100)), (lab[..., 2], 8, (-110, 100)))
    marginals = [np.sqrt(np.histogram(values, bins, limits)[0] / values.size) for values, bins, limits in ranges]
    return [shape, 0.8 * _normed(fields.ravel()), 0.4 * _normed(np.concatenate(marginals))]


def _colour(lab: Array) -> list[Array]:
    """Each pixel shares itself between the cells around it, so that a little more light moves little."""
    flat = lab.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(1, 3)).reshape(-1, 3)
    signed = np.sign(flat[:, 1:]) * np.sqrt(np.minimum(np.abs(flat[:, 1:]) / 110, 1))
    at = np.column_stack([flat[:, 0] / 100, (signed + 1) / 2]) * 7
    low = np.minimum(at.astype(int), 6)
    part = at - low
    histogram = np.zeros(512)
    for corner in range(8):
        step = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        weight = np.where(step, part, 1 - part).prod(axis=1)
        cells = (low + step) @ np.array([64, 8, 1])
        histogram += np.bincount(cells, weight, 512)
    return [np.sqrt(histogram / len(flat))]


def _texture(grey: Array, energies: Array) -> list[Array]:
    from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
    from skimage.util import view_as_windows

    levels = np.clip(grey * (_GREY - 1), 0, _GREY - 1).astype(np.uint8)
    half = SIDE // 2
    quarters = [(slice(None), slice(None))]
    quarters += [(slice(y, y + half), slice(x, x + half)) for y in (0, half) for x in (0, half)]
    patterns = []
    for radius in _LBP:
        codes = local_binary_pattern(levels, 8, radius, "uniform").astype(int)
        counts = [np.bincount(codes[part].ravel(), minlength=_LBP_CODES) for part in quarters]
        patterns += [np.sqrt(count / count.sum()) for count in counts]
    angles = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
    matrix = graycomatrix(levels // 8, _STEPS, angles, 32, symmetric=True, normed=True)
    names = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
    spans = np.array([60.0, 8.0, 1.0, 1.0, 1.0, 7.0])
    statistics = np.array([graycoprops(matrix, name).ravel() for name in names]) / spans[:, None]
    rows, columns = np.gradient(grey)
    slope = np.hypot(rows, columns)
    contrast = view_as_windows(grey, (8, 8), 4).std(axis=(2, 3))
    shares = [np.histogram(np.sqrt(values), 77, (0, 0.7))[0] / values.size for values in (slope, contrast)]
    filters = np.concatenate([energies.mean(axis=(1, 2)), energies.std(axis=(1, 2))])
    return [
        _normed(np.concatenate(patterns)),
        0.8 * _normed(np.clip(statistics, -1, 1).ravel()),
        0.8 * _normed(filters),
        0.5 * _normed(np.sqrt(np.concatenate(shares))),
    ]


def _scene(energies: Array) -> list[Array]:
    side = SIDE // _FIELDS
    fields = energies.reshape(-1, _FIELDS, side, _FIELDS, side).mean(axis=(2, 4))
    return [np.sqrt(fields).ravel()]


def _gabor(grey: Array) -> Array:
    """Absolute answers of the filters, (32, SIDE, SIDE)."""
    spectrum = np.fft.fft2(grey - grey.mean()).astype(np.complex64)
    answers = np.abs(np.fft.ifft2(spectrum[None] * _filters()))
    return answers.astype(np.float64)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.complex64]:
    """Spectra of the Gabor filters: 4 wavelengths times 8 directions."""
    from skimage.filters import gabor_kernel

    found = []
    for wave in _WAVES:
        for direction in range(_DIRECTIONS):
            kernel: Any = gabor_kernel(wave, theta=np.pi * direction / _DIRECTIONS)
            height, width = (min(side, SIDE) for side in kernel.shape)
            field = np.zeros((SIDE, SIDE), dtype=np.complex128)
            field[:height, :width] = kernel[:height, :width]
            found.append(np.fft.fft2(np.roll(field, (-(height // 2), -(width // 2)), (0, 1))))
    return np.array(found, dtype=np.complex64)


def _normed(part: Array) -> Array:
    length = float(np.linalg.norm(part))
    return part / length if length > _EPSILON else np.zeros_like(part)


def _unit(parts: list[Array], length: int) -> Array:
    """The parts behind one another; a picture without any such thing (one plain colour) is the first axis."""
    whole = np.concatenate([part.ravel() for part in parts])
    if whole.shape != (length,):
        raise AssertionError(f"{whole.shape} where {length} numbers were meant")
    unit = _normed(np.nan_to_num(whole, nan=0.0, posinf=0.0, neginf=0.0))
    if not unit.any():
        unit[0] = 1.0
    return unit
