"""What runs in the child process: rules over one transcript. Hostile text can cost only this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from services.transformer import chapter_checks
from services.transformer.discovery import catalogue
from services.transformer.discovery.records import Hint, Options
from services.transformer.discovery.view import look
from services.transformer.images import pixels
from services.transformer.offline import analyze
from services.transformer.reading import read
from services.transformer.records import tables
from services.transformer.task import Task
from shared.record_schema import RecordSchema


def transform(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """The analyzer's answer as plain data."""
    task = msgspec.convert(args, Task)
    answer = analyze(task.transcript, task.info, task.pages, task.template)
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    return plain


def check_chapters(args: dict[str, Any], send: Callable[[Any], None]) -> list[Any]:
    """A model's chapters (`chapters`), held against the document (`material`)."""
    material = args["material"]
    reading = read(material["body"], material["info"], material["pages"])
    return list(chapter_checks.check(reading, args["chapters"]))


def discover(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """Products and entities of a document (`material`, `document_id`, `options`), with a model's `hints` or `only` by
    these."""
    material = args["material"]
    view = look(material["body"], material["info"], material["pages"], material["images"])
    options, hints = msgspec.convert(args["options"], Options), msgspec.convert(args["hints"], list[Hint])
    plain: dict[str, Any] = msgspec.to_builtins(
        catalogue.discover(view, args["document_id"], options, hints, only=args["only"])
    )
    return plain


def table_records(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """Records of a schema (`schema`) in the tables of a transcript (`body`)."""
    schema = msgspec.convert(args["schema"], RecordSchema)
    plain: dict[str, Any] = msgspec.to_builtins(tables.find(args["body"], schema))
    return plain


def measure_images(args: dict[str, Any], send: Callable[[Any], None]) -> list[dict[str, Any]]:
    """What can be measured in pictures (`images`, bytes), one row for each in order, {"error"} for one that is none."""
    return [_of_picture(content, pixels.measure) for content in args["images"]]


def prepare_image(args: dict[str, Any], send: Callable[[Any], None]) -> dict[str, Any]:
    """A picture (`image`, bytes) as a vision model can read it: {"content", "mime"}, or {"error"}."""

    def made(content: bytes) -> dict[str, Any]:
        ready, mime = pixels.prepared(content)
        return {"content": ready, "mime": mime}

    return _of_picture(args["image"], made)


def _of_picture(content: bytes, work: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work(content)
    except ValueError as error:
        return {"error": str(error)[:200]}
