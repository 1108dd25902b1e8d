"""Parameters of routes that answer with rows of one of a document's files."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from services.gateway.web import MOST

After = Annotated[int, Query(ge=0, le=MOST, description="rows to leave out: the cursor of the answer before")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Page = Annotated[int | None, Query(ge=1, le=MOST, description="only this page")]
