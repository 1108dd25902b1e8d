"""Who pays for model calls: one attempt of a job's step, its budget, and the ledger of what was paid.

Every paid call is a `Charge` with an id of its own. Charges travel with the worker's reports and are counted once by
id, however often they are told; those of an earlier attempt that was killed before it could report are found in the
stored answers and told by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

from shared.costs import Charge
from shared.errors import BudgetExceeded
from shared.ticket import Ticket

_active: contextvars.ContextVar[Account | None] = contextvars.ContextVar("active_account", default=None)


class Account:
    """Of one attempt (`of`), or of a caller without a job. Not for use from several threads."""

    def __init__(
        self,
        *,
        library_id: str = "",
        document_id: str = "",
        run: str = "",
        use_cache: bool = True,
        budget_usd: float | None = None,
        spent_usd: float = 0.0,
        paid: frozenset[str] = frozenset(),
    ) -> None:
        """`run` names the job's run: answers made by it are always taken again, even without `use_cache`. `spent_usd`
        and `paid` are what earlier attempts have told."""
        self.library_id, self.document_id, self.run = library_id, document_id, run
        self.use_cache, self.budget_usd = use_cache, budget_usd
        self.spent_usd = spent_usd
        self._reserved, self._under_way = 0.0, 0
        self._settled = asyncio.Event()
        self._paid = set(paid)
        self._charges: list[Charge] = []
        self._notes: list[dict[str, Any]] = []
        self._noted: set[str] = set()
        self._listeners: list[list[Charge]] = []

    @classmethod
    def of(cls, ticket: Ticket) -> Account:
        """The account of a granted step."""
        document, parameters = ticket.document, ticket.parameters
        return cls(
            library_id=document.library_id,
            document_id=document.document_id,
            run=f"{ticket.process_id}/{ticket.step}",
            use_cache=parameters.use_cache,
            budget_usd=parameters.budget_usd,
            spent_usd=ticket.spent_usd,
            paid=frozenset(ticket.paid),
        )

    @property
    def folder(self) -> str:
        """Where the answers of this document lie; "" if there is no document."""
        return f"{self.library_id}/{self.document_id}/ai" if self.document_id else ""

    @contextlib.asynccontextmanager
    async def reserved(self, most_usd: float, budget_usd: float | None, what: str) -> AsyncIterator[None]:
        """While a call that may cost so much is under way. One that fits only if others cost less than they may waits
        for these; raises BudgetExceeded instead of letting a call begin that does not fit."""
        while budget_usd is not None and self.spent_usd + self._reserved + most_usd > budget_usd + 1e-12:
            if not self._reserved or self.spent_usd + most_usd > budget_usd + 1e-12:
                raise BudgetExceeded(
                    f"The next call ({what}) may cost {most_usd:.4f} USD; {self.spent_usd:.4f} of the job's "
                    f"{budget_usd:.4f} USD are spent."
                )
            self._settled.clear()
            await self._settled.wait()
        self._reserved += most_usd
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._reserved = self._reserved - most_usd if self._under_way else 0.0
            self._settled.set()

    def charge(self, charge: Charge) -> None:
        """Count a paid call; one that was counted already changes nothing."""
        for heard in self._listeners:
            heard.append(charge)
        if charge.id in self._paid:
            return
        self._paid.add(charge.id)
        self._charges.append(charge)
        if charge.usd is not None and math.isfinite(charge.usd):
            self.spent_usd += charge.usd

    @contextlib.contextmanager
    def overheard(self) -> Iterator[list[Charge]]:
        """The charges that are counted within the block, for who keeps them with what was paid for."""
        heard: list[Charge] = []
        self._listeners.append(heard)
        try:
            yield heard
        finally:
            self._listeners = [other for other in self._listeners if other is not heard]

    def note_once(self, phase: str, message: str, **fields: Any) -> None:
        """An entry for the job's log, once an attempt."""
        if message not in self._noted:
            self._noted.add(message)
            self._notes.append({"phase": phase, "message": message, **fields})

    def take_charges(self) -> list[Charge]:
        """Charges that were not told yet; who cannot tell them gives them back."""
        taken, self._charges = self._charges, []
        return taken

    def give_back(self, charges: list[Charge]) -> None:
        """Charges that could not be told."""
        self._charges = [*charges, *self._charges]

    def take_notes(self) -> list[dict[str, Any]]:
        """Log entries that were not told yet."""
        taken, self._notes = self._notes, []
        return taken

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Within the block, calls that name no account (embeddings) are charged to this one."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)


def active_account() -> Account | None:
    """The account of whoever is running."""
    return _active.get()
