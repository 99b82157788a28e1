"""Exponential-map text: what is written is read back exactly, and what is broken is named by file and line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from motion_jax.data.expmap import parse_expmap, read_expmap, write_expmap
from motion_jax.errors import UserError

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROW = "0.5,-1.25,3"

BROKEN = {
    "empty": (b"", "f.txt: the file is empty", "3 numbers"),
    "only_blank_lines": (b"\n \n", "f.txt: the file is empty", "3 numbers"),
    "every_row_too_wide": (b"1,2,3,4\n5,6,7,8\n", "f.txt:1: 4 columns", "must have 3"),
    "ragged_short": (b"1,2,3\n4,5\n6,7,8\n", "f.txt:2: 2 columns", "must have 3"),
    "ragged_long": (b"1,2,3\n4,5,6\n6,7,8,9\n", "f.txt:3: 4 columns", "must have 3"),
    "torn_row": (b"1,2,3\n4,5,6\n7,8", "f.txt:3: 2 columns", "torn"),
    "torn_number": (b"1.25,2.25,3.25\n4.25,5.25,6.2", "f.txt:2: the last number '6.2' has 1", "must have 2"),
    "torn_exponent": (b"1.2e-01,2.2e-01\n4.2e-01,5.2e-", "f.txt:2: column 2 is '5.2e-'", "torn"),
    "text": (b"1,2,3\n4,left,6\n", "f.txt:2: column 2 is 'left'", "decimal number"),
    "header": (b"x,y,z\n1,2,3\n", "f.txt:1: column 1 is 'x'", "decimal number"),
    "nan": (b"1,2,3\n4,5,6\n7,NaN,9\n", "f.txt:3: column 2 is 'NaN'", "finite"),
    "infinity": (b"1,2,-inf\n", "f.txt:1: column 3 is '-inf'", "finite"),
    "beyond_float32": (b"1,2,3\n1,2,1e39\n", "f.txt:2: column 3 is '1e39'", "float32"),
    "beyond_float64": (b"1,2,1e999\n", "f.txt:1: column 3 is '1e999'", "float32"),
    "utf16": ("1,2,3\n".encode("utf-16"), "f.txt:1: begins with the byte order mark of UTF-16", "ASCII"),
    "binary": (b"1,2,3\n4,\x00\x17,6\n", "f.txt:2: byte 0x00", "ASCII"),
    "latin1": (b"1,2,3\n4,5,6\n\xb5,2,3\n", "f.txt:3: byte 0xb5", "ASCII"),
    "trailing_comma": (b"1,2,3,\n4,5,6,\n", "f.txt:1: ends with a comma after 3", "3 numbers"),
    "white_space": (b"1 2 3\n4 5 6\n", "f.txt:1: numbers separated by white space", "commas"),
    "semicolons": (b"1;2;3\n", "f.txt:1: column 1 is '1;2;3'", "decimal number"),
    "blank_line_inside": (b"1,2,3\n\n4,5,6\n", "f.txt:2: a blank line", "3 numbers"),
    "comment": (b"# walking\n1,2,3\n", "f.txt:1: column 1 is '# walking'", "decimal number"),
    "empty_cell": (b"1,2,3\n4,,6\n", "f.txt:2: column 2 is ''", "decimal number"),
    "underscore": (b"1,2,1_0\n", "f.txt:1: column 3 is '1_0'", "decimal number"),
    "hexadecimal": (b"1,2,0x1p3\n", "f.txt:1: column 3 is '0x1p3'", "decimal number"),
    "quoted": (b'1,2,"3"\n', "f.txt:1: column 3 is '\"3\"'", "decimal number"),
    "fortran_exponent": (b"1,2,3D+00\n", "f.txt:1: column 3 is '3D+00'", "decimal number"),
    "blank_line_first": (b"\n1,2,3\n", "f.txt:1: a blank line", "3 numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, case: str):
    data, *pieces = BROKEN[case]
    columns = 2 if case == "torn_exponent" else 3
    path = tmp_path / "f.txt"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_expmap(path, columns)
    message = str(caught.value)
    assert "\n" not in message
    for piece in [str(tmp_path), *pieces]:
        assert piece in message


SOUND = {
    "plain": f"{ROW}\n{ROW}\n",
    "windows_lines": f"{ROW}\r\n{ROW}\r\n",
    "spaces_around": " 0.5 , -1.25 ,\t3\n0.5,-1.25,3 \n",
    "other_forms": "+.5,-125e-2,3.\n5E-1,-1.25,03\n",
    "blank_lines_at_the_end": f"{ROW}\n{ROW}\n\n\n",
    "old_mac_lines": f"{ROW}\r{ROW}\r",
    "byte_order_mark": f"\ufeff{ROW}\n{ROW}\n",
    "end_of_dos": f"{ROW}\r\n{ROW}\r\n\x1a",
}


@pytest.mark.parametrize("case", SOUND)
def test_harmless_variants_load_exactly_and_without_a_finding(case: str):
    frames, findings = parse_expmap(SOUND[case].encode(), 3, "f.txt")
    assert findings == ()
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, [[0.5, -1.25, 3]] * 2)


def test_the_first_line_that_is_not_blank_tells_the_width(tmp_path: Path):
    path = tmp_path / "f.txt"
    path.write_text(f"{ROW}\n{ROW}\n")
    np.testing.assert_array_equal(read_expmap(path), read_expmap(path, 3))
    path.write_text(f"\n{ROW}\n{ROW}\n")
    with pytest.raises(UserError, match=r"f\.txt:1: a blank line: it must hold 3 numbers"):
        read_expmap(path)


def test_more_numbers_than_a_recording_has_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("motion_jax.data.expmap.MAX_NUMBERS", 5)
    assert not parse_expmap(b"1,2\n3,4\n", 2, "f.txt")[1]
    assert "more than 5 numbers" in parse_expmap(b"1,2\n3,4\n5,6\n", 2, "f.txt")[1][0].message


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=FLOATS))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray):
    path = tmp_path_factory.mktemp("round") / "f.txt"
    write_expmap(path, frames)
    again = read_expmap(path, frames.shape[1])
    np.testing.assert_array_equal(again.view(np.uint32), frames.view(np.uint32))  # -0.0 too


@given(st.binary(max_size=60), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_frames_or_an_error_with_a_message(data: bytes, columns: int):
    frames, findings = parse_expmap(data, columns, "f.txt")
    assert frames.shape[1] == columns
    assert np.isfinite(frames).all()
    assert bool(len(frames)) != any(item.severity == "error" for item in findings)


@given(st.text("0123456789.,-+e \n", max_size=60), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_python_and_numpy_agree_on_what_a_number_is(text: str, columns: int):
    frames, findings = parse_expmap(text.encode(), columns, "f.txt")
    if not any(item.severity == "error" for item in findings):
        rows = [[float(cell) for cell in line.split(",")] for line in text.rstrip().split("\n")]
        np.testing.assert_array_equal(frames, np.array(rows, np.float32))


def test_a_missing_newline_is_told_unless_the_other_numbers_prove_the_last_one_whole():
    free, findings = parse_expmap(b"1,2,3\n4,5,66", 3, "f.txt")
    assert len(free) == 2
    assert [(item.severity, item.line) for item in findings] == [("warning", 2)]
    assert "'66' may be cut short" in findings[0].message
    fixed, findings = parse_expmap(b"1,2,3.50\n4,5,6.25", 3, "f.txt")
    assert (len(fixed), findings) == (2, ())


def test_every_cut_of_a_fixed_format_file_is_found():
    whole = "".join(f"{0.5:.4f},{-i:.4f}\n" for i in (1, 2, 3)).encode()
    first = whole.index(b"\n") + 1  # a first line has no neighbours to tell by
    for end in range(first, len(whole) + 1):
        frames, findings = parse_expmap(whole[:end], 2, "f.txt")
        between_rows = b"\n" in whole[end - 1 : end + 1]
        assert [item.severity for item in findings] == ([] if between_rows else ["error"]), whole[:end]
        assert len(frames) == (whole[:end].rstrip().count(b"\n") + 1 if between_rows else 0)


def test_many_faulty_lines_are_counted_not_listed():
    data = b"1,2,3\n" + b"1,2\n" * 400
    findings = parse_expmap(data, 3, "f.txt")[1]
    assert [item.line for item in findings] == [2, 3, 4, 5, 6, 7]
    assert "394 later lines" in findings[-1].message


def test_unreadable_files_and_unwritable_frames(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.txt: cannot be read: No such file"):
        read_expmap(tmp_path / "none.txt", 3)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_expmap(tmp_path, 3)
    with pytest.raises(UserError, match=r"f\.txt: frame 1, column 0 is nan"):
        write_expmap(tmp_path / "f.txt", np.array([[1.0], [np.nan]]))
    with pytest.raises(UserError, match=r"shape \(3,\)"):
        write_expmap(tmp_path / "f.txt", np.zeros(3))
    with pytest.raises(UserError, match="cannot be written"):
        write_expmap(tmp_path / "no" / "f.txt", np.zeros((1, 3)))
    assert not list(tmp_path.iterdir())


def test_a_real_file_reads_as_python_reads_it(shared_data: Path):
    path = shared_data / "cmu_mocap" / "test" / "running" / "running_1.txt"
    frames = read_expmap(path, 117)
    rows = [[float(cell) for cell in line.split(",")] for line in path.read_text().splitlines()]
    np.testing.assert_array_equal(frames, np.array(rows, np.float32))
    assert frames.shape == (163, 117)
    with pytest.raises(UserError, match=r"running_1\.txt:1: 117 columns: it must have 99"):
        read_expmap(path, 99)
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("e564cdc47db7bddb")
