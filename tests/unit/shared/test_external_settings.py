"""The external lane's settings: an address that can be used and logged, a credential that is a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import ConfigurationError
from shared.external_settings import ExternalSettings


def made(**settings: Any) -> ExternalSettings:
    return ExternalSettings(**settings)


@pytest.mark.parametrize(
    "url",
    ["", "ocr:8080", "ftp://ocr/", "http://", "http://name:secret@ocr/", "http://ocr/#part", "http://ocr/\n", "//ocr"],
)
def test_an_address_that_cannot_be_used_is_the_operators_to_mend(url: str):
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_EXTERNAL_URL"):
        made(external_url=url).external_address()


def test_a_query_may_hold_a_key_and_is_never_logged():
    settings = made(external_url="https://ocr.example/process?code=secret")
    assert settings.external_address() == "https://ocr.example/process?code=secret"
    assert settings.external_target() == "https://ocr.example/process"


def test_the_base_of_the_parse_protocol_has_no_query():
    with pytest.raises(ConfigurationError, match="query"):
        made(external_url="http://ocr/?a=b", external_protocol="parse").external_address()
    assert made(external_url="http://ocr:9/base/", external_protocol="parse").external_address() == "http://ocr:9/base"


def test_polls_are_never_closer_than_half_a_second():
    with pytest.raises(ValidationError):
        made(external_poll_seconds=0.4)


def test_the_credential_is_a_files_content_in_the_header_that_is_asked_for(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("key-1\n")
    assert made(external_token_file=file).external_headers() == {"Authorization": "Bearer key-1"}
    named = made(external_token_file=file, external_token_header="X-Secretary-Api-Key")
    assert named.external_headers() == {"X-Secretary-Api-Key": "key-1"}
    file.write_text("")
    assert made(external_token_file=file).external_headers() == {}
    assert made().external_headers() == {}


@pytest.mark.parametrize("content", [b"two\nlines", b"\xff\xfe", "größe".encode()])
def test_a_file_that_holds_no_credential_is_refused_without_quoting_it(tmp_path: Path, content: bytes):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_EXTERNAL_TOKEN_FILE") as refused:
        made(external_token_file=file).external_headers()
    assert "lines" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        made(external_token_file=tmp_path / "none").external_headers()


def test_workers_report_to_the_public_address():
    assert made(gateway_url="http://g:1").callback_url("j") == "http://g:1/api/external/jobs/j"
    settings = made(gateway_url="http://g:1", public_url="https://twin.example/base/")
    assert settings.callback_url("j") == "https://twin.example/base/api/external/jobs/j"
