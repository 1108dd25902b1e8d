"""Paid vectors as artefacts: `{library}/{document}/ai/vectors/{embedder}/{hash}.vec`, beside the answers of models.

Whoever embeds the same text with the same embedder again pays nothing: an attempt after a crash, a forced run,
`rebuild` from the twins alone, `reembed` back to a former model. The files are written whole, before their vectors are
used, and go with the document. A file is: the length of its head (4 bytes, big endian), the head (msgpack of `_Head`),
the vectors (32-bit floats, little endian, one after the other).
"""

from __future__ import annotations

import array
import asyncio
import hashlib
import logging
import sys
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from shared.account import Account
from shared.costs import Charge
from shared.errors import ShadowtwinError
from shared.ports import Embedder, Storage

logger = logging.getLogger("vectors.kept")
EMBEDDERS_KEPT = 2
"""Embedders whose vectors a document keeps: the present one, and the one before it, in case it is wanted back."""
_KEY = 32


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """`keys` are the texts' SHA-256, one after the other; `run` paid the `charges`; `check` is the vectors' CRC-32."""

    embedder: str
    dimension: int
    version: str
    run: str
    charges: list[Charge]
    keys: bytes
    check: int
    at: float


class _Place(NamedTuple):
    """Where a vector is: in which file, as the how manieth."""

    file: str
    number: int


