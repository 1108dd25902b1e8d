"""(8) requeue of a living run; (9) frozen workers; (10) work that hangs; (14), (20) files changed and gone mid-run."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from infra.faults import processes
from infra.faults.bench import Bench
from infra.faults.checker import Accepted
from infra.faults.http_proxy import Exchange, Stage
from infra.faults.scenarios.kills import STEPS
from infra.faults.snapshot import Json
from infra.faults.trap import Trap
from infra.faults.world import FORCE, Violated, World
from infra.stack_files import WORKERS


async def requeue(bench: Bench) -> None:
    """The old run's worker holds its result back until the new run has ended, in each step."""
    async with bench.world() as world:
        for step in STEPS.values():
            trap = _trap(world, step, "request", lambda exchange: exchange.final)
            one = await world.submit(bench.paper())
            await trap.sprung()
            old = (await world.job(one.job_id))["processId"]
            refused = await world.http.post(f"/api/jobs/{one.job_id}/requeue", json={})
            if refused.status_code != 409:
                raise Violated([f"a living run was requeued without force: {refused.status_code}"])
            again = await world.http.post(f"/api/jobs/{one.job_id}/requeue", json={"force": True})
            again.raise_for_status()
            await world.ended(one)
            trap.release()
            await trap.handed_on()
            job = await world.job(one.job_id)
            if job["processId"] == old or job["status"] != "completed":
                raise Violated([f"requeued in {step}: {job['status']}, run {'old' if job['processId'] == old else ''}"])
        bench.say("three runs replaced while their workers lived; their late results were refused")


async def frozen(bench: Bench) -> None:
    """SIGSTOP with the ticket in its hand; another worker finishes; SIGCONT."""
    async with bench.world() as world:
        for name in WORKERS:
            world.stack.add(name)
            trap = _trap(world, STEPS[name], "response", lambda exchange: exchange.kind == "claim")
            one = await world.submit(bench.paper(20))
            await trap.sprung()
            owner = _owner_of(world, one)
            trap.release()
            await trap.handed_on()
            processes.send(owner, signal.SIGSTOP)
            try:
                await world.ended(one)
            finally:
                processes.send(owner, signal.SIGCONT)
            await _thawed(world, one, STEPS[name])
        bench.say("each worker frozen past its lease while another did the work, then thawed")


def _owner_of(world: World, one: Accepted) -> int:
    claims = [each for each in world.gateway.seen if each.kind == "claim" and each.job_id == one.job_id]
    return int(str(claims[-1].field("owner")).rsplit(":", 1)[1])


async def _thawed(world: World, one: Accepted, step: str) -> None:
    """Until the thawed worker has said something about its old attempt, or three leases have passed."""

    async def heard() -> bool:
        return any(
            exchange.job_id == one.job_id and exchange.field("attempt") == 1 and exchange.field("step") == step
            for exchange in world.gateway.seen
            if exchange.kind == "callback"
        )

    try:
        await world.until(heard, 6, "a thawed worker's report")
    except Violated:
        return


async def hang(bench: Bench) -> None:
    """The child that reads stands still while its worker sends heartbeats: the step's deadline ends the attempt."""
    settings = {"SHADOWTWIN_STEP_DEADLINE_SECONDS": "5", "SHADOWTWIN_MAX_ATTEMPTS": "3"}
    async with bench.world(settings) as world:
        once = await _hanging(world, bench, times=1)
        await world.ended(once)
        always = await _hanging(world, bench, times=3, allowed=frozenset({"step_deadline"}))
        await world.ended(always)
        log = await world.log(once.job_id)
        restarts = [entry for entry in log if entry["phase"] == "restarted"]
        if len(restarts) != 1:
            raise Violated([f"{len(restarts)} restarts after one hang"])
        bench.say("hung once: completed in attempt 2; hung three times: failed with step_deadline")


async def _hanging(
    world: World, bench: Bench, times: int, allowed: frozenset[str] = frozenset({"completed"})
) -> Accepted:
    one = await world.submit(bench.paper(400), allowed)
    stopped: set[int] = set()
    for attempt in range(1, times + 1):

        def caught() -> bool:
            for child in processes.grandchildren(world.pid("extractor")):
                if child not in stopped and processes.send(child, signal.SIGSTOP):
                    stopped.add(child)
                    return processes.stands_still(child)
            return False

        async def look(caught: Callable[[], bool] = caught) -> bool:
            return await asyncio.to_thread(caught)

        await world.until(look, 40, f"the child of attempt {attempt}", every=0.005)
        await world.reaches(one.job_id, lambda job, n=attempt: job["attempt"] > n or job["status"] == "failed", 40)  # type: ignore[misc]
    return one


async def artefacts(bench: Bench) -> None:
    """A twin's file is shortened, emptied or removed between two phases: a code, and a requeue that mends it."""
    codes: list[str] = []
    async with bench.world() as world:
        for step, role in (("transform_template", "transcript"), ("ingest_rag", "transformation")):
            for damage in (_halve, _empty, Path.unlink):
                trap = _trap(world, step, "request", lambda exchange: exchange.kind == "claim")
                one = await world.submit(bench.paper())
                await trap.sprung()
                document = await world.document(one.document_id)
                damage(world.folder / "twins" / document["artefacts"][role]["key"])
                trap.release()
                codes.append(await _mended(world, one))
        bench.say(f"ended as {', '.join(codes)}; all completed after a requeue")


def _halve(path: Path) -> None:
    _replace(path, path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    _replace(path, b"")


def _replace(path: Path, content: bytes) -> None:
    """Under the same name, but not in the same file: copies share their bytes."""
    path.unlink()
    path.write_bytes(content)


async def _mended(world: World, one: Accepted) -> str:
    await world.ended(one, seconds=60)
    job = await world.job(one.job_id)
    ending = str((job["error"] or {}).get("code", job["status"]))
    if ending not in ("artefact_changed", "artefact_missing", "completed"):
        raise Violated([f"a damaged file ended the job as {ending}: {job['error']}"])
    if job["status"] == "failed":
        answer = await world.http.post(f"/api/jobs/{one.job_id}/requeue", json={"from": "extract", **FORCE})
        answer.raise_for_status()
        await world.ended(one)
    return ending


async def deleted(bench: Bench) -> None:
    """The document's whole folder is removed before each claim; the same PDF uploaded again is complete again."""
    codes = []
    async with bench.world() as world:
        for step in STEPS.values():
            trap = _trap(world, step, "request", lambda exchange: exchange.kind == "claim")
            pdf = bench.paper()
            one = await world.submit(pdf, frozenset({"artefact_missing", "artefact_changed", "not_found"}))
            await trap.sprung()
            document = await world.document(one.document_id)
            shutil.rmtree(world.folder / "twins" / document["libraryId"] / one.document_id)
            trap.release()
            await world.ended(one, seconds=60)
            job: Json = await world.job(one.job_id)
            codes.append(str((job["error"] or {}).get("code", job["status"])))
            await world.ended(await world.submit(pdf, parameters=FORCE))
        bench.say(
            f"folder removed by hand (there is no DELETE route yet): {', '.join(codes)}; complete after an upload"
        )


def _trap(world: World, step: str, stage: Stage, matches: Callable[[Exchange], bool]) -> Trap:
    return world.gateway.trap(step, stage, lambda exchange: exchange.field("step") == step and matches(exchange))
