"""How well pictures are linked and found: the API's answers held against a catalogue's truth.

The truth is a JSON object with `images`: [{page, bbox_pdf, product | null, caption | null}], boxes in points from the
sheet's top left. Pictures that it does not know (a running logo) must be linked to nothing.
"""

from __future__ import annotations

from typing import Any

import httpx

NEAR = 4.0
"""Points by which two boxes of one picture may differ."""
TOP = 5


async def measure(http: httpx.AsyncClient, document_id: str, truth: list[dict[str, Any]]) -> dict[str, Any]:
    """Precision and recall of image-product links by boxes; links of pictures without a product; shares of captions
    that find their own picture, and any picture of their product, among the first TOP hits; and of stored pictures that
    find a picture of their product first."""
    rows = await _all(http, document_id)
    owners = {row["name"]: _owner(row, truth) for row in rows}
    wanted = {(name, owner["product"]) for name, owner in owners.items() if owner and owner["product"]}
    made = {(row["name"], product["name"]) for row in rows for product in row["products"]}
    stray = sorted(pair for pair in made if not (owners[pair[0]] or {}).get("product"))
    captions = [
        (row, owner) for row in rows if (owner := owners[row["name"]]) and owner["product"] and owner["caption"]
    ]
    own = same = 0
    for row, owner in captions:
        body = {"query": owner["caption"], "top": TOP, "documentId": document_id}
        hits = (await http.post("/api/images/search", json=body)).json()["hits"]
        own += row["imageId"] in {hit["imageId"] for hit in hits}
        same += any(owner["product"] in _shown(hit, rows, owners) for hit in hits)
    shown = [row for row in rows if (owners[row["name"]] or {}).get("product")]
    alike = 0
    for row in shown:
        body = {"imageId": row["imageId"], "top": 1, "documentId": document_id}
        hits = (await http.post("/api/images/search", json=body)).json()["hits"]
        alike += bool(hits) and owners[row["name"]]["product"] in _shown(hits[0], rows, owners)  # type: ignore[index]
    good = len(made & wanted)
    return {
        "pictures": len(wanted),
        "links": len(made),
        "precision": good / max(len(made), 1),
        "recall": good / max(len(wanted), 1),
        "stray": stray[:20],
        "furniturePlaces": sum(owner is None for owner in owners.values()),
        "captions": len(captions),
        "captionFindsItsPicture": own / max(len(captions), 1),
        "captionFindsItsProduct": same / max(len(captions), 1),
        "pictureFindsItsProductFirst": alike / max(len(shown), 1),
    }


async def _all(http: httpx.AsyncClient, document_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        parameters: dict[str, str | int] = {
            "document": document_id,
            "limit": 200,
            **({"cursor": cursor} if cursor else {}),
        }
        answer = (await http.get("/api/images", params=parameters)).raise_for_status().json()
        rows += answer["images"]
        cursor = answer["cursor"]
    return rows


def _owner(row: dict[str, Any], truth: list[dict[str, Any]]) -> dict[str, Any] | None:
    for entry in truth:
        if entry["page"] == row["page"]:
            apart = max(abs(a - b) for a, b in zip(entry["bbox_pdf"], row["bbox"], strict=True))
            if apart < NEAR:
                return entry
    return None


def _shown(hit: dict[str, Any], rows: list[dict[str, Any]], owners: dict[str, dict[str, Any] | None]) -> set[str]:
    """The products that a hit shows, by the truth."""
    names = [row["name"] for row in rows if row["imageId"] == hit["imageId"]]
    return {owner["product"] for name in names if (owner := owners[name]) and owner["product"]}
