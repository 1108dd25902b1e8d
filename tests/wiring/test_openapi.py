"""The API does what its description says: whatever is sent, no 5xx, and no answer that is not described."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.cli.specs import openapi
from services.gateway.access import EXTERNAL, INTERNAL, OPEN
from services.gateway.described.table import TABLE
from shared.errors import CATALOGUE
from tests.support.gateway import SERVICE_TOKENS
from tests.support.live_gateway import Live, live_gateway

EXAMPLES = int(os.environ.get("SHADOWTWIN_FUZZ_EXAMPLES", "6"))
SEED = int(os.environ.get("SHADOWTWIN_FUZZ_SEED", "7"))
"""A longer look by hand: more examples, another seed."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [(method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods]
PDF = b"%PDF-1.4\n% no more than this\n"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def described(live: Live) -> Any:
    return schemathesis.openapi.from_url(f"{live.url}/openapi.json")


def test_every_route_is_described():
    assert set(OPERATIONS) == set(TABLE)


def test_every_number_in_an_address_is_bounded():
    """Beyond 64 bits a store fails where the caller does."""
    loose = [
        f"{method} {path} {given['name']}"
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
        for given in operation.get("parameters", [])
        for schema in given["schema"].get("anyOf", [given["schema"]])
        if schema.get("type") == "integer" and not {"minimum", "maximum"} <= set(schema)
    ]
    assert loose == []


def known(case: Case[Any], live: Live, chance: random.Random) -> None:
    """Put ids of what is there in the place of made-up ones, now and then."""
    for values in (case.path_parameters, case.query):
        for name in list(values or {}):
            pool = live.known.get("events" if name == "jobId" and case.path.endswith("/events") else name)
            if pool and (values is case.path_parameters or chance.random() < 0.5):
                values[name] = chance.choice(pool)
    body = case.body
    if isinstance(body, dict):
        for name in list(body):
            if name in live.known and chance.random() < 0.7:
                body[name] = chance.choice(live.known[name])
        if "file" in body and isinstance(body["file"], bytes) and chance.random() < 0.7:
            body["file"] = PDF + body["file"]


CASES = [
    pytest.param(method, path, mode, id=f"{method} {path} {mode.value}")
    for method, path in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if path not in OPEN or mode == GenerationMode.POSITIVE  # what takes nothing cannot be asked wrongly
]


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_no_request_is_answered_otherwise_than_described(
    live: Live, described: Any, method: str, path: str, mode: GenerationMode
):
    token = SERVICE_TOKENS["extractor"] if path.startswith((INTERNAL, EXTERNAL)) else live.key

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate, Phase.shrink], derandomize=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=described[path][method].as_strategy(generation_mode=mode), chance=st.integers(0, 1 << 30))
    def ask(case: Case[Any], chance: int) -> None:
        dice = random.Random(chance)
        if dice.random() < 0.6:
            known(case, live, dice)
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS, timeout=20)

    ask()


ODD = [
    b"GET /api/documents/%00 HTTP/1.1\r\n",
    b"GET /api/documents/a%0Ab HTTP/1.1\r\n",
    b"GET /api/documents/%FF%FE HTTP/1.1\r\n",
    b"GET /api/documents/%ED%A0%80?library=%ED%A0%80 HTTP/1.1\r\n",
    b"GET /api/documents?cursor=%00 HTTP/1.1\r\n",
    b"GET /api/documents?cursor=99999999999999999999~x HTTP/1.1\r\n",
    b"GET /api/documents?cursor=1~%00%FF HTTP/1.1\r\n",
    b"GET /api/products?cursor=9999999999999999999999@1~x HTTP/1.1\r\n",
    b"GET /api/products?name=%00 HTTP/1.1\r\n",
    b"GET /api/images?cursor=-1@ HTTP/1.1\r\n",
    b"GET /api/jobs?batch=%00&status=%FF HTTP/1.1\r\n",
    b"GET /api/uploads?cursor=~ HTTP/1.1\r\n",
    b"GET /api/templates/%00 HTTP/1.1\r\n",
    b"GET /api/templates/..%2F..%2Fx HTTP/1.1\r\n",
    b"GET /api/records/rec-%00 HTTP/1.1\r\n",
    b"GET /api/jobs/%00/events HTTP/1.1\r\nLast-Event-ID: \xb2\xff99999999999999999999999\r\n",
    b"GET /api/file-status?itemId=%00%F0%9F HTTP/1.1\r\n",
    b"GET /api/diagnosis?limit=99999999999999999999999&status=any HTTP/1.1\r\n",
    b"POST /api/jobs HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\r\n",
    b"POST /api/jobs HTTP/1.1\r\nContent-Type: multipart/form-data\r\n",
    b"POST /api/jobs HTTP/1.1\r\nContent-Type: \xff\xfe; charset=\xff\r\n",
    b"POST /api/jobs HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nIdempotency-Key: \xff\xff\r\n",
    b"POST /api/search HTTP/1.1\r\nContent-Type: nonsense\r\nContent-Encoding: gzip\r\n",
    b"PUT /api/schemas/%00 HTTP/1.1\r\n",
    b"PUT /api/templates/x HTTP/1.1\r\nContent-Type: \r\n",
    b"TRACE /api/jobs HTTP/1.1\r\n",
    b"GET //etc/passwd HTTP/1.1\r\n",
]


def answered(live: Live, head: bytes, body: bytes = b"") -> tuple[int, dict[str, Any]]:
    """Status and problem of a request that no client library would send."""
    with socket.create_connection(("127.0.0.1", int(live.url.rpartition(":")[2])), timeout=20) as connection:
        own = f"Host: x\r\nAuthorization: Bearer {live.key}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head + own.encode() + body)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    start, _, content = answer.partition(b"\r\n\r\n")
    problem = content if b"application/problem+json" in start else b"{}"
    return int(start.split(b" ")[1]), json.loads(problem)


BODIES = [b"", b"\x00\xff{", b'{"a": ' + b"9" * 5000 + b"}", b"[" * 100_000]
SENT = [(head, body) for head in ODD for body in (BODIES[:1] if head.startswith(b"GET") else BODIES)]


@pytest.mark.parametrize(
    ("head", "body"), SENT, ids=[f"{head.split(b' HTTP')[0]!r} {len(body)}" for head, body in SENT]
)
def test_no_odd_request_is_a_server_error(live: Live, head: bytes, body: bytes):
    status, problem = answered(live, head, body)
    assert status < 500, problem
    assert status < 400 or problem.get("code") in CATALOGUE or status == 400, problem


@pytest.mark.parametrize("path", sorted({path for _, path in OPERATIONS}))
def test_another_method_is_told_which_ones_there_are(live: Live, path: str):
    token = {"Authorization": f"Bearer {SERVICE_TOKENS['extractor'] if path.startswith(INTERNAL) else live.key}"}
    answer = httpx.request("OPTIONS", live.url + path.replace("{", "").replace("}", ""), headers=token)
    assert answer.status_code == 405
    allowed = {method for method, there in OPERATIONS if there == path}
    assert set(answer.headers["allow"].split(", ")) >= allowed


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/nothing", 404, "not_found"), ("/api/jobs", 405, "method_not_allowed")]
)
def test_what_is_no_route_is_answered_by_a_code(live: Live, path: str, status: int, code: str):
    said, problem = answered(live, f"PATCH {path} HTTP/1.1\r\n".encode())
    assert (said, problem["code"]) == (status, code)
