"""docs/settings.md from the settings classes and docs/commands.md from the parser.

Meanings of settings are the strings behind their fields; one without is an error here, so that none is left out.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from services.extractor.settings import ExtractorSettings
from services.gateway.settings import GatewaySettings
from services.ingestor.settings import IngestorSettings
from services.transformer.settings import TransformerSettings
from shared.adapters.image_choice import ImageSettings
from shared.adapters.model_choice import ModelSettings
from shared.adapters.storage_choice import StorageSettings
from shared.adapters.vector_choice import VectorSettings
from shared.external_settings import ExternalSettings
from shared.settings import Settings

SECTIONS: list[tuple[str, str, type[BaseSettings]]] = [
    ("All services", "", Settings),
    ("Gateway", "Times in seconds, sizes in bytes.", GatewaySettings),
    ("Extractor", "Times in seconds, sizes in bytes.", ExtractorSettings),
    ("Transformer", "Times in seconds, sizes in bytes.", TransformerSettings),
    ("Ingestor", "", IngestorSettings),
    ("Foreign workers", "For gateway and extractor, with the same values ([external-workers.md](external-workers.md)).",
     ExternalSettings),
    ("Storage", "For all services, with the same values.", StorageSettings),
    ("Models", "For the transformer ([how-to/models.md](how-to/models.md)).", ModelSettings),
    ("Vectors and embedders", "For gateway and ingestor, with the same values.", VectorSettings),
    ("Pictures", "For gateway and ingestor, with the same values.", ImageSettings),
]  # fmt: skip
"""Titles, what is said below them, and the class."""

OTHERS = {
    "SHADOWTWIN_API_KEY": "the command line: the key that it shows a gateway; a local stack's own is found by itself",
    "SHADOWTWIN_NATS_SERVER": "the local stack: a nats-server to use, instead of looking for one or fetching it",
    "SHADOWTWIN_PYTHON": "`./shadowtwin`: the Python that makes `.venv`",
    "SHADOWTWIN_TESSDATA": "the extractor: a folder with NAME.traineddata files of the text recognition",
    "SHADOWTWIN_MACHINE_CODE": "the reader: 0 reads as plain Python although machine code is there",
    "SSL_CERT_FILE": "a file with the authorities that receivers of webhooks, sources and models are held against",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "all services: where traces are sent ([telemetry.md](telemetry.md))",
}
"""Variables that no settings class reads."""


def settings() -> str:
    """The page of all settings; raises ValueError for one without a meaning."""
    parts = [
        "# Settings",
        "Rendered from the settings classes by `./shadowtwin specs`. Every service reads its settings from the\n"
        "environment. A secret is never a value: a setting that ends in `_FILE` names a file that holds it, with at\n"
        "least 16 characters. An empty variable counts as not set. Lists have commas between their entries; other\n"
        "structures are JSON.",
    ]
    for title, about, model in SECTIONS:
        rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
        for name, meaning in _meanings(model).items():
            field = model.model_fields[name]
            row = (f"`SHADOWTWIN_{name.upper()}`", _type(field.annotation), _default(field.default), meaning)
            rows.append(_row(*row))
        parts += [f"## {title}", *filter(None, [about]), "\n".join(rows)]
    rows = ["| variable | read by |", "|---|---|", *(_row(f"`{name}`", about) for name, about in OTHERS.items())]
    return "\n\n".join([*parts, "## Others", "\n".join(rows)]) + "\n"


def _meanings(model: type[BaseSettings]) -> dict[str, str]:
    """Field -> meaning, of the fields that the class itself declares: the string behind each."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, behind in zip(body.body, [*body.body[1:], None], strict=True):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        name = statement.target.id
        if not (isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)):
            raise ValueError(f"{model.__name__}.{name} has no meaning: put a string behind it.")
        found[name] = " ".join(str(behind.value.value).split())
    return found


def _type(annotation: Any) -> str:
    """A type as operators write its values."""
    if typing.get_origin(annotation) is Annotated:
        return _type(typing.get_args(annotation)[0])
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if isinstance(annotation, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not types.NoneType)
    if typing.get_origin(annotation) in (list, dict):
        return {list: "list", dict: "JSON object"}[typing.get_origin(annotation)]
    named = {str: "text", int: "number", float: "number", bool: "true or false", Path: "path"}
    return named[annotation]


def _default(value: Any) -> str:
    """A default as it would be written; nothing for what is empty or found out."""
    if value is PydanticUndefined or value is None or value in ("", [], {}):
        return ""
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`"


def commands(parser: argparse.ArgumentParser) -> str:
    """The page of all commands; raises ValueError for an argument without a help text."""
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parts = [
        "# Command line",
        "Rendered from the parser by `./shadowtwin specs`. The exit code is 0 only on success, 2 for a wrong call\n"
        "or input, 1 for a failed run. With `--json` a command prints one JSON object, also for a failure.\n"
        "`--api-url URL` names a running gateway, `--data-dir DIR` the folder of a local stack. Without them it is\n"
        "the stack of `.shadowtwin/data`.",
    ]
    helps = {entry.dest: entry.help for entry in choices._choices_actions}
    for name, command in choices.choices.items():
        parts += [f"## {name}", f"{_sentence(helps[name])}"]
        rows = [_argument(name, action) for action in command._actions if _of_its_own(action)]
        if rows:
            parts.append("\n".join(["| argument | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _of_its_own(action: argparse.Action) -> bool:
    common = {"--json", "--api-url", "--data-dir", "--help"}
    return not common & set(action.option_strings)


def _argument(command: str, action: argparse.Action) -> str:
    if not action.help and not action.choices:
        raise ValueError(f"{command}: {action.dest} has no help text.")
    value = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    shown = ", ".join(action.option_strings) or str(value)
    if action.option_strings and action.nargs != 0:
        shown += f" {value}"
    said = [action.help or ""]
    if action.choices:
        said.append("one of " + ", ".join(f"`{choice}`" for choice in action.choices))
    default = "" if action.nargs == 0 else _default(action.default)
    return _row(f"`{shown}`", default, "; ".join(filter(None, said)))


def _sentence(text: str | None) -> str:
    return f"{(text or '')[:1].upper()}{(text or '')[1:]}."


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
