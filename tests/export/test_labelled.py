"""Exported recognisers and anticipators: the same probabilities without the library."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.export import export_onnx, load_exported, write_export
from motion_jax.export.card import CARD, read_card
from motion_jax.export.models import exportable
from motion_jax.export.readme import EXAMPLE, loading, readme
from tests.labelled_runs import CLASSES, WINDOW, make_run

TASKS = {"recognition": ["frames", "mask"], "anticipation": ["positions", "angles"]}


@pytest.fixture(scope="module", params=TASKS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Path]:
    """A task, its run in memory, and the folder."""
    if importlib.util.find_spec("flatbuffers") is None:
        pytest.skip("flatbuffers (extra `export`) is not installed")
    run, folder = make_run(request.param), tmp_path_factory.mktemp("exported") / request.param
    write_export(run, folder, platforms=("cpu",), checked=request.param == "recognition")
    return request.param, run, folder


def test_an_export_says_what_the_original_does(exported: tuple[str, Any, Path]):
    """In a batch and alone; of a padded row too. In a fresh process as well: `write_export` compared them there."""
    task, _, folder = exported
    opened = load_exported(folder)
    example = dict(np.load(folder / EXAMPLE))
    inputs = [example[name] for name in TASKS[task]]
    assert np.ptp(example["probabilities"], axis=0).max() > 1e-2
    np.testing.assert_allclose(example["probabilities"].sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(opened(*inputs), example["probabilities"], rtol=1e-4, atol=1e-6)
    alone = opened(*(array[1:2] for array in inputs))
    np.testing.assert_allclose(alone, example["probabilities"][1:2], rtol=1e-4, atol=1e-6)
    assert sorted(opened.card.checks) == (["jit", "stablehlo"] if task == "recognition" else [])


def test_the_card_and_the_readme_tell_what_goes_in_and_out(exported: tuple[str, Any, Path]):
    task, run, folder = exported
    card = read_card(folder / CARD)
    assert (card.task, card.classes, card.actions, card.fps, card.step) == (task, CLASSES, (), 25.0, 7)
    assert [known.name for known in card.inputs] == TASKS[task]
    assert len(card.columns) == len(set(card.columns)) == run.space.width
    text = (folder / "README.md").read_text()
    assert text == readme(card, ["stablehlo"])
    assert loading("stablehlo", tuple(TASKS[task]), "probabilities") in text
    assert "after labels.preprocess (center, smooth, view, scale) at 50 frames/s" in text
    assert f"`probabilities` are in this order: {', '.join(CLASSES)}" in text
    if task == "recognition":
        assert (card.source_length, card.times, card.output.shape) == (WINDOW, (), (3,))
        assert "`frames` float32 `[B, 6, 291]`" in text
    else:
        assert (card.source_length, card.times, card.output.shape) == (3, (0.16, 0.08), (2, 3))
        assert "3 observed steps in, 0.08 s apart" in text
        assert "at each of 2 times: 0.16, 0.08 s before the action" in text


def test_frames_before_normalisation_are_what_it_reads():
    """What `raw_inputs` gives, so that nobody need know the statistics."""
    run = make_run("recognition")
    model = exportable(run)
    example = model.example()
    raw, mask = example["frames"], example["mask"]
    mean, std = (np.concatenate([getattr(m, name) for m in run.space.modalities]) for name in ("mean", "std"))
    np.testing.assert_allclose(run((raw - mean) / std, mask), example["probabilities"], rtol=1e-4)
    changed = np.where(mask[..., None] > 0, raw, 1e3)  # padding is not read
    out = jax.jit(model.program())(changed, mask)
    np.testing.assert_allclose(out, example["probabilities"], rtol=1e-4, atol=1e-6)


def test_wrong_arrays_are_told(exported: tuple[str, Any, Path]):
    task, _, folder = exported
    opened = load_exported(folder)
    arrays = [np.ones((2, *known.shape), np.float32) for known in opened.card.inputs]
    with pytest.raises(UserError, match="1 arrays: the model reads 2: "):
        opened(arrays[0])
    with pytest.raises(UserError, match=f"{TASKS[task][1]}: every value must be finite"):
        opened(arrays[0], arrays[1] * np.nan)
    if task == "recognition":
        for number, value in ((0, 0), (3, 0), (5, 0.5)):  # nothing, a hole, half a frame
            mask = arrays[1].copy()
            mask[1, number] = value
            with pytest.raises(UserError, match=r"mask: sequence 1 has .*: must be 1 for frames, one at least"):
                opened(arrays[0], mask)


def test_an_export_of_an_earlier_version_is_told(exported: tuple[str, Any, Path], tmp_path: Path):
    card = json.loads((exported[2] / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(card | {"format": 1}))
    with pytest.raises(UserError, match=r"model\.json: not the card of an export of format 3: export the run anew"):
        load_exported(tmp_path)
    (tmp_path / CARD).write_text(json.dumps(card | {"task": "cooking"}))
    with pytest.raises(UserError, match=r"model\.json: damaged"):
        read_card(tmp_path / CARD)


@pytest.mark.parametrize("task", TASKS)
def test_onnx_says_what_the_original_does(task: str, tmp_path: Path):
    pytest.importorskip("jax2onnx", reason="jax2onnx (extra `onnx`) is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime (extra `onnx`) is not installed")
    run = make_run(task)
    export_onnx(run, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    example = exportable(run).example()
    (found,) = session.run(None, {name: example[name] for name in TASKS[task]})
    np.testing.assert_allclose(found, example["probabilities"], rtol=1e-4, atol=1e-5)
