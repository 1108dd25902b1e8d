"""The OpenAI wire format as the simulated model server reads and writes it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

_TASK = re.compile(r"Task: ([a-z0-9_]+)\.")
_BLOCK = re.compile(r"^BEGIN ([0-9a-f]{24}) ?(.*?)\n(.*?)\nEND \1$", re.MULTILINE | re.DOTALL)
_SCHEMA = "It must fit this JSON schema:\n"


class Asked(NamedTuple):
    """A question as the server sees it: `blocks` are (label, text) of the document, `images` the decoded bytes."""

    purpose: str
    model: str
    text: str
    blocks: list[tuple[str, str]]
    images: list[bytes]
    schema: dict[str, Any] | None
    body: dict[str, Any]
    turn: int


def completion(asked: Asked, answer: Any, fault: str) -> dict[str, Any]:
    """The body of a chat completion with this answer, spoilt as the fault says."""
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    text = {"prose": "I am afraid there is none.", "wrong_schema": '{"unexpected": [1, 2]}'}.get(fault, text)
    finish, refusal = "length" if fault == "length" else "stop", None
    if fault in ("cut_answer", "length"):
        text = text[: len(text) // 2]
    if fault == "refusal":
        text, refusal = "", "I cannot help with that."
    tokens_in, tokens_out = len(json.dumps(asked.body["messages"])) // 4, len(text) // 4 + 1
    total = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": total,
    }


def content_hash(body: Mapping[str, Any]) -> str:
    """What makes two calls the same: model and messages."""
    content = json.dumps([body["model"], body["messages"]], sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def sample(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """The smallest value that fits a schema, for questions without a programmed answer."""
    root = root if root is not None else schema
    if not isinstance(schema, dict) or depth > 20:
        return "an answer"
    if "$ref" in schema:
        return sample(root.get("$defs", {}).get(schema["$ref"].rsplit("/", 1)[-1], {}), root, depth + 1)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return sample(schema[name][0], root, depth + 1)
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(part, root, depth + 1) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {}), root, depth + 1) for _ in range(schema.get("minItems", 0))]
    simple: dict[str, Any] = {"number": schema.get("minimum", 0), "boolean": False, "null": None}
    simple["integer"] = math.ceil(schema.get("minimum", 0))
    return simple.get(kind, "x" * max(schema.get("minLength", 0), 1))


def vector_of(text: str, dimension: int) -> list[float]:
    """A vector that depends on the text only."""
    seed = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return [math.sin(seed[i % 32] + i) for i in range(dimension)]


def base64_of(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def asked_of(body: dict[str, Any]) -> Asked:
    texts: list[str] = []
    images: list[bytes] = []
    for message in body["messages"]:
        parts: Any = message["content"]
        listed: list[dict[str, Any]] = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        for part in listed:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                images.append(base64.b64decode(part["image_url"]["url"].partition(",")[2]))
    text = "\n\n".join(texts)
    task = _TASK.search(text)
    schema: Any = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is None and _SCHEMA in texts[0]:
        schema = json.loads(texts[0].partition(_SCHEMA)[2])
    blocks = [(label, block) for _, label, block in _BLOCK.findall(text)]
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    return Asked(task.group(1) if task else "", body["model"], text, blocks, images, schema, body, turn)
