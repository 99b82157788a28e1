"""Configurations: what is right passes unchanged, what is wrong is named with what is allowed."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import ml_collections
import pytest

from motion_jax.config import (
    ComputeConfig,
    DataConfig,
    EvalConfig,
    Experiment,
    LabelsConfig,
    OptimConfig,
    TrainConfig,
    model_config,
)
from motion_jax.errors import UserError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
GROUPS = {"data": DataConfig, "compute": ComputeConfig, "optim": OptimConfig, "train": TrainConfig, "eval": EvalConfig}


def build(path: str, value) -> Experiment:
    """The default experiment with one field of its config dict replaced."""
    values = Experiment().to_dict()
    *groups, field = path.split(".")
    inner = values
    for group in groups:
        inner = inner[group]
    inner[field] = value
    return Experiment.from_config_dict(values)


def test_the_defaults_are_table_6_of_the_thesis():
    experiment = Experiment()
    assert (experiment.model.hidden, experiment.model.layers) == (1024, 1)
    assert (experiment.data.source_length, experiment.data.target_length) == (50, 25)
    assert (experiment.train.batch, experiment.train.steps) == (16, 100_000)
    optim = experiment.optim
    assert (optim.name, optim.learning_rate, optim.decay_rate, optim.decay_steps) == ("sgd", 0.005, 0.95, 10_000)
    assert (optim.clip_kind, optim.clip_norm) == ("l2", 5.0)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_config_file_makes_an_experiment_and_comes_back(file):
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    config = module.get_config()
    assert isinstance(config, ml_collections.ConfigDict)
    experiment = Experiment.from_config_dict(config)
    assert experiment.to_config_dict().to_dict() == config.to_dict()
    assert Experiment.from_json(json.dumps(experiment.to_dict()), "here") == experiment


def test_a_flags_edit_arrives():
    config = Experiment().to_config_dict()
    config.model.hidden = 32
    config.optim.learning_rate = 0.5
    experiment = Experiment.from_config_dict(config)
    assert (experiment.model.hidden, experiment.optim.learning_rate) == (32, 0.5)
    assert dataclasses.replace(experiment, model=model_config(), optim=OptimConfig()) == Experiment()


def test_missing_keys_keep_their_defaults():
    assert Experiment.from_config_dict({"model": {"layers": 2}}) == Experiment(model=model_config(layers=2))


def test_an_experiment_cannot_be_changed_once_it_is_made():
    for record in (Experiment(), *(group() for group in GROUPS.values())):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, dataclasses.fields(record)[0].name, None)


def test_whole_numbers_are_taken_for_fractions_but_not_the_reverse():
    assert type(build("optim.learning_rate", 1).optim.learning_rate) is float
    with pytest.raises(UserError, match=r"model\.hidden=8\.0 is float; it must be int"):
        build("model.hidden", 8.0)


WRONG_TYPES = [("train.steps", "10"), ("train.steps", True), ("model.residual", 1), ("model.cell", None),
               ("compute.fast", 1),
               ("optim.clip_norm", "5"), ("optim.clip_norm", False), ("data.actions", ["walking"])]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), WRONG_TYPES)
def test_a_wrong_type_is_named(path, value):
    with pytest.raises(UserError, match=rf"config: {path}=.* is {type(value).__name__}; it must be \w+$"):
        build(path, value)


def test_an_unknown_key_is_named_with_the_valid_ones():
    with pytest.raises(UserError, match=r"unknown key optim\.rate; valid keys: clip_kind, .*learning_rate"):
        build("optim.rate", 3)
    with pytest.raises(UserError, match=r"unknown key modle; valid keys: compute, data, eval, labels, model"):
        build("modle", {})
    with pytest.raises(UserError, match=r"model=3 must be a group of fields"):
        build("model", 3)


NAMES = [
    "data.statistics", "model.name", "model.cell", "model.attention", "model.output", "optim.name", "optim.clip_kind",
    "compute.precision", "train.loss", "train.coin", "train.forcing_schedule",
]  # fmt: skip


@pytest.mark.parametrize("path", NAMES)
def test_a_wrong_name_is_shown_with_the_right_ones(path):
    with pytest.raises(UserError, match=rf"^{path}='nonsense': must be one of \w+"):
        build(path, "nonsense")


IMPOSSIBLE = [
    ("data.source_length", 1), ("data.target_length", 0), ("data.stride", 0), ("model.hidden", 0), ("model.layers", 0),
    ("model.heads", 0), ("compute.unroll", 0), ("compute.micro_batch", -1),
    ("optim.learning_rate", 0.0), ("optim.learning_rate", math.nan),
    ("optim.learning_rate", math.inf), ("optim.decay_rate", 0.0), ("optim.decay_rate", 1.1), ("optim.decay_steps", 0),
    ("optim.clip_norm", -1.0), ("optim.momentum", 2.0), ("optim.momentum", math.nan), ("optim.weight_decay", -0.1),
    ("optim.weight_decay", math.inf), ("optim.warmup_steps", -1), ("optim.final_fraction", 2.0), ("train.ema", 1.0),
    ("train.patience", -1), ("data.speed_range", -0.1), ("data.amplitude_range", math.nan),
    ("data.posture_range", 2.0),
    ("train.steps", 0), ("train.batch", -3), ("train.seed", -1), ("train.teacher_forcing", 1.5),
    ("train.forcing_end", -0.5), ("train.steps_per_dispatch", 0), ("train.log_every", 0), ("train.report_every", 0),
    ("train.checkpoint_every", 0), ("train.keep_last", 0), ("eval.batch", 0), ("eval.frames", "0,2"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), IMPOSSIBLE)
def test_an_impossible_number_is_named_with_its_bounds(path, value):
    with pytest.raises(UserError, match=rf"^{path}=\S+: must (be|lie) "):
        build(path, value)


def test_what_fits_no_other_field_is_refused():
    with pytest.raises(UserError, match=r"model\.heads=3 must divide model\.hidden=8"):
        model_config(hidden=8, heads=3, attention="multi_head")
    assert model_config(hidden=8, heads=3).heads == 3  # no heads, no matter
    with pytest.raises(UserError, match=r"frame 14, but data\.target_length=10"):
        Experiment(data=DataConfig(target_length=10))
    few = DataConfig(source_length=10, target_length=30)
    with pytest.raises(UserError, match=r"model\.predicted=0: predicts all data\.target_length=30 .* at most data\.so"):
        Experiment(model=model_config("dct_mixer"), data=few)
    for name in ("learn_traj_dep", "pgbig"):
        with pytest.raises(UserError, match=r"model\.observed=11: must be at most data\.source_length=10"):
            Experiment(model=model_config(name, observed=11), data=few)
    with pytest.raises(UserError, match=r"model\.window=5: must be at most data\.source_length=4"):
        Experiment(model=model_config("running_average", window=5), data=DataConfig(source_length=4))

    with pytest.raises(UserError, match=r"labels\.hop=6: must be at most labels\.window=5"):
        LabelsConfig(window=5, hop=6)
    with pytest.raises(UserError, match=r"labels\.inputs='angles, angles': names one of them twice"):
        LabelsConfig(inputs="angles, angles")
    with pytest.raises(UserError, match=r"train\.batch=2: must be at least 3 where train\.loss='triplet'"):
        Experiment(model=model_config("bi_lstm"), train=TrainConfig(batch=2, loss="triplet"))


def test_lists_are_names_separated_by_commas():
    config = EvalConfig(protocols=" srnn ,windows256,", frames="2, 4")
    assert config.protocol_names == ("srnn", "windows256")
    assert config.frame_numbers == (2, 4)
    with pytest.raises(UserError, match=r"eval\.frames='2,x': whole numbers separated by commas"):
        EvalConfig(frames="2,x")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", '"ab"', '{"model": 3}', '{"modle": {}}'])
def test_a_file_that_holds_no_config_is_named(text):
    with pytest.raises(UserError, match=r"^runs/a/config\.json: not a config of this version: "):
        Experiment.from_json(text, "runs/a/config.json")


UNREAD = [
    ("erd", {"attention": "dot"}, r"model\.attention: model 'erd' does not read it \(seq2seq does\); it reads hidden"),
    ("zero_velocity", {"hidden": 3}, r"model\.hidden: model 'zero_velocity' does not read it .*; it reads no field$"),
    ("seq2seq", {"window": 3}, r"model\.window: model .seq2seq. does not read it \(conv_seq2seq, running_average do\)"),
    ("crbm", {"hiden": 3}, r"model\.hiden: model 'crbm' does not read it; it reads hidden, order, gibbs$"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "message"), UNREAD)
def test_a_field_that_the_model_does_not_read_is_refused_by_name(name, fields, message):
    with pytest.raises(UserError, match=message):
        model_config(name, **fields)
    with pytest.raises(UserError, match=message):
        Experiment.from_config_dict({"model": {"name": name, **fields}})


def test_a_setting_of_another_group_that_the_model_does_not_read_is_refused():
    with pytest.raises(UserError, match=r"^train\.teacher_forcing=0\.25: model 'erd' does not read it"):
        Experiment(model=model_config("erd"), train=TrainConfig(teacher_forcing=0.25))
    saved = Experiment(model=model_config("erd")).to_dict()
    assert saved["model"] == {"name": "erd", "hidden": 1024, "layers": 1, "noise": "none"}
    assert not {"teacher_forcing", "coin"} & saved["train"].keys()
    assert Experiment.from_config_dict(saved) == Experiment(model=model_config("erd"))


@pytest.mark.parametrize(("name", "field", "value"), [("adam", "momentum", 0.5), ("sgd", "weight_decay", 0.1)])
def test_a_field_that_the_optimiser_does_not_read_is_refused(name, field, value):
    with pytest.raises(UserError, match=rf"optim\.{field}={value}: {name} does not read it; \w+"):
        OptimConfig(name=name, **{field: value})


def test_a_config_of_an_earlier_version_is_told_in_one_line():
    old = json.dumps({"name": "Bi-Enc-50", "model": {"name": "seq2seq", "window": 2, "precision": "float32"}})
    message = r"^runs/a/config\.json: .* written by an earlier version of motion_jax, before 0\.2: train anew$"
    with pytest.raises(UserError, match=message):
        Experiment.from_json(old, "runs/a/config.json")


def test_a_range_of_augmentation_that_nothing_reads_is_refused():
    with pytest.raises(
        UserError, match=r"data\.speed_range=0\.5: nothing reads it unless data\.augmentation names 'speed'"
    ):
        DataConfig(speed_range=0.5)
    assert DataConfig(augmentation="speed", speed_range=0.5).speed_range == 0.5
