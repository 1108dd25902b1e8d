"""An image's colours: its colour space and Decode array, and how a PNG can hold them."""

from __future__ import annotations

import pymupdf
from pymupdf import mupdf

from services.extractor.reader import png

_GREY, _RGB, _INDEXED = 1, 2, 6  # enum fz_colorspace_type of MuPDF, which its Python binding does not name


class Colours:
    """Read once from an image; `plain` grey or RGB is shown alike by every viewer."""

    def __init__(self, image: mupdf.FzImage) -> None:
        inner = image.m_internal
        self.space = mupdf.FzColorspace(mupdf.ll_fz_keep_colorspace(inner.colorspace)) if inner.colorspace else None
        self.kind = int(self.space.fz_colorspace_type()) if self.space else 0
        self.name = str(self.space.fz_colorspace_name()) if self.space else ""
        top = float((1 << min(inner.bpc, 16)) - 1) if self.kind == _INDEXED else 1.0
        decode = [mupdf.floats_getitem(inner.decode, index) for index in range(2 * inner.n)]
        self.inverted = bool(decode) and decode == [top, 0.0] * inner.n
        self.simple = not decode or self.inverted or decode == [0.0, top] * inner.n
        self.identity = (self.name, decode)

    @property
    def plain(self) -> bool:
        """Whether samples are grey or RGB values as they are, or inverted."""
        return self.simple and self.kind in (_GREY, _RGB)

    @property
    def calibrated(self) -> bool:
        """Whether values mean other colours than a viewer would show for them."""
        device = self.space is None or self.space.fz_colorspace_is_device()
        return not device and "srgb" not in self.name.lower()

    def png_type(self, bits: int) -> int | None:
        """PNG's colour type for the samples as they are; None when PNG has none that shows the same."""
        if not self.simple or (self.calibrated and self.kind != _INDEXED and bits != 1):
            return None
        if self.kind == _INDEXED and not self.inverted and bits in (1, 2, 4, 8):
            return png.PALETTE
        if self.kind == _GREY and bits in (1, 2, 4, 8, 16):
            return png.GREY
        return png.RGB if self.kind == _RGB and bits in (8, 16) else None

    def palette(self, bits: int) -> bytes:
        """The colours of an indexed image as RGB bytes; empty for others."""
        if self.kind != _INDEXED or self.space is None:
            return b""
        row = mupdf.FzPixmap(self.space, 1 << bits, 1, mupdf.FzSeparations(), 0)
        mupdf.fz_pixmap_samples_memoryview(row)[:] = bytes(range(1 << bits))
        base = pymupdf.Pixmap("raw", row.fz_convert_indexed_pixmap_to_base())
        return bytes(pymupdf.Pixmap(pymupdf.csRGB, base).samples)

    def displayed(self, pixmap: pymupdf.Pixmap) -> pymupdf.Pixmap:
        """The pixmap in the grey or RGB of a screen."""
        space = pixmap.colorspace
        if space is None:
            return pixmap
        inner = mupdf.FzColorspace(space.this)
        if int(inner.fz_colorspace_type()) == _GREY and space.n == 1:
            return pymupdf.Pixmap(pymupdf.csGRAY, pixmap) if self.calibrated else pixmap
        if int(inner.fz_colorspace_type()) == _RGB and not self.calibrated:
            return pixmap
        return pymupdf.Pixmap(pymupdf.csRGB, pixmap)
