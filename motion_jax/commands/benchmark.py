"""Times training steps and predictions, beside peers in the same interleaved run if asked.

motion-jax benchmark --work=train,infer --batch=16,128 --hidden=256 --json=bench.json --markdown=bench.md
motion-jax benchmark --threads=1 --peer=torch,torch_compile,flax,plain      (one thread on either side)
motion-jax benchmark --threads=1 --model=simlpe,his_rep_itself,dct_mixer --batch=1,64,256 --peer=torch,torch_compile
motion-jax benchmark --threads=1 --model=ru_lstm --hidden=128,1024 --batch=1,128 --peer=torch       (alone)
motion-jax benchmark --batch=1,16,128,1024 --precision=float32,tf32,bf16 --plot=pictures
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import jax
from absl import flags

from motion_jax import config
from motion_jax.benchmark import peers, plots, roofline, ru_lstm, sweep, torch_peer
from motion_jax.benchmark.case import MODELS, WORKS
from motion_jax.benchmark.growth import growths
from motion_jax.benchmark.page import page
from motion_jax.benchmark.run import measure
from motion_jax.commands import cli
from motion_jax.commands.outputs import check_outputs
from motion_jax.errors import UserError
from motion_jax.nn.attention import ATTENTIONS
from motion_jax.nn.cells import CELLS
from motion_jax.runtime import devices, timing
from motion_jax.runtime.files import write_text
from motion_jax.runtime.names import in_line

_NUMBERS = {name: flags.DEFINE_string(name, default, f"{text}, separated by commas.") for name, default, text in (
    ("batch", "16", "Batch sizes"), ("hidden", "256", "Hidden widths"), ("source", "50", "Observed frames"),
    ("target", "25", "Predicted frames"), ("layers", "1", "Recurrent layers"),
    ("per_dispatch", "10", "K, updates to a dispatch in training, at most"),
    ("unroll", "1", "Steps of a loop compiled as one"),
)}  # fmt: skip
_NAMES = {name: (flags.DEFINE_string(name, default, f"{', '.join(allowed)}; several separated by commas."), allowed)
          for name, default, allowed in (
    ("work", "train", WORKS), ("model", config.DEFAULT_MODEL, (*MODELS, ru_lstm.MODEL)),
    ("attention", "additive", ("none", *ATTENTIONS)), ("cell", "gru", tuple(CELLS)),
    ("precision", "float32", config.PRECISIONS),
)}  # fmt: skip
_PEER = flags.DEFINE_string("peer", "", f"Also time these: {', '.join(peers.PEERS)}; several separated by commas.")
_BIDIRECTIONAL = flags.DEFINE_bool("bidirectional", False, "A bidirectional encoder.")
_MICRO_BATCH = flags.DEFINE_integer("micro_batch", 0, "Sequences computed at once; 0: by platform.", lower_bound=0)
_CUDA_GRAPHS = flags.DEFINE_bool("cuda_graphs", False, "On a GPU, capture the loops as graphs.")
_SECONDS = flags.DEFINE_float("seconds", 10.0, "Time for each implementation of each case.", lower_bound=0.0)
_THREADS = flags.DEFINE_integer("threads", None, "Confine the process to so many cores.", lower_bound=1)
_JSON = cli.define_path("json", "", "Write machine and rows here.")
_MARKDOWN = cli.define_path("markdown", "", "Write machine and tables here.")
_PLOT = cli.define_path("plot", "", "Write pictures of the sweep into this folder.")


def main(_: list[str]) -> None:
    """Measures every combination."""
    values = {name: sweep.numbers(name, flag.value) for name, flag in _NUMBERS.items()}
    named = {name: sweep.names(name, flag.value, allowed) for name, (flag, allowed) in _NAMES.items()}
    chosen = sweep.names("peer", _PEER.value, tuple(peers.PEERS)) if _PEER.value else []
    anticipates = named["model"] == [ru_lstm.MODEL]
    if ru_lstm.MODEL in named["model"] and not anticipates:
        raise UserError(f"--model={_NAMES['model'][0].value}: {ru_lstm.MODEL}, which anticipates, is measured alone")
    if anticipates:
        named["model"] = [config.DEFAULT_MODEL]  # of cases, which are not measured
    single = {"bidirectional": _BIDIRECTIONAL, "cuda_graphs": _CUDA_GRAPHS, "micro_batch": _MICRO_BATCH}
    cases = sweep.cases(named | values | {name: [flag.value] for name, flag in single.items()})
    check_outputs({flag.name: flag.value for flag in (_JSON, _MARKDOWN)})
    if _PLOT.value:
        plots.check_plots(_PLOT.value)
    if _THREADS.value:
        timing.pin(_THREADS.value)
        devices.use_cores()
    jax.config.update("jax_enable_compilation_cache", False)  # else compile_s would be the time to read a file
    peers.check_available(chosen)
    if anticipates:
        _measure_anticipation(named["work"], values, chosen)
        return
    ceilings = roofline.measure(named["precision"])
    if any(peers.PEERS[name].needs_torch for name in chosen):
        rates = {precision: torch_peer.matmul_gflops_per_s(precision) for precision in named["precision"]}
        ceilings = dataclasses.replace(ceilings, torch_gflops_per_s=rates)
    machine, rows = timing.machine() | dataclasses.asdict(ceilings), []
    text = ""
    for case in cases:
        rows += measure(case, chosen, _SECONDS.value, ceilings)
        text = _write(machine, rows)  # each time: what a sweep has measured stays when it is stopped
    print(text)
    pictures = plots.growth_plots(growths(rows), _PLOT.value) if _PLOT.value else []
    for path in filter(None, (_JSON.value, _MARKDOWN.value, *pictures)):
        print(f"wrote {in_line(path)}")


def _measure_anticipation(works: list[str], values: dict[str, list[int]], chosen: list[str]) -> None:
    """Of --work, --batch and --hidden every combination; other choices are not read."""
    rows = []
    for work, batch, hidden in itertools.product(works, values["batch"], values["hidden"]):
        rows += ru_lstm.measure(work, batch, hidden, chosen, _SECONDS.value)
    text = ru_lstm.table(rows)
    print(text)
    content = json.dumps({"machine": timing.machine(), "rows": rows}, indent=2)
    for path, part in ((_JSON.value, content), (_MARKDOWN.value, text + "\n")):
        if path:
            write_text(path, part)
            print(f"wrote {in_line(path)}")


def _write(machine: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The files that were asked for; returns the tables."""
    found = growths(rows)
    result = {"machine": machine, "rows": rows, "growth": [dataclasses.asdict(growth) for growth in found]}
    text = page(machine, rows, found)
    for path, content in ((_JSON.value, json.dumps(result, indent=2)), (_MARKDOWN.value, text)):
        if path:
            write_text(path, content)
    return text
