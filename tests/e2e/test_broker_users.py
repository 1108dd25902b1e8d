"""The whole stack with a user of the broker for each service: the permissions of a deployment are enough."""

from __future__ import annotations

from pathlib import Path

import httpx

from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running
from tests.support.broker_users import configured, settings


def test_a_pdf_becomes_searchable_where_each_service_has_its_own_user_at_the_broker(
    tmp_path: Path, sample: Path
) -> None:
    (tmp_path / "broker").mkdir()
    config, overrides = configured(tmp_path / "broker"), settings(tmp_path / "broker")
    with (
        Stack(tmp_path / "stack", settings=QUICK, overrides=overrides, broker_config=config) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        running = Running(stack, http)
        running.until_ready()
        done = running.process(sample, "permissions")
        assert done["status"] == "completed", done["error"]
        assert running.search("Shadowtwin", "permissions")
        plan = http.post(
            "/api/jobs",
            params={"plan": "true"},
            files={"file": (sample.name, sample.read_bytes())},
            data={"libraryId": "permissions"},
        )
        assert plan.status_code == 200, plan.text
        services = http.get("/api/system/status").json()["services"]
        assert sorted(each["name"] for each in services) == ["extractor", "gateway", "ingestor", "transformer"]
        assert all(each["ready"] for each in services)
    logs = {file.stem: file.read_text() for file in (tmp_path / "stack" / "logs").glob("*.log")}
    refused = [line for text in logs.values() for line in text.splitlines() if "iolation" in line]
    assert not refused
    assert "Authorization" not in logs["nats"]
