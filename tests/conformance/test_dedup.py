"""Conformance table `dedup`: similarities, which of new records are kept, and schemas that are refused."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from shared import dedup, record_schema, similarity
from shared.errors import RequestError
from tests.conformance.table import known, rows, rule_of


def jaccard(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "a", "b", "n")
    return {"similarity": similarity.jaccard(given["a"], given["b"], given["n"])}


def cosine(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "a", "b")
    try:
        return {"similarity": similarity.cosine(given["a"], given["b"])}
    except ValueError as error:
        return {"error": "length" if "length" in str(error) else str(error)}


async def kept(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "new", "existing", "x-unique-fields", "min_similarity", "method", "stub_embeddings_of_canonical_text")
    stub = given.get("stub_embeddings_of_canonical_text", {})

    async def embed(texts: list[str]) -> list[list[float]]:
        return [stub[text] for text in texts]

    compared: dedup.Similarity = similarity.jaccard
    if {"jaccard": False, "embedding": True}[given["method"]]:
        compared = await dedup.embedded(given["new"], given["existing"], given["x-unique-fields"], embed)
    found = dedup.keep(
        given["new"],
        given["existing"],
        given["x-unique-fields"],
        threshold=given.get("min_similarity", dedup.THRESHOLD),
        similarity=compared,
    )
    return {"kept_indices": found.indices, "duplicates": found.duplicates}


def refused(given: dict[str, Any]) -> dict[str, Any]:
    """The schema alone is asked: whether anything is stored cannot matter."""
    known(given, "schema", "even_if_no_existing_records")
    item = {**given["schema"], "properties": {name: {"type": "string"} for name in given["schema"]["properties"]}}
    try:
        record_schema.parse(json.dumps({"properties": {"records": {"items": item}}}))
    except RequestError as error:
        concept = error.message.partition(":")[0].partition(" in x-")[0]
        return {"error": concept}
    return {}


RULES = {
    "jaccard_trigram": jaccard,
    "cosine": cosine,
    "cosine_length_mismatch": cosine,
    "records_jaccard": kept,
    "records_embedding": kept,
    "schema_refused": refused,
}


async def check(row: dict[str, Any]) -> None:
    """One row; similarities within the row's tolerance."""
    found = rule_of(row, RULES)(row["in"])
    seen: dict[str, Any] = await found if inspect.isawaitable(found) else found
    want = dict(row["want"])
    tolerance = want.pop("tolerance", 0)
    known(want, *seen)
    assert want
    for name, wanted in want.items():
        assert seen[name] == (pytest.approx(wanted, abs=tolerance) if name == "similarity" else wanted), name


@pytest.mark.parametrize("row", rows("dedup"))
async def test_dedup(row: dict[str, Any]):
    await check(row)
