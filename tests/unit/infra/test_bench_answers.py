"""The counting of `bench answers`: what is found in a catalogue against its truth."""

from __future__ import annotations

import asyncio
import json

import httpx

from infra.bench import answers
from tests.support.catalogue_truth import truth_of
from tests.support.catalogues import Made, Truth

WANTED = [{"name": "Fjord", "pages": [2, 3], "variants": [{"sku": "A1"}, {"sku": "A2"}]}, {"name": "Dune", "pages": [4],
          "variants": [{"sku": "B1"}]}]  # fmt: skip


def test_products_count_by_name_pages_and_articles() -> None:
    found = [
        {"name": "FJORD", "pages": [2, 3], "variants": [{"sku": "A1"}]},
        {"name": "Dune", "pages": [4, 9], "variants": [{"sku": "B1"}]},
        {"name": "Stray", "pages": [5], "variants": []},
    ]
    assert answers._products(found, WANTED, 8) == {
        "wanted": 2, "listed": 3, "found": 2, "pagesExact": 1, "skus": 3, "skusFound": 2, "pagesThatDoNotExist": 1,
    }  # fmt: skip


def test_entities_count_on_their_own_page_only() -> None:
    found = [{"name": "iso 9001", "page": 6}, {"name": "CE", "page": 7}]
    assert answers._entities(found, [{"name": "ISO 9001", "page": 6}, {"name": "CE", "page": 6}]) == {
        "wanted": 2,
        "found": 1,
    }


def test_questions_count_the_page_of_each_hit_and_those_without_an_answer() -> None:
    hits = {
        "who": [{"pages": [2], "confidence": 0.9, "confident": True}],
        "which": [{"pages": [7], "confidence": 0.9, "confident": True}, {"pages": [4], "confidence": 0.5,
                                                                       "confident": False}],
        "lost": [],
        "none": [{"pages": [1], "confidence": 0.2, "confident": False}],
    }  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"hits": hits[json.loads(request.content)["query"]]})

    async def counted() -> dict[str, object]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gateway") as http:
            asked = [{"q": "who", "pages": [2]}, {"q": "which", "pages": [4]}, {"q": "lost", "pages": [5]}]
            return await answers._questions(http, "doc-1", [*asked, {"q": "none", "pages": []}])

    assert asyncio.run(counted()) == {
        "asked": 3, "first": 1, "among": 2, "firstConfident": 2, "missed": ["lost"],
        "withoutAnswer": [{"q": "none", "confidence": 0.2, "confident": False}],
    }  # fmt: skip


def test_the_truth_of_a_made_catalogue_asks_about_its_products() -> None:
    made = Truth(
        [Made("Fjord", [2], {"A1": ("10x10 cm", "Sand", "matt", 1.0)}, "Yuki", ["10x10 cm"], ["Sand"])], set(), 4
    )
    questions = truth_of(made, "de")["qa"]
    assert questions[3] == {"q": "Welcher Artikel ist Fjord in Sand, 10x10 cm?", "pages": [2]}
    assert [row["pages"] for row in questions] == [[2]] * 4 + [[]]
