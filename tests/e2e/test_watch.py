"""The watch of a running stack: it opens alerts by itself, and the broker takes what it tells."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.conftest import Running


def test_uploads_that_fail_become_an_alert_that_is_told(running: Running) -> None:
    for number in range(3):
        answer = running.http.post("/api/jobs", data={"libraryId": "watched"}, files={"file": (f"{number}.pdf", b"")})
        assert answer.json()["code"] == "pdf_empty"
    end = time.monotonic() + 60
    alerts: list[dict[str, Any]] = []
    while not alerts or alerts[0]["told"] != "open":
        assert time.monotonic() < end, alerts
        time.sleep(0.1)
        alerts = running.http.get("/api/alerts", params={"library": "watched"}).json()["alerts"]
    assert [(row["kind"], row["count"], row["state"]) for row in alerts] == [("library_fails", 3, "open")]
    assert running.http.get("/api/system/status").json()["alerts"]["library_fails"] == 1
