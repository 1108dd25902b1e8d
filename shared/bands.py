"""The product pipeline's bands of overall progress, and where a run goes on after a checkpoint (seed 001, A1.2)."""

from __future__ import annotations

BANDS: tuple[tuple[float, float], ...] = ((0, 15), (15, 30), (30, 50), (50, 70), (70, 90), (90, 100))
"""Percent at the start and the end of the stages: 0 product discovery, 1 focused extraction, 2 chunking, 3 images,
4 products and their links, 5 quality."""

CHECKPOINTS: dict[str, int] = {
    "PRODUCTS_DETECTED": 0,
    "CHUNKS_CREATED": 2,
    "IMAGES_EXTRACTED": 3,
    "PRODUCTS_CREATED": 4,
    "COMPLETED": 5,
}
"""The last stage that a checkpoint says is done."""


def overall(stage: int, fraction: float) -> float:
    """Percent of the whole pipeline when `fraction` (0-1) of the stage is done."""
    low, high = BANDS[stage]
    return low + (high - low) * min(max(fraction, 0.0), 1.0)


def stages_after(checkpoint: str | None) -> list[int]:
    """The stages that still have to run; all of them without a checkpoint. KeyError for an unknown one."""
    return list(range(CHECKPOINTS[checkpoint] + 1 if checkpoint else 0, len(BANDS)))
