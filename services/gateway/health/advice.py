"""What to do about a document, in a sentence with the command that does it."""

from __future__ import annotations

from services.gateway.health.facts import Examined
from services.gateway.health.rules import Cause, State, Strategy, strategy

_BY_STATE: dict[State, str] = {
    State.NULL_POINTER: "No file and no chunks. Upload the file again, or mark the record as deleted: {mark}.",
    State.ORPHANED_CHUNKS: "The file is gone, searches still find its chunks. Upload the file again, or delete "
    "the chunks: {orphans}.",
    State.MISSING_LINKS: "Pictures have no file or no key. Put them back from the PDF: {backfill}.",
    State.NOT_PROCESSED: "The file is there, chunks are not. Process it: {reprocess}.",
    State.HEALTHY: "No action needed.",
    State.HASH_MISMATCH: "The stored PDF is not the one that was uploaded. Upload the right file again.",
    State.MISSING_TWIN: "Files of the twin are missing. Make them anew: {reprocess}.",
    State.STALE_GENERATION: "The index and the record speak of different runs. Ingest it again: {reprocess}.",
    State.COUNTS_DIFFER: "The index does not hold what the record says. Ingest it again: {reprocess}.",
    State.STUCK: "Its job does not move. {why}",
    State.IN_WORK: "A job is at it. Wait.",
    State.DELETED: "Marked as deleted. Upload the file to have it back.",
}
_FLAGS = {
    "mark": "repair --mark-deleted",
    "orphans": "repair --delete-orphans",
    "backfill": "images backfill",
    "reprocess": "repair --reprocess",
    "fix": "repair --fix",
}
_BY_CAUSE = {
    Cause.NEVER_UPLOADED: "It was never uploaded.",
    Cause.URL_EXPIRED: "Its upload address expired before it was used.",
    Cause.DELETED_LATER: "It was stored once and has been removed since.",
}


def advice_for(examined: Examined) -> str:
    """The advice; a file that was found elsewhere comes first."""
    document = examined.document
    commands = {name: f"{flags} --document-id {document.document_id}" for name, flags in _FLAGS.items()}
    found = examined.found
    if found is not None:
        step = strategy(found.place)
        if step == Strategy.FIX:
            return f"The file lies under another key, {found.key}. Set it right: {commands['fix']}."
        if step == Strategy.SET_KEY:
            said = f"repair --document-id {document.document_id} --set-key '{found.key}'"
            return f"The file lies under another library's prefix. If it is the right one: {said}."
        return f"The file lies in another bucket, {found.bucket}. Correct the configuration, or upload it again."
    why = examined.why.advice if examined.why else ""
    state = examined.judgement.state
    if state == State.MISSING_LINKS and examined.facts.listing_lost:
        return f"The list of its pictures is lost. Read the PDF again: {commands['reprocess']}."
    if state == State.HASH_MISMATCH and not examined.facts.source_changed:
        return f"Files of the twin are not as recorded. Make them anew: {commands['reprocess']}."
    said = _BY_STATE[state].format(why=why, **commands)
    return f"{_BY_CAUSE[examined.cause]} {said}" if examined.cause else said
