"""What is read, and what makes a folder a run, is never written over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from motion_jax.commands.outputs import check_outputs
from motion_jax.data.labelled.segments import table_files
from motion_jax.errors import UserError


def test_neither_inputs_nor_records_nor_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    table, record, link = tmp_path / "labels.csv", tmp_path / "run" / "config.json", tmp_path / "link.csv"
    record.parent.mkdir()
    for path in (table, record):
        path.write_text("kept")
    link.symlink_to(table)
    for outputs, told in (
        ({"csv": "labels.csv"}, "--csv=labels.csv: is read by this command: give another name"),
        ({"csv": str(link)}, f"--csv={link}: is read by this command: give another name"),
        ({"csv": "run/config.json"}, "--csv=run/config.json: is a record of a run, of data or of a model"),
        ({"json": "x", "csv": "./x"}, "--csv=./x: is what --json names too: give another name"),
        ({"json": "run"}, "run: is a folder"),
    ):
        with pytest.raises(UserError, match=re.escape(told)):
            check_outputs(outputs, table_files("labels.csv, more.csv"))
    check_outputs({"csv": "new/found.csv", "json": "", "plot": "config.json"}, [table])
    assert (table.read_text(), record.read_text()) == ("kept", "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "link.csv", "new", "run"]
