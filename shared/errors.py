"""The error tree and the one catalogue of stable error codes.

    ShadowtwinError            anything the system says on purpose; has a code from CATALOGUE
    ├── DocumentError          the input is at fault: never retried (category "document")
    │   └── ModelAnswerError   a model's answer cannot be used: refused, cut off, or not what was asked for
    ├── RequestError           the caller is at fault: 4xx (category "request")
    ├── ConfigurationError     the operator must change something (category "configuration")
    ├── BudgetExceeded         the next paid call would cost more than the job may spend (category "budget")
    └── TransientError         the same call may work later (category "transient")
        └── Paused             an endpoint rests: the work is given back, which counts for nothing

`describe(exc)` turns any exception into (code, category, retryable, safe message): text of
unknown exceptions never reaches a caller, because it may quote the document or a secret.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """What a code means: HTTP status when told to a client, a sentence, and what to do about it."""

    status: int
    message: str
    hint: str


CATALOGUE: dict[str, Entry] = {
    # the document
    "pdf_empty": Entry(400, "The file has no bytes.", "Upload the file again; the copy you sent is empty."),
    "pdf_not_a_pdf": Entry(
        415, "The file is not a PDF.", "Convert it to PDF first, or check that the right file was chosen."
    ),
    "pdf_encrypted": Entry(422, "The PDF is protected by a password.", "Remove the password, or give it with the job."),
    "pdf_copy_forbidden": Entry(
        422,
        "The owner of the PDF forbids copying its content.",
        "Give the owner's password with the job, or turn respect_permissions off.",
    ),
    "pdf_corrupt": Entry(
        422, "The PDF is damaged and could not be opened.", "Export it again from its source, or repair it first."
    ),
    "pdf_no_pages": Entry(422, "The PDF has no page.", "Export it again from its source."),
    "pdf_too_large": Entry(413, "The file is larger than this system accepts.", "Split it, or raise the size limit."),
    "pdf_too_many_pages": Entry(
        422, "The PDF has more pages than this system accepts.", "Split it, or raise the page limit."
    ),
    "pdf_timeout": Entry(422, "Reading the PDF took longer than allowed.", "Split it, or raise the time limit."),
    "pdf_page_timeout": Entry(
        422, "One page of the PDF took longer than allowed.", "Simplify or remove that page, or raise the page limit."
    ),
    "pdf_memory_limit": Entry(
        422, "Reading the PDF needed more memory than allowed.", "Split it, or raise the memory limit."
    ),
    "pdf_crashed": Entry(
        422, "The PDF made the reader crash.", "Print it to a new PDF and upload that; the original is malformed."
    ),
    "pdf_page_failed": Entry(422, "The content of a page is damaged.", "Export the PDF again from its source."),
    "pdf_no_text": Entry(
        422, "No text was found in the PDF.", "It is probably a scan: choose the extraction method ocr."
    ),
    # the methods of extraction
    "ocr_language_missing": Entry(
        500,
        "The text recognition has no data for a language.",
        "Install its data (the system's package tesseract-ocr-LANGUAGE, or LANGUAGE.traineddata in the folder that "
        "SHADOWTWIN_TESSDATA names), or leave the language out of ocrLanguages.",
    ),
    "layout_unavailable": Entry(
        500,
        "The layout model is not installed.",
        "Install pymupdf4llm and pymupdf-layout in pymupdf's version, or choose the extraction method auto or fast.",
    ),
    # the request
    "bad_request": Entry(400, "The request is malformed.", "Compare it with the API description at /docs."),
    "template_invalid": Entry(
        422, "The template cannot be used.", "Correct what the message names; POST /api/templates/validate tells."
    ),
    "schema_invalid": Entry(422, "The schema of records cannot be used.", "Correct what the message names."),
    "record_invalid": Entry(422, "The record does not fit its schema.", "Correct the field that the message names."),
    "unauthorized": Entry(401, "The credential is missing or wrong.", "Send the current credential."),
    "forbidden": Entry(403, "The key does not allow this.", "Use a key with the scope that the route needs."),
    "not_found": Entry(404, "There is no such thing here.", "Check the id and the library."),
    "method_not_allowed": Entry(
        405, "The route does not know this method.", "Use a method that the answer's Allow header names."
    ),
    "conflict": Entry(409, "The state has changed or forbids this.", "Read the current state and try again."),
    "job_open": Entry(409, "A job of this document is still open.", "Wait for it, or cancel it first."),
    "document_deleting": Entry(409, "The document is being deleted.", "Try again in a moment."),
    "payload_too_large": Entry(413, "The request is too large.", "Send less at once."),
    "quota_exceeded": Entry(413, "The library holds as much as it may.", "Delete documents, or have its quota raised."),
    "upload_aborted": Entry(400, "The sender went away before all of it had arrived.", "Send the file again."),
    "upload_url_expired": Entry(
        410, "The address of this upload has expired.", "Announce the file again (POST /api/uploads) and send it there."
    ),
    "link_expired": Entry(410, "This address has expired.", "List the pictures again: the answer holds new addresses."),
    "upload_incomplete": Entry(
        409, "The file has not arrived.", "Send it, or its missing parts, to the signed addresses, then complete again."
    ),
    "upload_mismatch": Entry(
        422, "What has arrived is not what was announced.", "Announce the file again with its own size and SHA-256."
    ),
    "source_refused": Entry(
        400,
        "The address of the file is not one that is fetched from.",
        "Send the file itself, or have the address allowed: SHADOWTWIN_SOURCE_ALLOW.",
    ),
    "source_unreachable": Entry(
        422, "The file could not be fetched from its address.", "Open the address yourself; if it works, try again."
    ),
    "webhook_url_refused": Entry(
        400,
        "The address of the webhook is not one that is told anything.",
        "Name a public address, or have it allowed: SHADOWTWIN_WEBHOOK_ALLOW.",
    ),
    "upload_bytes_gone": Entry(409, "The bytes of the failed upload are not kept.", "Send the file again."),
    "queue_full": Entry(429, "The queue is full.", "Try again after the time that Retry-After names."),
    # bundles
    "bundle_invalid": Entry(
        422, "The bundle cannot be used.", "Export the job again; a bundle that was changed is not replayed."
    ),
    "bundle_version": Entry(
        422, "The bundle has a format that this version does not know.", "Use the version that made it, or a newer one."
    ),
    "bundle_too_large": Entry(413, "The bundle is larger than allowed.", "Raise the limit with --max-bytes."),
    "answer_missing": Entry(
        422,
        "The bundle does not hold the answer to a question.",
        "The question has changed since the bundle was made: look at its prompt, schema and data, or export anew.",
    ),
    # the run
    "artefact_missing": Entry(
        500, "A stored artefact is missing.", "Requeue the job from the phase that makes that artefact."
    ),
    "artefact_changed": Entry(
        500, "A stored artefact does not match its recorded hash.", "Requeue the job from the phase that makes it."
    ),
    "storage_write_failed": Entry(507, "The twin could not be stored.", "Check disk space and rights, then requeue."),
    "conservation_violated": Entry(
        500, "What was stored does not add up with what was made.", "Requeue the job; if it repeats, report it."
    ),
    "attempts_exhausted": Entry(
        500, "The step failed in every allowed attempt.", "Look at the job's log for the reason, then requeue."
    ),
    "step_deadline": Entry(500, "The step took longer than allowed.", "Requeue it with a higher limit."),
    "cancelled": Entry(200, "The job was cancelled.", "Requeue it to run it after all."),
    "worker_failed": Entry(500, "The worker reported a failure.", "See the message and the log of the job."),
    "worker_silent": Entry(
        504, "The external worker gave no sign of life.", "It is asked again by itself; look at that worker's log."
    ),
    "image_unreadable": Entry(
        422, "The picture cannot be read.", "Send a JPEG, PNG, WebP, GIF, TIFF, BMP or JPEG 2000 of usual size."
    ),
    "image_search_off": Entry(
        503,
        "Pictures are not indexed here.",
        "Configure SHADOWTWIN_IMAGE_EMBEDDER and a store for it, then run `shadowtwin reembed`.",
    ),
    "empty_text": Entry(422, "The worker delivered no text.", "Try another extraction method."),
    "index_mismatch": Entry(
        409,
        "The index was made with another embedder.",
        "Configure the recorded embedder; or give the new vectors an index of their own (SHADOWTWIN_VECTOR_INDEX, with "
        "Pinecone SHADOWTWIN_PINECONE_HOST) and run `shadowtwin reembed`: no PDF is read and no text analysed "
        "again, and a paid embedder is only paid for texts that it has not embedded before.",
    ),
    "embedder_unavailable": Entry(
        500,
        "The embedder's package or model is not here.",
        "Install the extra fastembed and put the model's files into SHADOWTWIN_FASTEMBED_DIR, or set "
        "SHADOWTWIN_FASTEMBED_DOWNLOAD=true where the hub can be reached; or configure another embedder.",
    ),
    # models
    "model_refused": Entry(422, "The model refused to answer.", "Read the log; another model or template may help."),
    "model_truncated": Entry(
        422, "The model's answer was cut off twice.", "Ask for less at once, or use a model with longer answers."
    ),
    "model_answer_invalid": Entry(
        422, "The model's answer does not have the form that was asked for.", "Use a model with structured outputs."
    ),
    "model_input_too_large": Entry(
        422, "The input is longer than the model accepts.", "Use a model with a larger context, or fewer pages."
    ),
    "budget_exceeded": Entry(
        402,
        "The next model call would exceed the job's budget.",
        "Submit the document again with a higher budgetUsd: answers that are paid for are not asked for again.",
    ),
    "model_paused": Entry(
        503, "The model endpoint rests after failures.", "The job goes on by itself when the endpoint answers again."
    ),
    # things around us
    "unavailable": Entry(503, "A service this depends on cannot be reached.", "It is tried again by itself."),
    "rate_limited": Entry(503, "A service this depends on asks to slow down.", "It is tried again by itself."),
    "misconfigured": Entry(500, "The configuration is wrong.", "Read the message and correct the setting it names."),
    "internal": Entry(500, "Something unexpected happened.", "Look at the service log with the job's id."),
}


class ShadowtwinError(Exception):
    """An error with a stable `code` of CATALOGUE; `message` may say more than the catalogue's sentence."""

    category = "internal"
    retryable = False

    def __init__(self, code: str, message: str | None = None, *, hint: str | None = None) -> None:
        entry = CATALOGUE[code]
        self.code = code
        self.message = message or entry.message
        self.hint = hint or entry.hint
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        """HTTP status when this is told to a client."""
        return CATALOGUE[self.code].status


