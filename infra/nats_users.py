"""The broker's users and what each may say and hear, derived from the route: rendered into infra/nats-users.conf.

    python -m infra.nats_users          writes the file; a test compares it

JetStream's own requests are subjects as well: a consumer that a user may not pull from is closed to it. Answers go to
inboxes under the user's own prefix (`shared.broker_login`), so that nobody hears those of others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared import route
from shared.adapters.nats_lanes import BUCKET
from shared.adapters.nats_roll_call import SUBJECT as ROLL_CALL
from shared.adapters.nats_streams import durable_name
from shared.broker_login import BrokerLogin
from shared.job import StepName

FILE = Path(__file__).resolve().parent / "nats-users.conf"
PASSWORDS = "nats-passwords.conf"
"""A secret beside the file: one line `NAME_PASSWORD: "..."` for each user."""

ACCOUNT = "SHADOWTWIN"
"""The account that holds the streams; KEDA names it when it asks for a consumer's backlog."""

OPERATOR = "operator"
"""A person with NATS's own client: everything within the account."""

MODEL_USERS = ("gateway", "transformer", "ingestor")
"""Who shares the limits of model endpoints over the broker (ADR 17)."""

STREAMS = (route.STREAM, route.ADVISORY_STREAM)
DEAD_LETTERS = "gateway_dead_letters"


class Allowed(NamedTuple):
    """Subjects a user may publish to and subscribe to. It may also answer what it was asked, wherever the asker is."""

    publish: list[str]
    subscribe: list[str]


def users() -> Mapping[str, Allowed]:
    """The four services."""
    workers = {leg.consumer for leg in route.ROUTE if leg.step is not None}
    return {"gateway": _gateway(), **{name: _worker(name) for name in sorted(workers)}}


def password_variable(user: str) -> str:
    """What the password of a user is called in the file of passwords."""
    return f"{user.upper()}_PASSWORD"


def rendered() -> str:
    """The configuration file."""
    lines = [
        "# Made by `python -m infra.nats_users` from shared/route.py; a test compares them. Who may say and hear what.",
        "# The passwords are variables of a file beside it that infra/secrets.sh makes.",
        f'include "{PASSWORDS}"',
        "accounts {",
        f"    {ACCOUNT} {{",
        "        jetstream: enabled",
        "        users: [",
        f"            {{ user: {OPERATOR}, password: ${password_variable(OPERATOR)} }}",
    ]
    for name, allowed in users().items():
        lines += [
            f"            {{ user: {name}, password: ${password_variable(name)}, permissions: {{",
            f"                publish: {{ allow: {_list(allowed.publish)} }}",
            f"                subscribe: {{ allow: {_list(allowed.subscribe)} }}",
            "                allow_responses: true",
            "            } }",
        ]
    return "\n".join([*lines, "        ]", "    }", "}", ""])


def _gateway() -> Allowed:
    own = [leg for leg in route.ROUTE if leg.consumer == "gateway"]
    publish = [
        *route.SUBJECTS,
        ROLL_CALL,
        *(f"gate.{step}" for step in StepName),
        *(f"$JS.API.STREAM.{verb}.{stream}" for stream in STREAMS for verb in ("INFO", "CREATE", "UPDATE")),
        *(f"$JS.API.CONSUMER.{verb}.{stream}.>" for stream in STREAMS for verb in ("INFO", "CREATE", "DURABLE.CREATE")),
        f"$JS.API.STREAM.MSG.GET.{route.STREAM}",
        *(f"$JS.API.CONSUMER.MSG.NEXT.{route.STREAM}.{durable_name(leg)}" for leg in own),
        *(f"$JS.ACK.{route.STREAM}.{durable_name(leg)}.>" for leg in own),
        f"$JS.API.CONSUMER.MSG.NEXT.{route.ADVISORY_STREAM}.{DEAD_LETTERS}",
        f"$JS.ACK.{route.ADVISORY_STREAM}.{DEAD_LETTERS}.>",
    ]
    bucket = f"KV_{BUCKET}"  # the gateway makes it and lists its keys
    publish += [
        f"$JS.API.STREAM.CREATE.{bucket}",
        f"$JS.API.CONSUMER.*.{bucket}.>",
        f"$JS.API.CONSUMER.CREATE.{bucket}",
        f"$JS.FC.{bucket}.>",
    ]
    return Allowed([*publish, *_lanes("gateway")], [_inbox("gateway")])


def _worker(name: str) -> Allowed:
    legs = [leg for leg in route.ROUTE if leg.consumer == name]
    publish = [
        subject
        for leg in legs
        for subject in (
            f"$JS.API.CONSUMER.INFO.{route.STREAM}.{durable_name(leg)}",
            f"$JS.API.CONSUMER.MSG.NEXT.{route.STREAM}.{durable_name(leg)}",
            f"$JS.ACK.{route.STREAM}.{durable_name(leg)}.>",
        )
    ]
    gates = [f"gate.{leg.step} gate_{leg.step}" for leg in legs]
    return Allowed([*publish, *_lanes(name)], [_inbox(name), ROLL_CALL, *gates])


def _lanes(user: str) -> list[str]:
    """The key-value bucket of the model limits: reading and writing. Nobody but the gateway makes streams or
    consumers: one with a destination of its choice would say there what its maker may not."""
    if user not in MODEL_USERS:
        return []
    stream = f"KV_{BUCKET}"
    return [
        f"$KV.{BUCKET}.>",
        *(f"$JS.API.STREAM.{verb}.{stream}" for verb in ("INFO", "MSG.GET")),
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
    ]


def _inbox(user: str) -> str:
    return f"{BrokerLogin(user).inbox_prefix}.>"


def _list(subjects: list[str]) -> str:
    return json.dumps(subjects)


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
