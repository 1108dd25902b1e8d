"""One replay: the bundle's document through the whole system again, with the bundle's answers, and the comparison."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from infra.replay import comparing
from infra.replay.comparing import Verdict, verdicts
from infra.replay.governing import How, how, otherwise
from infra.replay.normal import INPUTS
from infra.replay.offline import Unanswered
from infra.replay.reading import PIECE, Bundle
from infra.replay.system import System, system
from services.gateway.creation import JobRequest
from shared import bundle, twin
from shared.document import document_id_for
from shared.errors import RequestError
from shared.job import JobError, Parameters, Phases, Policies

DOCUMENT_BYTES = 64 << 20
T = TypeVar("T")


class Replay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a replay has shown. `otherwise`: what was made with other versions or settings than it is now; `unanswered`:
    questions that the bundle does not answer; `error`: why the replayed job has failed, if the bundle's did not."""

    bundle: str
    job_id: str
    identical: bool
    artefacts: list[Verdict]
    otherwise: list[str]
    unanswered: list[str]
    error: str = ""


class _Named(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a replay takes of the document's record."""

    document_id: str
    library_id: str
    item_id: str
    name: str
    sha256: str
    artefacts: dict[str, Any] = {}


class _Asked(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a replay takes of the job."""

    job_id: str
    parameters: Parameters
    error: JobError | None


async def replay(path: Path, *, source: Path | None = None, password: str = "", most_bytes: int) -> Replay:
    """Run a bundle again. Raises RequestError bundle_*, DocumentError and the like for one that cannot be replayed."""
    with Bundle(path, most_bytes) as before:
        job, document = _decoded(before, bundle.JOB, _Asked), _decoded(before, bundle.DOCUMENT, _Named)
        _check(before, document, source)
        governed = how(before.read(bundle.SETTINGS, DOCUMENT_BYTES))
        unanswered = Unanswered()
        with tempfile.TemporaryDirectory(prefix="shadowtwin-replay-") as name:
            folder = Path(name)
            made = folder / "replayed.zip"
            async with system(folder, governed, unanswered) as running:
                await _run(running, before, job, document, source, password, made)
            with Bundle(made, most_bytes) as after:
                return _held(path, before, after, job, governed, unanswered)


def _held(path: Path, before: Bundle, after: Bundle, job: _Asked, governed: How, unanswered: Unanswered) -> Replay:
    found = verdicts(before, after)
    then, now = job.error, _decoded(after, bundle.JOB, _Asked).error
    return Replay(
        bundle=str(path),
        job_id=job.job_id,
        identical=all(each.state == comparing.IDENTICAL for each in found) and not unanswered.questions,
        artefacts=found,
        otherwise=otherwise(governed.notes, msgspec.json.decode(after.read(bundle.SETTINGS))),
        unanswered=unanswered.questions,
        error=f"{now.code}: {now.message}" if now and not then else "",
    )


def _check(before: Bundle, document: _Named, source: Path | None) -> None:
    """The bundle's parts must belong together; raises RequestError."""
    said = (before.manifest.document_id, before.manifest.library_id, before.manifest.source_sha256)
    if said != (document.document_id, document.library_id, document.sha256):
        raise RequestError("bundle_invalid", "The bundle's manifest and document are not of one document.")
    twin.library_id(document.library_id)
    if document.document_id != document_id_for(document.library_id, document.item_id):
        raise RequestError("bundle_invalid", "The bundle's document does not have the id that its item gives.")
    if bundle.SOURCE not in before.names and source is None:
        raise RequestError(
            "bundle_invalid", "The bundle was exported without the PDF.", hint="Give the file: --source FILE."
        )


async def _run(
    running: System,
    before: Bundle,
    job: _Asked,
    document: _Named,
    source: Path | None,
    password: str,
    made: Path,
) -> None:
    """Lay out the inputs, process the document, export it again."""
    gateway = running.gateway
    await _lay_out(running, before, document)
    parameters = _parameters(job.parameters, document)
    if password:
        assert gateway.sealing is not None
        parameters = replace(parameters, sealed_password=gateway.sealing.seal(password))
    content = _pieces(before, source)
    request = JobRequest(library_id=document.library_id, item_id=document.item_id, parameters=parameters)
    accepted = await gateway.intake.upload(document.name, content, request)
    if accepted.sha256 != document.sha256:
        raise RequestError("bundle_invalid", "The PDF is not the one that the bundle's job has read.")
    assert accepted.job_id is not None
    await running.run(accepted.document_id)
    exported = await gateway.bundles.ready(accepted.job_id)
    with made.open("wb") as file:
        async for piece in gateway.bundles.stream(*exported, with_source=False):
            file.write(piece)


async def _lay_out(running: System, before: Bundle, document: _Named) -> None:
    """The template, the schema, kept answers and vectors, and what people said of records."""
    gateway, library = running.gateway, document.library_id
    home = twin.folder(library, document.document_id)
    for name in before.names:
        if name.startswith(bundle.TEMPLATES):
            text = before.read(name).decode("utf-8", "replace")
            await gateway.shelf.put(library, _stem(name, bundle.TEMPLATES, ".md"), text)
        elif name.startswith(bundle.SCHEMAS):
            text = before.read(name).decode("utf-8", "replace")
            await gateway.schemas.put(library, _stem(name, bundle.SCHEMAS, ".json"), text)
        elif name.startswith(INPUTS):
            await gateway.storage.write(f"{home}/{name.removeprefix(bundle.TWIN)}", before.read(name))


def _parameters(asked: Parameters, document: _Named) -> Parameters:
    """The job's, so that everything is made which the document has: phases that found their work done before are
    asked again, and kept answers are used."""
    phases = Phases(
        extract=True,
        template="transformation" in document.artefacts,
        ingest="chunks" in document.artefacts,
    )
    return replace(asked, phases=phases, policies=Policies(), use_cache=True, sealed_password="", budget_usd=None)


async def _pieces(before: Bundle, source: Path | None) -> AsyncIterator[bytes]:
    if source is None:
        for piece in before.pieces(bundle.SOURCE):
            yield piece
        return
    try:
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise RequestError(
            "not_found", f"{source} cannot be read ({error.strerror}).", hint="Check --source."
        ) from error


def _decoded(before: Bundle, name: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(before.read(name, DOCUMENT_BYTES), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bundle_invalid", f"The bundle's {name} is not as described: {error}.") from error


def _stem(name: str, folder: str, ending: str) -> str:
    return name.removeprefix(folder).removesuffix(ending)
