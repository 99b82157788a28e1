"""Models by name: the fields that each reads, and the function that makes it."""

from __future__ import annotations

from absl import logging

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.models import (
    aged,
    baselines,
    conv_lstm,
    conv_seq2seq,
    crbm,
    dct_mixer,
    erd,
    gcnext,
    his_rep_itself,
    learn_traj_dep,
    lstm_3lr,
    pgbig,
    quaternet,
    res_sup,
    seq2seq,
    simlpe,
    srnn,
    st_transformer,
    tcn,
    transformer,
)
from motion_jax.pose_space import PoseSpace
from motion_jax.registry import Entry, Registry
from motion_jax.runtime.plugins import load_plugin, plugin_names
from motion_jax.types import Model

PLUGINS = "motion_jax.models"
"""The entry-point group by which other packages add models: each name leads to an `Entry`."""


REGISTRY: Registry[PoseSpace, Model] = Registry("forecasting")
register = REGISTRY.register

register("seq2seq", Entry(seq2seq.Seq2SeqConfig, seq2seq.make))
register("res_sup", Entry(res_sup.ResSupConfig, res_sup.make))
register("erd", Entry(erd.ErdConfig, erd.make))
register("lstm_3lr", Entry(lstm_3lr.Lstm3lrConfig, lstm_3lr.make))
register("srnn", Entry(srnn.SrnnConfig, srnn.make))
register("aged", Entry(aged.AgedConfig, aged.make))
register("quaternet", Entry(quaternet.QuaterNetConfig, quaternet.make))
register("crbm", Entry(crbm.CrbmConfig, crbm.make))
register("simlpe", Entry(simlpe.SimlpeConfig, simlpe.make))
register("dct_mixer", Entry(dct_mixer.DctMixerConfig, dct_mixer.make))
register("learn_traj_dep", Entry(learn_traj_dep.LearnTrajDepConfig, learn_traj_dep.make))
register("his_rep_itself", Entry(his_rep_itself.HisRepItselfConfig, his_rep_itself.make))
register("gcnext", Entry(gcnext.GcnextConfig, gcnext.make))
register("pgbig", Entry(pgbig.PgbigConfig, pgbig.make))
register("transformer", Entry(transformer.TransformerConfig, transformer.make))
register("st_transformer", Entry(st_transformer.StTransformerConfig, st_transformer.make))
register("conv_lstm", Entry(conv_lstm.ConvLstmConfig, conv_lstm.make))
register("conv_seq2seq", Entry(conv_seq2seq.ConvSeq2SeqConfig, conv_seq2seq.make))
register("tcn", Entry(tcn.TcnConfig, tcn.make))
register("zero_velocity", Entry(baselines.ZeroVelocityConfig, baselines.make_zero_velocity))
register("running_average", Entry(baselines.RunningAverageConfig, baselines.make_running_average))

for _name in plugin_names(PLUGINS):
    try:
        if _found := load_plugin(PLUGINS, _name, Entry):
            register(_name, _found)
    except UserError as error:  # the models of this package work without it
        logging.warning("left out: %s", error)


def make(experiment: Experiment, space: PoseSpace) -> Model:
    """The model that `experiment.model` describes. Raises `UserError` where it cannot serve data of this space."""
    return REGISTRY.make(experiment, space)
