"""(1) kill -9 of each worker at each point of its life with a message; (2) the gateway killed at its worst moments."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from infra.faults import processes
from infra.faults.bench import Bench
from infra.faults.checker import Accepted
from infra.faults.http_proxy import Exchange, Stage
from infra.faults.trap import Trap
from infra.faults.world import World
from infra.stack_files import WORKERS

STEPS = {"extractor": "extract_pdf", "transformer": "transform_template", "ingestor": "ingest_rag"}
CONSUMERS = {
    "extractor": "extractor_pdf_requested",
    "transformer": "transformer_pdf_extracted",
    "ingestor": "ingestor_ingest_requested",
}
POINTS: dict[str, tuple[Stage, Callable[[Exchange], bool]]] = {
    "before-claim": ("request", lambda exchange: exchange.kind == "claim"),
    "after-claim": ("response", lambda exchange: exchange.kind == "claim"),
    "after-effect": ("request", lambda exchange: exchange.final),
    "after-callback": ("response", lambda exchange: exchange.final),
}


async def workers(bench: Bench) -> None:
    """Three papers at once, one for each worker that is killed; the ack is held at the broker's door."""
    slowest: dict[str, float] = {}
    async with bench.world(nats_proxied=WORKERS) as world:
        for point in POINTS:
            seconds = await asyncio.gather(*(at_point(world, bench, worker, point) for worker in WORKERS))
            slowest[point] = max(seconds)
        slowest["before-ack"] = max([await before_ack(world, bench, worker) for worker in WORKERS])
        told = ", ".join(f"{point} {seconds:.1f} s" for point, seconds in slowest.items())
        bench.say(f"15 kills; slowest from kill to completed: {told}")


async def at_point(world: World, bench: Bench, worker: str, point: str) -> float:
    """Kill the worker when this paper's message has come so far; seconds from there to the job's end."""
    stage, matches = POINTS[point]
    mine: list[str] = []

    def mine_now(exchange: Exchange) -> bool:
        about = exchange.field("step") == STEPS[worker]
        return bool(mine) and exchange.job_id == mine[0] and about and matches(exchange)

    trap = world.gateway.trap(f"{worker} {point}", stage, mine_now)
    world.gateway.pause()
    one = await world.submit(bench.paper())
    mine.append(one.job_id)
    world.gateway.resume()
    await trap.sprung()
    if point == "after-claim":
        trap.release()
        await trap.handed_on()
    return await _kill(world, worker, trap, one)


async def before_ack(world: World, bench: Bench, worker: str) -> float:
    """Everything is done but the broker has not heard of it."""
    trap = world.nats.trap_ack(CONSUMERS[worker])
    one = await world.submit(bench.paper())
    await trap.sprung()
    return await _kill(world, worker, trap, one)


async def _kill(world: World, worker: str, trap: Trap, one: Accepted) -> float:
    pid = world.kill(worker)
    killed = time.monotonic()
    trap.drop()
    await world.replaced(worker, pid)
    await world.ended(one)
    return time.monotonic() - killed


async def gateway(bench: Bench) -> None:
    """Killed with an event written to the job but not told; then in the middle of uploads."""
    subjects = ("pdf.requested", "pdf.extracted", "template.done", "ingest.requested", "ingest.done", "job.completed")
    async with bench.world(nats_proxied=("gateway",)) as world:
        for _ in range(world.gateways):
            for subject in subjects:
                await before_publish(world, bench, subject)
            await _half_an_upload(world, bench)
            for folder in (".incoming", "uploads"):
                await _while_storing(world, bench, folder)
        bench.say(f"{len(subjects) * world.gateways} kills before a publish, {3 * world.gateways} in an upload")


async def before_publish(world: World, bench: Bench, subject: str) -> None:
    trap = world.nats.trap(subject, lambda told, _: told == subject)
    one = await world.submit(bench.paper())
    await trap.sprung()
    pid = world.kill("gateway")
    trap.drop()
    await world.replaced("gateway", pid)
    await world.ended(one)


async def _half_an_upload(world: World, bench: Bench) -> None:
    """The client is cut off; nothing was accepted, so nothing may be there. Its second try works."""
    pdf = bench.paper()
    content = pdf.read_bytes()
    victim = world.victim("gateway")
    host, port = world.stack.gateways[victim.name].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = (
            f"POST /api/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content) + 500}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="half.pdf"\r\n\r\n'
        )
        connection.sendall(head.encode() + content[: len(content) // 2])
        await asyncio.sleep(0.1)
        pid = victim.pid
        processes.send(pid, signal.SIGKILL)
    await world.replaced("gateway", pid)
    await world.submit(pdf)


async def _while_storing(world: World, bench: Bench, folder: str) -> None:
    """Killed while the upload's bytes lie under a temporary name; the client uploads again."""
    pdf = _padded(bench.paper(), 96 << 20)
    upload = asyncio.create_task(world.submit(pdf))
    place = world.folder / "twins" / folder

    def caught() -> int | None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if place.is_dir() and any(place.iterdir()):
                return world.kill("gateway")
        raise TimeoutError(f"nothing was ever seen in {folder}")

    pid = await asyncio.to_thread(caught)
    await world.replaced("gateway", pid)
    await upload


def _padded(pdf: Path, size: int) -> Path:
    """The same PDF with a comment behind it that makes it large."""
    large = pdf.with_name(f"{pdf.stem}-large.pdf")
    content = pdf.read_bytes()
    large.write_bytes(content + b"\n%" + b" " * (size - len(content)) + b"\n" + content[content.rindex(b"startxref") :])
    return large
