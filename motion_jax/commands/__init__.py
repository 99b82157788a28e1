"""The commands: the flags and the body of each, one file a command, and the table of them.

Flags are global to a process (absl), so that only the command that was asked for is loaded.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One row of `motion-jax --help`. Its module has the command's name and a `main(argv)`."""

    summary: str
    keeps_compiled: bool = True  # false: it measures compiling, and so must compile
    checks_device: bool = True  # that a device which JAX_PLATFORMS names is there, before anything is done


COMMANDS = {
    "quickstart": Command("a first result on synthetic motion: trains a small model, scores it, draws a prediction"),
    "convert": Command("converts motion files between formats, or reports what they hold", checks_device=False),
    "prepare": Command("reads and audits recordings, and writes a data set that opens at once"),
    "train": Command("trains a model, with checkpoints and automatic resume"),
    "status": Command("tells how far a run is, whether it lives and what it has saved", checks_device=False),
    "calibrate": Command("measures how far a run's predictions can be trusted, and keeps the radii with it"),
    "sweep": Command("trains variants of a model from several seeds, and prints one table"),
    "evaluate": Command("scores trained runs or baselines beside zero-velocity"),
    "backtest": Command("measures errors and coverage of a run on recordings of one's own, window after window"),
    "predict": Command("continues recorded motions: files in, files out"),
    "watch": Command("shows what is predicted for a recording, as a page in the browser"),
    "recognise": Command("labels recorded motions: what is being done, over sliding windows"),
    "stream": Command("predicts from a motion file in real time, and prints the latency"),
    "visualize": Command("shows predictions as a web page, pictures, films and curves"),
    "pack": Command("packs a calibrated run into a few small files that predict without its data"),
    "export": Command("writes a trained model as StableHLO or ONNX"),
    "benchmark": Command(
        "times training and prediction, beside PyTorch and Flax if asked", keeps_compiled=False, checks_device=False
    ),  # it confines the process to some cores before JAX looks for devices
    "info": Command("prints versions, devices, caches and missing optional packages", checks_device=False),
}
"""In the order in which one meets them."""
