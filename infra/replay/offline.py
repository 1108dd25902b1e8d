"""Models and embedders of a replay: what the bundle holds is answered, everything else is an error that names it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.account import Account
from shared.adapters.model_cache import AnswerCache
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_prompt import prompt_of
from shared.answers import Unfit, fit
from shared.errors import ConfigurationError, ModelAnswerError
from shared.models import LaneState, ModelAnswer, ModelRequest
from shared.ports import Storage


class Unanswered:
    """Collects what was asked in vain."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def missing(self, said: str) -> ConfigurationError:
        """Note it; the error to raise."""
        if said not in self.questions:
            self.questions.append(said)
        return ConfigurationError("answer_missing", f"The bundle does not hold {said}.")


class AnsweredModels:
    """`Models` over the answers that lie in the document's folder; nothing is ever called."""

    def __init__(self, endpoint: ModelEndpoint, storage: Storage, unanswered: Unanswered) -> None:
        self._endpoint, self._cache, self._unanswered = endpoint, AnswerCache(storage), unanswered
        self.name = endpoint.name

    async def ask(self, request: ModelRequest, account: Account) -> ModelAnswer:
        """The kept answer, also one that could not be used. Raises ConfigurationError answer_missing."""
        model = self._endpoint.model_for(request)
        prompt = prompt_of(request, model)
        stored = await self._cache.read(account.folder, prompt.key)
        if stored is None:
            about = ", ".join([*(block.label for block in request.data), *(image.label for image in request.images)])[
                :200
            ]
            question = f"the answer to a question of {request.purpose} to {model} about {about or 'nothing'}"
            raise self._unanswered.missing(f"{question} (ai/{prompt.key}.json)")
        if stored.error:
            raise ModelAnswerError(stored.error, stored.message)
        try:
            value = fit(stored.value, prompt.schema) if prompt.schema else str(stored.value)
        except Unfit as error:
            raise self._unanswered.missing(f"an answer that fits the schema of {request.purpose}") from error
        return ModelAnswer(value=value, model=stored.model, cached=True)

    async def prepare(self) -> None:
        """Nothing to load."""

    async def states(self) -> list[LaneState]:
        """Nobody is called."""
        return []

    async def close(self) -> None:
        """Nothing to close."""


class KeptEmbedder:
    """`Embedder` under the name of a paid one: the kept vectors stand before it, and it makes none."""

    costly = True

    def __init__(self, name: str, dimension: int, version: str, unanswered: Unanswered) -> None:
        self.name, self.dimension, self.version, self._unanswered = name, dimension, version, unanswered

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """Raises ConfigurationError answer_missing."""
        shown = " ".join(texts[0].split())[:80] if texts else ""
        raise self._unanswered.missing(f"the vector of {self.name} for {shown!r}")
