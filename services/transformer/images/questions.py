"""The questions to a vision model: what a picture shows (3B), and a second look at one with a low score (stage 5)."""

from __future__ import annotations

import json
from typing import Any

from services.transformer.images.analysis import Analysis, Looked
from shared.models import DataBlock, ImageBlock, ModelRequest

_ROLE = "You describe pictures of product catalogues. Use only what the picture and its context show."
_ASK = """Describe the picture. `description`: one or two sentences. `material`: the main material, "" if none can be
told. `colours` and `textures`: everyday words, the most prominent first. `qualityScore`: 0 to 1, how well the picture
shows its subject (sharpness, light, resolution, cropping). The context tells where in the document it stands."""
_AGAIN = """A first look at this picture gave the answer below, with a low score. Look again: correct and complete it.
Give `qualityScore` anew: 0 to 1, how well picture and description together serve somebody who looks for the product."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "description": {"type": "string", "maxLength": 1000},
        "material": {"type": "string", "maxLength": 200},
        "colours": {"type": "array", "items": {"type": "string", "maxLength": 60}, "maxItems": 12},
        "textures": {"type": "array", "items": {"type": "string", "maxLength": 60}, "maxItems": 12},
        "qualityScore": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["description", "material", "colours", "textures", "qualityScore"],
}
CONTEXT_MOST = 1_500
"""Characters of the page's text that go with a picture."""


def analysis(picture: ImageBlock, context: list[DataBlock]) -> ModelRequest:
    """What asks about a picture."""
    return ModelRequest(
        purpose="image_analysis",
        system=_ROLE,
        instructions=_ASK,
        data=context,
        images=[picture],
        schema=SCHEMA,
        max_output_tokens=1_024,
    )


def validation(picture: ImageBlock, row: Analysis) -> ModelRequest:
    """What asks for a second look."""
    said = {
        "description": row.looked.description,
        "material": row.looked.material,
        "colours": row.looked.colours,
        "textures": row.looked.textures,
        "qualityScore": row.looked.quality_score,
    }
    return ModelRequest(
        purpose="validation",
        system=_ROLE,
        instructions=_AGAIN,
        data=[DataBlock("first answer", json.dumps(said, ensure_ascii=False)), DataBlock("caption", row.caption)],
        images=[picture],
        schema=SCHEMA,
        max_output_tokens=1_024,
    )


def looked(value: dict[str, Any]) -> Looked:
    """An answer as a record."""
    return Looked(
        description=value["description"].strip(),
        material=value["material"].strip(),
        colours=[colour.strip() for colour in value["colours"] if colour.strip()],
        textures=[texture.strip() for texture in value["textures"] if texture.strip()],
        quality_score=round(min(max(float(value["qualityScore"]), 0.0), 1.0), 4),
    )
