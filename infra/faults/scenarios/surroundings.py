"""(12, 25) vector store and model endpoint that fail; (13) a full disk; (16) PDFs that mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import resource
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from infra.faults import hostile, processes, snapshot
from infra.faults.bench import Bench, undisturbed_of
from infra.faults.checker import ANYHOW, Undisturbed
from infra.faults.snapshot import Row
from infra.faults.world import FORCE, LIBRARY, Violated, World

DIMENSION = 16


class Vendors(NamedTuple):
    """Simulated servers of others, and the settings that name them."""

    store: Any
    model: Any
    settings: dict[str, str]

    def rows(self) -> list[Row]:
        """What the simulated store holds."""
        return [
            snapshot.row_of({**vector["metadata"], "vector": vector["values"]}, key=f"{space}/{name}")
            for space, vectors in self.store.stored.items()
            for name, vector in vectors.items()
            if "document_id" in vector["metadata"]
        ]


@contextlib.asynccontextmanager
async def _vendors(folder: Path) -> AsyncIterator[Vendors]:
    from tests.support.openai_emulator import KEY, OpenAIEmulator
    from tests.support.pinecone_emulator import PineconeEmulator

    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "key"
    key.write_text(KEY)
    async with PineconeEmulator(DIMENSION) as store, OpenAIEmulator(DIMENSION) as model:
        named = {
            "VECTOR_STORE": "pinecone",
            "PINECONE_HOST": store.url,
            "PINECONE_API_KEY_FILE": str(key),
            "EMBEDDER": "openai",
            "EMBEDDING_BASE_URL": f"{model.url}/v1",
            "EMBEDDING_MODEL": "simulated",
            "EMBEDDING_DIMENSION": str(DIMENSION),
            "EMBEDDING_API_KEY_FILE": str(key),
            "MAX_ATTEMPTS": "6",
        }
        yield Vendors(store, model, {f"SHADOWTWIN_{name}": value for name, value in named.items()})


async def vendors(bench: Bench) -> None:
    """One failure for each document; compared with a stack whose servers never fail."""
    async with _vendors(bench.folder / "calm") as calm, _vendors(bench.folder / "broken") as broken:
        compare = functools.partial(_undisturbed, bench, calm)
        async with bench.world(broken.settings, rows=broken.rows, compare=compare) as world:
            for name, inject in _failures(broken).items():
                inject()
                one = await world.submit(bench.paper())
                await world.ended(one, seconds=90)
                broken.store.failures.clear()
                broken.model.failures.clear()
                if (job := await world.job(one.job_id))["status"] != "completed":
                    raise Violated([f"{name}: {job['status']} {(job['error'] or {}).get('message')}"])
            world.secrets.add(Path(broken.settings["SHADOWTWIN_PINECONE_API_KEY_FILE"]).read_text())
            bench.say(f"{len(_failures(broken))} failures: {', '.join(_failures(broken))}")


async def unreliable(bench: Bench) -> None:
    """A tenth of all requests to the vector store and the embedding endpoint fails, by chance, for 20 documents."""
    async with _vendors(bench.folder / "calm") as calm, _vendors(bench.folder / "broken") as broken:
        settings = {**broken.settings, "SHADOWTWIN_EMBED_BATCH": "8", "SHADOWTWIN_MAX_ATTEMPTS": "50"}
        compare = functools.partial(_undisturbed, bench, calm)
        async with bench.world(settings, rows=broken.rows, compare=compare) as world:
            world.patience = 240.0
            servers = (broken.store, broken.model)
            for number, server in enumerate(servers):
                server.unreliable, server.lag = 0.1, 0.1
                server.chance.seed(bench.seed * 10 + number)
            accepted = await world.load(bench.papers(20, pages=12))
            await world.ended(*accepted)
            for server in servers:
                server.unreliable = 0.0
            told = sum((server.mishaps for server in servers), Counter[str]())
            asked = sum(sum(server.counts.values()) for server in servers)
            bench.say(f"{told.total()} of {asked} requests failed: {', '.join(f'{n} {k}' for k, n in told.items())}")


async def _undisturbed(bench: Bench, calm: Vendors, pdfs: dict[str, Path]) -> dict[str, Undisturbed]:
    """What the documents give with servers that never fail."""
    folder = bench.folder / "calm" / "world"
    async with World(folder, calm.settings, proxied=(), rows=calm.rows) as world:
        accepted = await world.load(pdfs.values())
        await world.ended(*accepted)
        return undisturbed_of(calm.rows(), [one.document_id for one in accepted], folder / "twins")


def _failures(vendors: Vendors) -> dict[str, Callable[[], Any]]:
    store, model, embed = vendors.store, vendors.model, "/v1/embeddings"
    upsert, listing, delete = "/vectors/upsert", "/vectors/list", "/vectors/delete"
    return {
        "model 429": lambda: model.fail(embed, 429, 3, headers={"Retry-After": "1"}),
        "model 500": lambda: model.fail(embed, 500, 4),
        "model cuts off": lambda: model.fail(embed, 0, 3),
        "model slow": lambda: model.fail(embed, 500, 1, delay=10.0),
        "model garbage": lambda: model.fail(embed, 200, 2, body={"surprise": 1}),
        "model leaves out": lambda: setattr(model, "omit", 1),
        "model away for an attempt": lambda: model.fail(embed, 503, 6),
        "store 429": lambda: store.fail(upsert, 429, 3, headers={"Retry-After": "1"}),
        "store 500": lambda: store.fail(upsert, 500, 3),
        "store cuts off": lambda: store.fail(upsert, 0, 2),
        "store slow": lambda: store.fail(upsert, 503, 1, delay=10.0),
        "store partial batch": lambda: setattr(store, "take", 2),
        "store garbage": lambda: store.fail(upsert, 200, 1, body={"surprise": 1}),
        "store reads late": lambda: setattr(store, "lag", 0.5),
        "store list 500": lambda: store.fail(listing, 500, 3),
        "store delete 500": lambda: store.fail(delete, 500, 3),
    }


async def disk_full(bench: Bench) -> None:
    """No space for uploads, then none for results; afterwards everything can be completed."""
    with _small_disk(bench.folder / "disk") as disk:
        async with bench.world(storage_at=disk) as world:
            how = "tmpfs of 8 MB" if disk else "RLIMIT_FSIZE of the services (no right to mount here)"
            await world.ended(*await world.load(bench.papers(2)))
            with _filled(world, disk, 4_096):
                codes = await _refused(world, bench)
            accepted = []
            with _filled(world, disk, 60_000):
                for pdf in bench.papers(6, pages=12):
                    with contextlib.suppress(Violated, httpx.HTTPError, TimeoutError):
                        accepted.append(await asyncio.wait_for(world.submit(pdf, ANYHOW), 10))
                await world.ended(*accepted, seconds=40)
            endings = [await _again(world, one.job_id) for one in accepted]
            await world.ended()
            left = [one for one in accepted if (await world.job(one.job_id))["status"] != "completed"]
            if left:
                raise Violated([f"{len(left)} jobs do not complete although there is space again"])
            bench.say(f"{how}; uploads answered {codes}; accepted while full: {endings}; all complete after a requeue")


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """A file system of 8 MB; None where that may not be made."""
    place.mkdir(parents=True)
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "shadowtwin-faults", str(place)], stderr=subprocess.DEVNULL
    )
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)


@contextlib.contextmanager
def _filled(world: World, disk: Path | None, free: int) -> Iterator[None]:
    if disk is None:
        with _limited(world, free):
            yield
        return
    ballast = disk / "uploads-of-somebody-else"
    space = os.statvfs(disk)
    with open(ballast, "wb") as file, contextlib.suppress(OSError):
        file.write(b"\0" * max(space.f_bavail * space.f_bsize - free, 0))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def _limited(world: World, size: int) -> Iterator[None]:
    """Files of the extractor, transformer and ingestor may not grow beyond a size."""
    pids = [pid for name in ("extractor", "transformer", "ingestor") if (pid := world.pid(name))]
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def _refused(world: World, bench: Bench) -> list[str]:
    """Uploads for which there is no space: refused with a code, and nothing of them remains."""
    codes = []
    for pdf in bench.papers(2, pages=40):
        answer = await world.http.post(
            "/api/jobs", files={"file": (pdf.name, pdf.read_bytes())}, data={"libraryId": LIBRARY}
        )
        codes.append(f"{answer.status_code} {answer.json().get('code', 'accepted')}")
        if answer.status_code < 400 and not answer.json().get("jobId"):
            raise Violated([f"an upload without space was answered {answer.text[:200]}"])
        if answer.status_code < 400:
            await world.ended(await world.submit(pdf, ANYHOW))
    return codes


async def _again(world: World, job_id: str) -> str:
    job = await world.job(job_id)
    if job["status"] == "failed":
        (await world.http.post(f"/api/jobs/{job_id}/requeue", json=FORCE)).raise_for_status()
    return str((job["error"] or {}).get("code", job["status"]))


async def hostile_pdfs(bench: Bench) -> None:
    """Each fails with a code or is read; nobody else notices."""
    settings = {"SHADOWTWIN_LEASE_SECONDS": "10", "SHADOWTWIN_CHILD_SECONDS": "20", "SHADOWTWIN_MAX_PAGES": "5000"}
    async with bench.world({**settings, "SHADOWTWIN_CHILD_MEMORY_BYTES": str(2 << 30)}) as world:
        before = {name: process.pid for name, process in world.stack.processes.items()}
        pdfs = await asyncio.to_thread(hostile.make, bench.folder / "hostile")
        endings: dict[str, str] = {}
        undisturbed: dict[str, Path] = {}
        for pdf in pdfs:
            answer = await world.http.post(
                "/api/jobs", files={"file": (pdf.name, pdf.read_bytes())}, data={"libraryId": LIBRARY}
            )
            if answer.status_code >= 400:
                endings[pdf.stem] = str(answer.json()["code"])
                continue
            one = await world.submit(pdf, ANYHOW)
            await world.ended(one, seconds=90)
            job = await world.job(one.job_id)
            endings[pdf.stem] = str((job["error"] or {}).get("code", job["status"]))
            undisturbed[one.document_id] = world.pdfs.pop(one.document_id)
        after = {name: process.pid for name, process in world.stack.processes.items()}
        if before != after:
            raise Violated([f"processes were replaced: {before} {after}"])
        if bad := [name for name, code in endings.items() if code in ("internal", "attempts_exhausted")]:
            raise Violated([f"no proper code for {', '.join(bad)}"])
        bench.say(", ".join(f"{name}: {code}" for name, code in endings.items()))
        left = processes.grandchildren(world.pid("extractor"))
        if left:
            raise Violated([f"children {left} are left"])
