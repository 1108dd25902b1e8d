"""Paid vectors are paid once: kept beside the twin, found again by the same text, damaged ones made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.ingestor.kept_vectors import KeptVectors
from shared.account import Account, active_account
from shared.costs import Charge
from shared.errors import TransientError
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import HashEmbedder


class Paid(HashEmbedder):
    """Each call is charged to the active account."""

    costly = True

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        account = active_account()
        assert account is not None
        charge = Charge(
            id=f"c{id(self)}-{len(self.calls)}", purpose="embedding", model="m", tokens_in=5, tokens_out=0, usd=1.0
        )
        account.charge(charge)
        return await super().embed(texts, query=query)


def account(run: str = "r1", **more: Any) -> Account:
    return Account(library_id="lib", document_id="doc", run=run, **more)


def kept(storage: MemoryStorage, embedder: HashEmbedder, payer: Account, now: float = 1.0) -> KeptVectors:
    return KeptVectors(storage, embedder, payer, now)


async def embed(vectors: KeptVectors, texts: list[str], payer: Account) -> list[list[float]]:
    with payer.active():
        return await vectors.embed(texts)


def near(one: list[list[float]], other: list[list[float]]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a == pytest.approx(b, abs=1e-6) for a, b in pairs)


def vec_files(storage: MemoryStorage) -> list[str]:
    return [key for key in storage.objects if key.endswith(".vec")]


async def test_the_same_texts_are_paid_once_in_any_order_by_whoever_comes_later() -> None:
    storage, first, later = MemoryStorage(), Paid(), Paid()
    payer = account()
    before = await embed(kept(storage, first, payer), ["a b", "c d", "a b"], payer)
    assert first.calls == [["a b", "c d"]]
    assert before[0] == before[2]
    other = account("r2")
    after = await embed(kept(storage, later, other), ["c d", "e f", "a b"], other)
    assert later.calls == [["e f"]]
    assert after[0] == pytest.approx(before[1], abs=1e-7)
    assert after[2] == pytest.approx(before[0], abs=1e-7)
    assert len(payer.take_charges()) == len(other.take_charges()) == 1


async def test_they_lie_in_the_documents_folder() -> None:
    storage, payer = MemoryStorage(), account()
    await embed(kept(storage, Paid(), payer), ["a"], payer)
    assert all(key.startswith("lib/doc/ai/vectors/") for key in vec_files(storage))


async def test_another_name_or_version_is_another_vector() -> None:
    storage, payer = MemoryStorage(), account()
    await embed(kept(storage, Paid(), payer), ["a"], payer)
    for change in ({"version": "2"}, {"name": "other@16"}):
        other = Paid()
        for name, value in change.items():
            setattr(other, name, value)
        await embed(kept(storage, other, payer), ["a"], payer)
        assert other.calls == [["a"]]


async def test_what_costs_nothing_is_not_kept() -> None:
    storage, payer, embedder = MemoryStorage(), account(), HashEmbedder()
    vectors = kept(storage, embedder, payer)
    await embed(vectors, ["a"], payer)
    await embed(vectors, ["a"], payer)
    await vectors.tidy()
    assert len(embedder.calls) == 2
    assert not storage.objects
    assert vectors.told() == {}


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "nonsense"])
async def test_a_damaged_file_is_made_anew(damage: str) -> None:
    storage, payer, again = MemoryStorage(), account(), Paid()
    before = await embed(kept(storage, Paid(), payer), ["a", "b"], payer)
    (file,) = vec_files(storage)
    content = storage.objects[file]
    storage.objects[file] = {
        "cut": content[:-5], "flipped": content[:-1] + bytes([content[-1] ^ 1]), "emptied": b"", "nonsense": b"x" * 100,
    }[damage]  # fmt: skip
    assert near(await embed(kept(storage, again, payer), ["a", "b"], payer), before)
    assert again.calls == [["a", "b"]]
    last = Paid()
    await embed(kept(storage, last, payer), ["b", "a"], payer)
    assert last.calls == []


async def test_a_failed_call_keeps_nothing_and_a_failed_write_is_told() -> None:
    class Broken(Paid):
        async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
            raise TransientError()

    storage, payer = MemoryStorage(), account()
    with pytest.raises(TransientError):
        await embed(kept(storage, Broken(), payer), ["a"], payer)
    assert not storage.objects


async def test_tidying_removes_what_the_document_does_not_need_any_more() -> None:
    storage, payer = MemoryStorage(), account()
    await embed(kept(storage, Paid(), payer), [f"old {n}" for n in range(20)], payer)
    await embed(kept(storage, Paid(), payer), ["gone"], payer)
    run = kept(storage, Paid(), payer)
    await embed(run, ["old 3", "new"], payer)
    await run.tidy()
    size = sum(len(storage.objects[key]) for key in vec_files(storage))
    assert size < 2 * (16 * 4 + 32 + 300)
    later = Paid()
    await embed(kept(storage, later, payer), ["old 3", "new"], payer)
    assert later.calls == []
    await embed(kept(storage, later, payer), ["old 4"], payer)
    assert later.calls == [["old 4"]]


async def test_what_a_resumed_run_need_not_embed_stays_kept() -> None:
    storage, payer = MemoryStorage(), account()
    await embed(kept(storage, Paid(), payer), ["one", "two"], payer)
    run = kept(storage, Paid(), payer)
    run.keep(["one", "two"])
    await embed(run, ["three"], payer)
    await run.tidy()
    later = Paid()
    await embed(kept(storage, later, payer), ["one", "two", "three"], payer)
    assert later.calls == []


async def test_only_the_last_embedders_vectors_are_kept() -> None:
    storage, payer = MemoryStorage(), account()
    for now, name in enumerate(["a@16", "b@16", "c@16"]):
        embedder = Paid()
        embedder.name = name
        run = kept(storage, embedder, payer, float(now))
        await embed(run, ["text"], payer)
        await run.tidy()
    for name, calls in (("b@16", 0), ("a@16", 1)):
        embedder = Paid()
        embedder.name = name
        await embed(kept(storage, embedder, payer), ["text"], payer)
        assert len(embedder.calls) == calls, name


async def test_without_the_cache_only_what_this_run_has_paid_is_taken() -> None:
    storage, embedder = MemoryStorage(), Paid()
    first = account("r1")
    await embed(kept(storage, embedder, first), ["a"], first)
    forced = account("r2", use_cache=False)
    await embed(kept(storage, embedder, forced), ["a"], forced)
    assert len(embedder.calls) == 2
    again = account("r2", use_cache=False)
    await embed(kept(storage, embedder, again), ["a"], again)
    assert len(embedder.calls) == 2


async def test_what_a_killed_attempt_has_paid_is_told_by_the_next_once() -> None:
    storage, embedder = MemoryStorage(), Paid()
    killed = account("r1")
    await embed(kept(storage, embedder, killed), ["a"], killed)
    paid = [charge.id for charge in killed.take_charges()]  # dies with the process
    following = account("r1")
    await embed(kept(storage, embedder, following), ["a"], following)
    assert [charge.id for charge in following.take_charges()] == paid
    known = account("r1", paid=frozenset(paid))
    await embed(kept(storage, embedder, known), ["a"], known)
    assert known.take_charges() == []


async def test_two_runs_at_once_disturb_nobody() -> None:
    storage, payer = MemoryStorage(), account()
    runs = [kept(storage, Paid(), payer) for _ in range(4)]
    found = await asyncio.gather(*(embed(run, [f"t{n}" for n in range(9)], payer) for run in runs))
    assert all(near(each, found[0]) for each in found)