class KeptVectors:
    """An `Embedder` for one run over one document. `account` is who pays for what is not there yet. Vectors that cost
    next to nothing are not kept but made."""

    def __init__(self, storage: Storage, embedder: Embedder, account: Account, now: float) -> None:
        """`now` are seconds since 1970."""
        self._storage, self._embedder, self._account, self._now = storage, embedder, account, now
        self.name, self.dimension, self.version = embedder.name, embedder.dimension, embedder.version
        self.costly = embedder.costly
        self._all = f"{account.folder}/vectors"
        about = f"{self.name}\0{self.dimension}\0{self.version}".encode()
        self._folder = f"{self._all}/{hashlib.sha256(about).hexdigest()[:16]}"
        self._places: dict[bytes, _Place] | None = None
        self._used: set[bytes] = set()
        self._open: tuple[str, array.array[float]] = ("", array.array("f"))
        self._taken = self._paid = 0

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One vector a text, in order; raises what the embedder raises for those that are not kept."""
        if not self.costly:
            return await self._embedder.embed(texts, query=query)
        if self._places is None:
            self._places = await self._listed()
        keys = [_key(text) for text in texts]
        self._used.update(keys)
        found: dict[bytes, list[float]] = {}
        for key in dict.fromkeys(keys):
            if (place := self._places.get(key)) and (vector := await self._read(place)) is not None:
                found[key] = vector
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            with self._account.overheard() as charges:
                vectors = await self._embedder.embed(list(missing.values()), query=query)
            found |= dict(zip(missing, vectors, strict=True))
            await self._write(list(missing), vectors, charges)
        self._taken += len(texts) - len(missing)
        self._paid += len(missing)
        return [found[key] for key in keys]

    def keep(self, texts: Sequence[str]) -> None:
        """These belong to the document, although this run need not embed them."""
        if self.costly:
            self._used.update(map(_key, texts))

    def told(self) -> dict[str, int]:
        """How many were there and how many were paid for, for the job's log."""
        return {"embeddingsKept": self._taken, "embeddingsPaid": self._paid} if self.costly else {}

    async def tidy(self) -> None:
        """After a run over the whole document: remove what it did not use, once that is worth it. A failure costs
        room only, so it is logged."""
        try:
            await self._tidy()
        except ShadowtwinError as error:
            logger.warning("vectors of former texts are left behind", extra={"reason": error.code})

    async def _listed(self) -> dict[bytes, _Place]:
        """What is kept. With `useCache=false` only what this very run has paid for."""
        places: dict[bytes, _Place] = {}
        async for file in self._storage.keys(self._folder):
            head = await self._head(file)
            if head is None or (head.embedder, head.dimension, head.version) != (
                self.name,
                self.dimension,
                self.version,
            ):
                continue
            own = bool(self._account.run) and head.run == self._account.run
            for charge in head.charges if own else ():
                self._account.charge(charge)
            if own or self._account.use_cache:
                for number in range(len(head.keys) // _KEY):
                    places[head.keys[number * _KEY : (number + 1) * _KEY]] = _Place(file, number)
        return places

    async def _head(self, file: str) -> _Head | None:
        """The head alone; None if the file is not usable."""
        content = b""
        try:
            async for piece in self._storage.stream(file):
                content += piece
                if len(content) >= 4 and len(content) >= 4 + int.from_bytes(content[:4], "big"):
                    break
            return _head_of(content)
        except (ShadowtwinError, msgspec.MsgspecError) as error:
            logger.warning("kept vectors cannot be read", extra={"key": file, "reason": type(error).__name__})
            return None

    async def _read(self, place: _Place) -> list[float] | None:
        """A kept vector; chunks come in the order in which they were written, so the last file is remembered."""
        if self._open[0] != place.file:
            self._open = (place.file, await self._vectors(place.file))
        vectors, first = self._open[1], place.number * self.dimension
        return vectors[first : first + self.dimension].tolist() if len(vectors) >= first + self.dimension else None

    async def _vectors(self, file: str) -> array.array[float]:
        """All vectors of a file; none if it is damaged, so that they are made anew."""
        vectors = array.array("f")
        try:
            content = await self._storage.read(file)
            head = _head_of(content)
            body = memoryview(content)[4 + int.from_bytes(content[:4], "big") :]
            if zlib.crc32(body) != head.check or len(body) % (4 * self.dimension):
                raise msgspec.DecodeError("damaged")
        except (ShadowtwinError, msgspec.MsgspecError) as error:
            logger.warning("kept vectors cannot be read", extra={"key": file, "reason": type(error).__name__})
            return vectors
        vectors.frombytes(body)
        return _little(vectors)

    async def _write(self, keys: list[bytes], vectors: Sequence[Sequence[float]], charges: list[Charge]) -> None:
        body = await asyncio.to_thread(lambda: _little(array.array("f", [x for v in vectors for x in v])).tobytes())
        head = _Head(
            self.name,
            self.dimension,
            self.version,
            self._account.run,
            charges,
            b"".join(keys),
            zlib.crc32(body),
            self._now,
        )
        packed = msgspec.msgpack.encode(head)
        file = f"{self._folder}/{hashlib.sha256(head.keys).hexdigest()[:32]}.vec"
        await self._storage.write(file, len(packed).to_bytes(4, "big") + packed + body)
        assert self._places is not None
        self._places |= {key: _Place(file, number) for number, key in enumerate(keys)}

    async def _tidy(self) -> None:
        if self._places is None:
            return
        unused: dict[str, int] = {}
        wanted: dict[str, int] = {}
        for key, place in self._places.items():
            counts = wanted if key in self._used else unused
            counts[place.file] = counts.get(place.file, 0) + 1
        kept = {file for file in wanted if unused.get(file, 0) <= wanted[file]}
        for file in wanted.keys() - kept:  # more than half of it is of former texts
            keys = [key for key, place in self._places.items() if place.file == file and key in self._used]
            vectors = [vector for key in keys if (vector := await self._read(self._places[key])) is not None]
            if len(vectors) == len(keys):
                await self._write(keys, vectors, [])
                kept.add(self._places[keys[0]].file)
        for file in [file async for file in self._storage.keys(self._folder)]:
            if file not in kept:
                await self._storage.delete(file)
        await self._drop_former()

    async def _drop_former(self) -> None:
        """Keep the vectors of the embedders that were used last."""
        ages: list[tuple[float, str]] = []
        for name in [name async for name in self._storage.names(self._all)]:
            folder = f"{self._all}/{name}"
            if folder != self._folder:
                heads = [await self._head(file) async for file in self._storage.keys(folder)]
                ages.append((max((head.at for head in heads if head), default=0.0), folder))
        for _, folder in sorted(ages, reverse=True)[EMBEDDERS_KEPT - 1 :]:
            await self._storage.delete_prefix(folder)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _head_of(content: bytes) -> _Head:
    end = 4 + int.from_bytes(content[:4], "big")
    return msgspec.msgpack.decode(content[4:end], type=_Head)


def _little(numbers: array.array[float]) -> array.array[float]:
    """As stored, whatever this machine's byte order is."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
