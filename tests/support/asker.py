"""A process that asks many questions and may be killed at any moment: `SERVER_URL NATS_URL FOLDER COUNT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.account import Account
from shared.adapters.folder_storage import FolderStorage
from shared.adapters.model_endpoint import ModelEndpoint
from shared.adapters.model_limits import ModelLimits
from shared.adapters.nats_lanes import NatsLanes
from shared.adapters.openai_models import OpenAIModels
from shared.models import DataBlock, ModelRequest

IN_FLIGHT = 6
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def ask(url: str, broker: str, folder: str, count: int) -> None:
    """Ask them all at once, as a step does."""
    endpoint = ModelEndpoint(base_url=f"{url}/v1", api_key="k", model="gpt-4o-mini", in_flight=IN_FLIGHT)
    models = OpenAIModels(endpoint, ModelLimits(NatsLanes(broker)), FolderStorage(Path(folder)))
    account = Account(library_id="lib", document_id="doc", run="run/step")
    questions = [
        ModelRequest(purpose="product", instructions="Which?", data=[DataBlock(f"page {n}", f"{n}")], schema=SCHEMA)
        for n in range(count)
    ]
    answers = await asyncio.gather(*(models.ask(question, account) for question in questions))
    assert [answer.value["n"] for answer in answers] == list(range(count))
    print(f"done {len(account.take_charges())}", flush=True)
    await models.close()


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
