"""What a new job is asked for: options as JSON or as form fields, checked before anything is stored."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.datastructures import FormData

from shared.errors import ConfigurationError, RequestError
from shared.external import EXTERNAL_METHODS
from shared.job import Parameters
from shared.methods import LANGUAGES, LOCAL_METHODS
from shared.sealing import Sealing

METHODS = (*LOCAL_METHODS, *EXTERNAL_METHODS)
"""What `extractionMethod` may be."""
MOST_SECONDS = 24 * 3600
OPTIONS = frozenset(field.encode_name for field in msgspec.structs.fields(Parameters)) - {"sealedPassword"}
"""What parameters may name."""
FIELDS = {
    "file", "libraryId", "itemId", "parentId", "documentId", "sourceUrl", "userEmail", "batchId", "batchName",
    "priority", "parameters", "password",
}  # fmt: skip
"""The form fields of POST /api/jobs that are no options."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_TEMPLATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def options_of(form: FormData) -> dict[str, Any]:
    """Options that are form fields of their own (`-F extractionMethod=ocr`), in their types; empty ones are not given.

    A field that is neither is refused: whoever misspells one would wait for a job that does something else.
    """
    unknown = sorted({name for name, _ in form.multi_items()} - FIELDS - OPTIONS)
    if unknown:
        known = ", ".join(sorted(FIELDS | OPTIONS))
        raise RequestError("bad_request", f"The form has no field {', '.join(unknown)[:200]}; it has {known}.")
    options: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name not in OPTIONS or value == "":
            continue
        if name in options or not isinstance(value, str):
            raise RequestError("bad_request", f"{name}: one text is expected.")
        options[name] = _typed(name, value)
    return options


def _typed(name: str, value: str) -> Any:
    """The value of an option from its text; one that has parts is JSON."""
    try:
        given = msgspec.json.decode(value) if value.lstrip().startswith("{") else value
        return msgspec.to_builtins(msgspec.convert({name: given}, Parameters, strict=False))[name]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bad_request", f"{name}: {str(error).partition(' - at')[0]}.") from error


def parameters_of(text: str, options: dict[str, Any], password: str, sealing: Sealing | None) -> Parameters:
    """The parameters of a job: the JSON of the field `parameters` and options that were fields of their own."""
    try:
        given: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        twice = sorted(set(given) & set(options))
        if twice:
            raise RequestError("bad_request", f"{', '.join(twice)}: given as a form field and in parameters as well.")
        given |= options
        password = msgspec.convert(given.pop("password", password), str)
        known = msgspec.convert(given, Parameters)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bad_request", f"parameters: {error}.") from error
    unknown = set(given) - OPTIONS
    if unknown:
        raise RequestError("bad_request", f"parameters has no {', '.join(sorted(unknown))}.")
    _check(known)
    return replace(known, sealed_password=_sealed(password, sealing)) if password else known


def _sealed(password: str, sealing: Sealing | None) -> str:
    if sealing is None:
        raise ConfigurationError("misconfigured", "This gateway has no extractor that could be given a password.")
    try:
        return sealing.seal(password)
    except ValueError as error:
        raise RequestError("bad_request", f"password: {error}.") from error


def _check(parameters: Parameters) -> None:
    """Refuse what no worker could do, before anything is stored."""
    if parameters.extraction_method not in METHODS:
        raise RequestError("bad_request", f"extractionMethod must be one of {', '.join(METHODS)}.")
    if parameters.ocr_languages and not LANGUAGES.fullmatch(parameters.ocr_languages):
        raise RequestError("bad_request", "ocrLanguages must be names of Tesseract's languages, such as deu+eng.")
    if parameters.escalation_seconds is not None and not 0 <= parameters.escalation_seconds <= MOST_SECONDS:
        raise RequestError("bad_request", f"escalationSeconds must be between 0 and {MOST_SECONDS}.")
    if not _LANGUAGE.fullmatch(parameters.target_language):
        raise RequestError("bad_request", "targetLanguage must be a language tag such as en or de-AT.")
    if not _TEMPLATE.fullmatch(parameters.template):
        raise RequestError("bad_request", "template must be the name of a template.")
