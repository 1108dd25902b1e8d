"""What a search for one product may show: the pages that are its own, and the chunks that name it elsewhere."""

from __future__ import annotations

from typing import NamedTuple

from services.gateway.search.catalogue import Catalogue, Wanted
from services.gateway.search.ranking import Passage
from shared.mentions import Names
from shared.ports import DocumentStore, Hit

MOST_PRODUCTS = 50
"""Products of one name, in as many documents, that one search covers."""


class Scope(NamedTuple):
    """Of one document: sheets of the product, the chunks linked to it, and what it and its articles are called."""

    pages: set[int]
    chunks: set[str]
    words: set[str]


class ProductScope:
    """Scopes by document id."""

    def __init__(self, scopes: dict[str, Scope]) -> None:
        self._scopes = scopes

    @property
    def documents(self) -> list[str]:
        """The documents that have the product."""
        return list(self._scopes)

    def holds(self, hit: Hit) -> bool:
        """Whether a row of the index is linked to the product (a summary: touches its pages)."""
        scope = self._scopes.get(hit.row.document_id)
        if scope is None:
            return False
        if hit.row.kind == "chunk":
            return hit.row.extra.get("chunkId") in scope.chunks
        return bool(scope.pages.intersection(hit.row.pages))

    def shows(self, passage: Passage) -> bool:
        """Whether a page's piece of such rows stands on the product's pages, or names it."""
        scope = self._scopes[passage.rows[0].document_id]
        return not passage.page or passage.page in scope.pages or bool(Names(scope.words).count(passage.text))


async def scope_of(
    catalogue: Catalogue, documents: DocumentStore, product: str, library: str | None, document: str | None
) -> ProductScope:
    """The scopes of a product, by id or whole name; none where nobody knows it."""
    wanted = Wanted(library=library, document=document, product=product)
    found: dict[str, Scope] = {}
    cursor: str | None = ""
    while cursor is not None and len(found) < MOST_PRODUCTS:
        listed = await catalogue.products(wanted, cursor, MOST_PRODUCTS)
        known = await documents.many([row["documentId"] for row in listed.rows])
        for row in listed.rows:
            links = [
                link
                for link in await catalogue.links(known[row["documentId"]])
                if link.kind == "chunk-product" and link.product_id == row["productId"]
            ]
            scope = found.setdefault(row["documentId"], Scope(set(), set(), set()))
            scope.pages.update(row["pages"])
            scope.chunks.update(link.chunk_id for link in links)
            scope.words.update([row["name"], *(str(each.get("sku") or "") for each in row.get("variants") or [])])
        cursor = listed.cursor
    return ProductScope(found)
