"""Signatures after Standard Webhooks, and the ids that a job remembers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.secrets import Unauthorized, hash_of
from services.gateway.signatures import IDS_KEPT, TOLERANCE_SECONDS, Signature, remembered, sign, verify
from shared.transitions import Refused

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY = hash_of("a token of an attempt")
BODY = b'{"phase":"running"}'


def signed(message_id: str = "msg_1", at: int = AT, body: bytes = BODY, key: str = KEY) -> Signature:
    return Signature(message_id, str(at), sign(key, message_id, at, body), body)


def test_the_signature_is_the_one_of_standard_webhooks():
    """Computed as its libraries do, from a secret of the form whsec_<base64>."""
    secret = base64.b64decode(base64.b64encode(hashlib.sha256(b"a token of an attempt").hexdigest().encode()))
    expected = hmac.new(secret, b"msg_1.%d.%s" % (AT, BODY), hashlib.sha256).digest()
    assert sign(KEY, "msg_1", AT, BODY) == "v1," + base64.b64encode(expected).decode()
    verify(signed(), KEY, NOW)


def test_one_right_signature_among_several_is_enough():
    wrong = sign(hash_of("former"), "msg_1", AT, BODY)
    verify(signed()._replace(values=f"v1a,abc {wrong} {signed().values}"), KEY, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"body": BODY + b" "},
        {"id": "msg_2"},
        {"timestamp": str(AT + 1)},
        {"timestamp": ""},
        {"timestamp": f"{AT}.0"},
        {"timestamp": "9" * 400},
        {"id": ""},
        {"id": "msg\n1"},
        {"id": "m" * 300},
        {"values": ""},
        {"values": "v1,"},
        {"values": "v2," + sign(KEY, "msg_1", AT, BODY)[3:]},
        {"values": "\u00fc\ud800"},
        {"values": " ".join(["v1,x"] * 100 + [sign(KEY, "msg_1", AT, BODY)])},
    ],
)
def test_anything_changed_is_refused(change: dict[str, object]):
    with pytest.raises(Unauthorized):
        verify(signed()._replace(**change), KEY, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [hash_of("another"), "", hash_of("")])
def test_another_or_no_key_is_refused(key: str):
    with pytest.raises(Unauthorized):
        verify(signed(), key, NOW)
    with pytest.raises(Unauthorized):
        verify(signed(key=""), "", NOW)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS])
def test_a_timestamp_within_the_tolerance_counts(seconds: int):
    verify(signed(), KEY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1])
def test_a_timestamp_beyond_the_tolerance_does_not(seconds: int):
    with pytest.raises(Unauthorized):
        verify(signed(), KEY, NOW + timedelta(seconds=seconds))


def test_an_id_counts_once_whatever_its_timestamp():
    kept = remembered([], signed())
    for again in (signed(), signed(at=AT + 1)):
        with pytest.raises(Refused, match="duplicate"):
            remembered(kept, again)


def test_the_list_is_bounded_and_forgetting_lets_no_replay_through():
    kept: list[str] = []
    for n in range(3 * IDS_KEPT):
        kept = remembered(kept, signed(f"msg_{n}", AT + n))
    assert len(kept) == IDS_KEPT
    assert all(len(entry) < 40 for entry in kept)
    for n in range(3 * IDS_KEPT):
        with pytest.raises(Refused, match="duplicate"):
            remembered(kept, signed(f"msg_{n}", AT + n))


def test_ids_may_come_out_of_order_while_the_list_is_not_full():
    kept = remembered([], signed("late", AT))
    assert len(remembered(kept, signed("early", AT - 200))) == 2
