"""Files of one JSON object a line: batches of a hundred, and one bad record loses only itself."""

from __future__ import annotations

import msgspec
import pytest

from shared.jsonl import Lost, decoded, encoded, warnings


class Row(msgspec.Struct):
    number: int
    text: str = ""


def test_records_are_written_a_hundred_at_a_time() -> None:
    lost: list[Lost] = []
    batches = list(encoded([Row(number=n) for n in range(250)], lost))
    assert [batch.count(b"\n") for batch in batches] == [100, 100, 50]
    assert lost == []


@pytest.mark.parametrize("bad", [Row(number=7, text="\ud800"), object()])
def test_one_bad_record_loses_only_itself_and_is_told(bad: object) -> None:
    lost: list[Lost] = []
    records: list[object] = [Row(number=n) for n in range(150)]
    records[120] = bad
    stored = b"".join(encoded(records, lost))
    assert [row.number for row in decoded(stored, Row, [])] == [n for n in range(150) if n != 120]
    assert [each.position for each in lost] == [120]
    (warning,) = warnings("things", lost)
    assert warning["code"] == "record_lost"
    assert warning["message"].startswith("things: record 121 is lost: ")


def test_a_check_refuses_single_records() -> None:
    def check(row: Row) -> None:
        if row.number % 2:
            raise ValueError("odd")

    lost: list[Lost] = []
    assert b"".join(encoded([Row(number=n) for n in range(5)], lost, check)).count(b"\n") == 3
    assert lost == [Lost(1, "odd"), Lost(3, "odd")]


def test_a_line_that_cannot_be_read_is_left_out() -> None:
    lost: list[Lost] = []
    content = b'{"number": 1}\n\nnonsense\n{"number": "x"}\n{"number": 4}\n'
    assert [row.number for row in decoded(content, Row, lost)] == [1, 4]
    assert [each.position for each in lost] == [1, 2]


def test_very_many_losses_are_counted() -> None:
    said = warnings("rows", [Lost(n, "bad") for n in range(50)])
    assert len(said) == 20
    assert said[-1]["message"] == "rows: 31 further records are lost"
