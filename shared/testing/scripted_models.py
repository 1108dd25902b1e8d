"""`Models` for tests: answers by purpose, given or computed from the question; what was asked is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from shared.account import Account
from shared.answers import Unfit, read_answer
from shared.costs import Charge
from shared.errors import ModelAnswerError
from shared.models import LaneState, ModelAnswer, ModelRequest

Answer = Any | Callable[[ModelRequest], Any]


class ScriptedModels:
    """`answers`: purpose -> value, text as a model would write it, an exception to raise, or a function of the question
    that gives one of these. A purpose without an answer raises ModelAnswerError. Every answer costs `usd`."""

    name = "scripted"

    def __init__(self, answers: Mapping[str, Answer], usd: float = 0.001) -> None:
        self._answers, self._usd = dict(answers), usd
        self.asked: list[ModelRequest] = []

    async def ask(self, request: ModelRequest, account: Account) -> ModelAnswer:
        """See shared.models.Models; the answer is parsed and validated as a real one."""
        self.asked.append(request)
        answer = self._answers.get(request.purpose, ModelAnswerError("model_refused"))
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        async with account.reserved(self._usd, account.budget_usd, request.purpose):
            charge = Charge(
                id=f"scripted-{len(self.asked)}", model=self.name, purpose=request.purpose, tokens_in=1, usd=self._usd
            )
            account.charge(charge)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        try:
            value = read_answer(text, request.schema)
        except Unfit as unfit:
            raise ModelAnswerError("model_answer_invalid", unfit.problems[0]) from None
        return ModelAnswer(value=value, model=self.name, tokens_in=1, usd=self._usd)

    async def prepare(self) -> None:
        """Nothing to do."""

    async def states(self) -> list[LaneState]:
        """None: there is no endpoint."""
        return []

    async def close(self) -> None:
        """Nothing to do."""
