"""Which repairs a document may have, which flag allows each, and what a job for it has to do. Pure functions.

Nothing is deleted, and nothing at all is changed, without its flag (checklist A0.34).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from services.gateway.health.facts import Examined
from services.gateway.health.rules import Action, Facts, Selection, State, Strategy, fix, strategy
from shared.document import Document, DocumentStatus
from shared.job import Parameters, Policies, Policy


class Repair(StrEnum):
    """What can be done to a document."""

    FIX_KEY = "fix_key"
    SET_KEY = "set_key"
    MARK_DELETED = "mark_deleted"
    DELETE_CHUNKS = "delete_chunks"
    REPROCESS = "reprocess"
    TRIGGER = "trigger"
    BACKFILL = "backfill_images"
    LINK_IMAGES = "link_images"
    REUPLOAD = "reupload_url"


class RepairRequest(Selection, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/repairs`: a selection, and what may be done. Without any flag it is a plan of what could be.

    `generateReuploadUrls` gives an address to send a lost file to (checklist A0.27), which its sender has a day for.
    `setKey` names where the file of the one document `documentId` lies. `linkImages` writes missing keys of pictures
    that are stored; putting them back from the PDF is the client's work (`images backfill`).
    """

    dry_run: bool = False
    fix: bool = False
    set_key: str = ""
    mark_deleted: bool = False
    delete_orphans: bool = False
    reprocess: bool = False
    trigger_stuck: bool = False
    link_images: bool = False
    generate_reupload_urls: bool = False

    def allows(self, step: Repair) -> bool:
        """Whether the flag of this repair was given."""
        given = {
            Repair.FIX_KEY: self.fix,
            Repair.SET_KEY: bool(self.set_key) and self.document_id is not None,
            Repair.MARK_DELETED: self.mark_deleted,
            Repair.DELETE_CHUNKS: self.delete_orphans,
            Repair.REPROCESS: self.reprocess,
            Repair.TRIGGER: self.trigger_stuck,
            Repair.BACKFILL: False,
            Repair.LINK_IMAGES: self.link_images,
            Repair.REUPLOAD: self.generate_reupload_urls,
        }
        return given[step]


FLAGS: dict[Repair, str] = {
    Repair.FIX_KEY: "--fix",
    Repair.SET_KEY: "--set-key",
    Repair.MARK_DELETED: "--mark-deleted",
    Repair.DELETE_CHUNKS: "--delete-orphans",
    Repair.REPROCESS: "--reprocess",
    Repair.TRIGGER: "--trigger-stuck",
    Repair.BACKFILL: "--backfill",
    Repair.LINK_IMAGES: "--backfill",
    Repair.REUPLOAD: "--generate-reupload-urls",
}


def steps_for(examined: Examined) -> list[Repair]:
    """The repairs that the document's state allows, in order; each has this as its precondition.

    A file that lies elsewhere is never given up: neither its chunks nor its record may be deleted then.
    """
    facts, state = examined.facts, examined.judgement.state
    if not facts.object_in_store and examined.found is not None:
        place = examined.found.place
        if fix(exists=False, found=place) == "set_object_key":
            return [Repair.FIX_KEY]
        return [Repair.SET_KEY] if strategy(place) == Strategy.SET_KEY else []
    if state == State.MISSING_LINKS:
        return [Repair.REPROCESS] if facts.listing_lost else [Repair.BACKFILL, Repair.LINK_IMAGES]
    if state == State.NOT_PROCESSED:
        waits = examined.document.status == DocumentStatus.PENDING
        return [Repair.TRIGGER, Repair.REPROCESS] if waits else [Repair.REPROCESS]
    return _BY_STATE.get(state, [Repair.REPROCESS] if examined.judgement.action == Action.REPROCESS else [])


_BY_STATE = {
    State.NULL_POINTER: [Repair.MARK_DELETED, Repair.SET_KEY, Repair.REUPLOAD],
    State.ORPHANED_CHUNKS: [Repair.DELETE_CHUNKS, Repair.SET_KEY, Repair.REUPLOAD],
    State.STUCK: [Repair.TRIGGER],
}

EXTRACTED = frozenset({"transcript", "pages", "images", "info", "answer"})
INGESTED = frozenset({"chunks", "links"})
"""Roles of files by the phase that makes them; all others are the transformation's."""


def parameters_for(document: Document, facts: Facts, last: Parameters | None) -> Parameters:
    """What a job has to do to make good what is missing: the options are those of the document's last job, ingestion
    runs in any case, and an earlier phase whose files are lost runs although its record says that they are there."""
    asked = last or Parameters()
    lost = set(facts.twin_missing) | set(facts.twin_changed)
    read = bool(lost & EXTRACTED) or facts.listing_lost
    transform = bool(lost - EXTRACTED - INGESTED)
    policies = Policies(
        extract=Policy.FORCE if read else Policy.DO,
        metadata=Policy.FORCE if transform else Policy.DO,
        ingest=Policy.FORCE,
    )
    phases = replace(asked.phases, extract=asked.phases.extract or read, ingest=True)
    return replace(asked, policies=policies, phases=phases)


class Step(msgspec.Struct, kw_only=True, rename="camel"):
    """A row of the plan and of the result. `status`: planned (its flag was given), not_asked, then done | skipped |
    failed. `upload_url` is where the file can be PUT; one that begins with `/` is a path of this API, and none is given
    for a file that must be sent in parts (`POST /api/uploads/{uploadId}/parts`)."""

    document_id: str
    library_id: str
    name: str
    state: str
    action: str
    flag: str
    status: str
    detail: str = ""
    job_id: str | None = None
    upload_id: str = ""
    upload_url: str = ""


def asked_steps(possible: list[Repair], request: RepairRequest) -> list[Repair]:
    """Those whose flag was given. What is asked back from its sender is not given up in the same run."""
    asked = [step for step in possible if request.allows(step)]
    return [Repair.REUPLOAD] if Repair.REUPLOAD in asked else asked


def plan_of(examined: Examined, request: RepairRequest) -> list[Step]:
    """The document's rows of a plan: what its flags allow; without such the first thing that could be done."""
    possible = steps_for(examined)
    asked = asked_steps(possible, request)
    chosen = asked[:1] or possible[:1]
    if asked[:1] == [Repair.DELETE_CHUNKS] and request.mark_deleted:
        chosen = [*chosen, Repair.MARK_DELETED]
    found = examined.found.key if examined.found else ""
    return [
        Step(
            document_id=examined.document.document_id,
            library_id=examined.document.library_id,
            name=examined.document.name,
            state=str(examined.judgement.state),
            action=str(step),
            flag=FLAGS[step],
            status="planned" if asked else "not_asked",
            detail=f"found at {found}" if found and step in (Repair.FIX_KEY, Repair.SET_KEY) else "",
        )
        for step in chosen
    ]
