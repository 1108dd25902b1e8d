"""HTTPS servers that the gateway calls: the name is held against the certificate although the address is pinned."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.gateway.fetching import Fetcher, FetchFailed
from services.gateway.trust import Trust
from services.gateway.webhooks.sending import Outcome, Sender
from services.gateway.webhooks.signing import new_secret
from shared.errors import ConfigurationError
from shared.webhook import Delivery, Endpoint, Secret
from tests.support.authority import Authority
from tests.support.webhook_receiver import Receiver, receiver

HOST = "hooks.test"


async def here(host: str, port: int) -> list[str]:
    """Every name is this machine's."""
    return ["127.0.0.1"]


def trusting(authority: Authority) -> Trust:
    return Trust({"SSL_CERT_FILE": str(authority.certificates)})


async def told(hook: Receiver, trust: Trust) -> Outcome:
    """One delivery to the receiver, by its name."""
    now = datetime.now(UTC)
    hook.secret = new_secret()
    endpoint = Endpoint(
        endpoint_id="e", library_id="*", url=f"https://{HOST}:{hook.port}/hook", event_types=["*"],
        secrets=[Secret(value=hook.secret)], created_at=now,
    )  # fmt: skip
    delivery = Delivery(
        delivery_id="msg_1", endpoint_id="e", library_id="lib", event_type="ping", key="k", place=1,
        body='{"type":"ping","data":{}}', due_at=now, created_at=now,
    )  # fmt: skip
    return await Sender([f"{HOST}:{hook.port}"], 5.0, resolver=here, trust=trust).send(endpoint, delivery, now)


async def test_a_receiver_with_a_certificate_of_a_trusted_authority_is_told(tmp_path: Path):
    authority = Authority(tmp_path)
    async with receiver(tls=authority.server(HOST)) as hook:
        outcome = await told(hook, trusting(authority))
    assert (outcome.status, outcome.error) == (204, "")
    assert [message.type for message in hook.taken] == ["ping"]


async def test_a_certificate_for_another_name_or_of_a_stranger_is_told_nothing(tmp_path: Path):
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    for tls in (authority.server("other.test"), stranger.server(HOST)):
        async with receiver(tls=tls) as hook:
            outcome = await told(hook, trusting(authority))
        assert (outcome.status, outcome.error, hook.asked) == (0, "unreachable", [])


async def test_a_receiver_of_a_private_authority_is_not_trusted_by_itself(tmp_path: Path):
    async with receiver(tls=Authority(tmp_path).server(HOST)) as hook:
        assert (await told(hook, Trust({}))).error == "unreachable"


async def test_what_a_url_names_is_fetched_by_the_same_rules(tmp_path: Path):
    authority = Authority(tmp_path)
    async with receiver(tls=authority.server(HOST)) as hook:
        place = f"{HOST}:{hook.port}"
        for trust, said in ((trusting(authority), "refused_by_server"), (Trust({}), "unreachable")):
            with pytest.raises(FetchFailed) as failed:  # the receiver takes no GET: 405 once it is reached
                await Fetcher([place], resolver=here, trust=trust).fetch(f"https://{place}/hook", io.BytesIO())
            assert failed.value.reason == said


async def test_a_file_without_certificates_is_told_at_the_start(tmp_path: Path):
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "absent.pem"):
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            await Trust({"SSL_CERT_FILE": str(tmp_path / name)}).open()
