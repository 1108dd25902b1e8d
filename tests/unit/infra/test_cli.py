"""Wrong calls of the command line, and what `extract` leaves behind: a sentence or one JSON object, and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pymupdf
import pytest

from infra.cli.parser import main


def test_a_wrong_call_is_told_as_json_when_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "paper.pdf", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_request"
    assert "--output" in error["message"]


def test_a_wrong_call_is_a_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extrakt"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "extrakt" in told.err


def test_a_password_is_not_asked_for_where_nobody_can_answer(tmp_path: Path) -> None:
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(b"%PDF-1.7")
    call = [sys.executable, "-m", "infra.cli", "extract", str(pdf), "--output", str(tmp_path / "out"), "--password"]
    done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--password-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_extract_makes_folders_only_for_pictures_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good, out = tmp_path / "bad.pdf", tmp_path / "good.pdf", tmp_path / "out"
    bad.write_bytes(b"no PDF")
    doc = pymupdf.open()
    doc.new_page().insert_text((72, 72), "A page with words alone.")
    doc.save(good)
    assert main(["extract", str(bad), "--output", str(out), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "pdf_not_a_pdf"
    assert list(out.iterdir()) == []
    assert main(["extract", str(good), "--output", str(out), "--json"]) == 0
    assert [path.name for path in out.iterdir()] == ["good.md"]


def test_extract_writes_the_list_of_images_that_its_warnings_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doc = pymupdf.open()
    picture = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 60, 60))
    for x in range(60):
        for y in range(60):
            picture.set_pixel(x, y, (4 * x, 4 * y, 80))
    for _ in range(2):
        page = doc.new_page()
        page.insert_text((72, 72), "A page with a picture.")
        page.insert_image(pymupdf.Rect(72, 100, 272, 300), pixmap=picture)
    doc.save(tmp_path / "two.pdf")
    out = tmp_path / "out"
    assert main(["extract", str(tmp_path / "two.pdf"), "--output", str(out), "--json"]) == 0
    (repeat,) = [w for w in json.loads(capsys.readouterr().out)["warnings"] if "images.jsonl" in w["message"]]
    assert repeat["message"].startswith("1 placements repeat")
    rows = [json.loads(line) for line in (out / "images.jsonl").read_text().splitlines()]
    assert [row["page"] for row in rows] == [1, 2]
    assert rows[1]["duplicate_of"] == rows[0]["name"]
    assert (out / "images" / rows[0]["name"]).is_file()