class DocumentError(ShadowtwinError):
    """The document itself is at fault; trying again gives the same result."""

    category = "document"


class RequestError(ShadowtwinError):
    """The caller asked for something that cannot be done as asked."""

    category = "request"


class ConfigurationError(ShadowtwinError):
    """An operator has to change a setting."""

    category = "configuration"


class TransientError(ShadowtwinError):
    """The same call may succeed later; `retry_after` is in seconds where the other side named a time."""

    category = "transient"
    retryable = True

    def __init__(self, code: str = "unavailable", message: str | None = None, *, retry_after: float | None = None):
        super().__init__(code, message)
        self.retry_after = retry_after


class Paused(TransientError):
    """`endpoint` rests for `retry_after` more seconds, because of `reason`. A worker gives its step back until then;
    that is no lost attempt, and the job says so (shared.phase)."""

    def __init__(self, endpoint: str, reason: str, retry_after: float) -> None:
        super().__init__(
            "model_paused", f"{endpoint} rests for {retry_after:.0f} s: {reason}.", retry_after=retry_after
        )
        self.endpoint, self.reason = endpoint, reason


class ModelAnswerError(DocumentError):
    """A model has answered, and the answer cannot be used: model_refused, model_truncated, model_answer_invalid,
    model_input_too_large. The calls are paid for; asking the same again gives the same."""


class BudgetExceeded(ShadowtwinError):
    """The job's budget does not allow the next call, which was therefore not made."""

    category = "budget"

    def __init__(self, message: str) -> None:
        super().__init__("budget_exceeded", message)


class Description(NamedTuple):
    """What may be told about an exception."""

    code: str
    category: str
    retryable: bool
    message: str
    hint: str


def describe(exc: BaseException) -> Description:
    """The safe description of any exception; unknown ones become `internal` with their type name only."""
    if isinstance(exc, ShadowtwinError):
        return Description(exc.code, exc.category, exc.retryable, exc.message, exc.hint)
    entry = CATALOGUE["internal"]
    return Description("internal", "internal", True, f"{entry.message} ({type(exc).__name__})", entry.hint)
