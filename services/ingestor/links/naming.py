"""Which products a text names: by name, by article number, or by the stem that a product's article numbers share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from services.ingestor.links.materials import ProductRow
from shared.mentions import Names, fold

STEM_LEAST = 3
"""Signs of an article number's beginning that stand for a product."""


class Mention(NamedTuple):
    """How a text names a product: the longest words found, and how often any are."""

    word: str
    times: int


class Mentions:
    """Looks for the products of one document in texts."""

    def __init__(self, products: Sequence[ProductRow]) -> None:
        self._owners: dict[str, set[str]] = {}
        self._words: dict[str, str] = {}
        for product in products:
            for word in (product.name, *product.articles, *_stems(product.articles)):
                key = fold(word)
                if key:
                    self._owners.setdefault(key, set()).add(product.product_id)
                    self._words.setdefault(key, word)
        # what several products are called says nothing about which of them is meant
        own = [word for key, word in self._words.items() if len(self._owners[key]) == 1]
        self._names = Names(own)

    def of(self, text: str) -> dict[str, Mention]:
        """The products that the text names, by id, in no order."""
        best: dict[str, Mention] = {}
        totals: Counter[str] = Counter()
        for key, count in self._names.count(text).items():
            for product_id in self._owners.get(key, ()):
                totals[product_id] += count
                if product_id not in best or len(key) > len(fold(best[product_id].word)):
                    best[product_id] = Mention(self._words[key], count)
        return {product_id: mention._replace(times=totals[product_id]) for product_id, mention in best.items()}

    def first(self, text: str) -> str:
        """Which of the products that a text names it names first; "" for none."""
        found = self.of(text)
        places = {product_id: text.casefold().find(mention.word.casefold()) for product_id, mention in found.items()}
        return min(places, key=lambda product_id: (places[product_id] < 0, places[product_id]), default="")


def _stems(articles: Sequence[str]) -> list[str]:
    """The first part that all article numbers share: `VEL10` of `VEL10-1010-SAN` and `VEL10-3060-OCE`."""
    firsts = {re.split(r"[\W_]", article)[0].casefold(): article for article in articles}
    if len(articles) < 2 or len(firsts) != 1:
        return []
    ((first, article),) = firsts.items()
    telling = any(sign.isalpha() for sign in first) and any(sign.isdigit() for sign in first)
    return [article[: len(first)]] if len(first) >= STEM_LEAST and telling and len(first) < len(article) else []
