"""The log survives crashes line by line, and the progress suits whoever reads it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from motion_jax.errors import UserError
from motion_jax.train import log as log_module
from motion_jax.train.log import MetricsLog, Progress, encode_row, read_metrics, told_bytes, told_time

ROW = encode_row({"kind": "train", "step": 1})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _steps(path: Path) -> list[int]:
    return [row["step"] for row in read_metrics(path)]


def test_rows_are_on_disk_as_soon_as_written(tmp_path: Path):
    log = MetricsLog(tmp_path / "m", 0)
    log.write("train", 3, {"loss": 0.5})
    assert read_metrics(tmp_path / "m") == [{"kind": "train", "step": 3, "loss": 0.5}]
    log.close()


def test_a_resumed_log_drops_what_will_come_again(tmp_path: Path):
    log = MetricsLog(tmp_path / "m", 0)
    for step in (1, 2, 3, 4):
        log.write("train", step, {})
    log.close()
    log = MetricsLog(tmp_path / "m", 2)
    log.write("train", 3, {})
    log.close()
    assert _steps(tmp_path / "m") == [1, 2, 3]


TORN = [ROW[:20], "\x00\x00\x00", "[1]", '{"kind": "train"}', encode_row({"kind": "train", "step": "2"}), ROW[:-2]]


@pytest.mark.parametrize("torn", TORN)
def test_a_torn_line_is_no_row_and_is_told(tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "m.jsonl"
    path.write_text(ROW + torn)
    assert _steps(path) == [1]
    assert f"{path}: line 2 of it is damaged or cut short: left out" in caplog.text
    log = MetricsLog(path, 5)
    log.write("train", 2, {})
    log.close()
    assert _steps(path) == [1, 2]
    assert len(path.read_text().splitlines()) == 2
    assert (tmp_path / "m-1.jsonl").read_text() == ROW + torn


def test_no_flipped_bit_is_read_as_another_number(tmp_path: Path):
    """Every bit of three rows: each row is there as it was, or not at all and is told of."""
    path = tmp_path / "m"
    rows = [{"kind": "report", "step": step, "validation_score": 0.979 - step} for step in (1, 2, 3)]
    content = "".join(map(encode_row, rows)).encode()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found, lines = log_module._read(path)
        assert lines
        assert len(found) >= len(rows) - 2  # a flipped end of a line takes both that it stood between
        assert all(row in rows for row in found)


def test_a_log_without_checksums_is_refused(tmp_path: Path):
    path = tmp_path / "m"
    path.write_text('{"kind": "train", "step": 1, "loss": 0.5}\n')
    with pytest.raises(UserError, match=r"m: has no checksums: it was written by an earlier version of motion_jax"):
        read_metrics(path)


def test_what_is_not_finite_is_null(tmp_path: Path):
    log = MetricsLog(tmp_path / "m", 0)
    log.write("report", 1, {"a": float("nan"), "b": [1.0, float("inf")], "c": 2})
    log.close()
    refuse = {"parse_constant": pytest.fail}  # called for NaN and Infinity, which are not JSON
    assert json.loads((tmp_path / "m").read_text(), **refuse) | {"kind": 0, "crc": 0} == {
        "kind": 0, "step": 1, "a": None, "b": [1.0, None], "c": 2, "crc": 0,
    }  # fmt: skip


def test_no_log_is_no_rows(tmp_path: Path):
    assert read_metrics(tmp_path / "m") == []


def test_a_log_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "m").mkdir()
    with pytest.raises(UserError, match="m: could not be read: Is a directory"):
        MetricsLog(tmp_path / "m", 0)


def test_a_disk_that_fills_up(tmp_path: Path):
    log = MetricsLog(tmp_path / "m", 0)
    log._file.close()
    log._file = Path("/dev/full").open("a")  # noqa: SIM115
    with pytest.raises(UserError, match="m: could not be written: No space left on device"):
        log.write("train", 1, {})
    log.close()


def test_plain_progress_is_lines():
    stream = io.StringIO()
    progress = Progress(10, stream)
    progress.update(2, 0.5, 0.1)
    progress.say("report")
    progress.update(10, 0.25, 0.1)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["step  2/10  loss 0.50000    lr 0.1", "report"]
    assert lines[2].startswith("step 10/10  loss 0.25000    lr 0.1")
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_live_progress_rewrites_one_line_and_ends_it():
    stream = Terminal()
    progress = Progress(10, stream)
    progress.update(2, 0.5, 0.1)
    progress.update(4, 0.4, 0.1)
    assert stream.getvalue().count("\r\x1b[K") == 2
    assert "\n" not in stream.getvalue()
    progress.say("report")
    assert stream.getvalue().endswith("\r\x1b[Kreport\n")
    progress.close()
    assert stream.getvalue().endswith("report\n")
    progress.update(6, 0.4, 0.1)
    progress.close()
    assert stream.getvalue().endswith("\n")


def test_pace_and_time_left(monkeypatch: pytest.MonkeyPatch):
    """The clock starts at the first update, which waited for compilation, and after a report; saves are left out."""
    clock = iter([100.0, 102.0, 500.0, 500.75])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(log_module, "memory_in_use", lambda: 412 * 2**20)
    stream = io.StringIO()
    progress = Progress(1000, stream, batch=8)
    progress.update(10, 0.5, 0.1)
    progress.update(30, 0.5, 0.1)  # 20 steps in 2 s; 970 to go: 97 s
    progress.say("report")
    progress.update(40, 0.5, 0.1)
    progress.leave_out(0.25)
    progress.update(50, 0.5, 0.1)  # 10 steps in 0.5 s; 950 to go: 47.5 s
    first, second, _, third, fourth = stream.getvalue().splitlines()
    assert first.endswith("lr 0.1")
    assert second.endswith("  100.0 ms/step  80 sequences/s  1:37 left  412 MiB")
    assert third.endswith("lr 0.1")
    assert fourth.endswith("  50.0 ms/step  160 sequences/s  0:47 left  412 MiB")


def test_times_and_sizes_are_short():
    assert [told_time(seconds) for seconds in (0, 97, 3599, 43297)] == ["0:00", "1:37", "59:59", "12:01:37"]
    assert [told_bytes(count) for count in (412 * 2**20, 3 * 2**29)] == ["412 MiB", "1.5 GiB"]
