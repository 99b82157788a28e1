"""The Flax peer: the library's net with `flax.linen`'s own cell and scans, trained as Flax's own examples train."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from motion_jax.benchmark.case import CLIP_FRAMES, WIDTH, Built, Case, clips
from motion_jax.benchmark.compiled import planned_memory
from motion_jax.benchmark.ours import parameters
from motion_jax.data.packed_clips import PackedClips, pack_clips, sample_windows
from motion_jax.losses import mse
from motion_jax.nn.attention import ScoreParams
from motion_jax.nn.cells import GRUParams
from motion_jax.train.optimizer import make_optimizer
from motion_jax.types import Array, Clip

GATES = "rzn"
DIRECTIONS = ("forward", "backward")


class Step(nn.Module):
    """One decoder step; `keys` are projected once, outside."""

    hidden: int
    dtype: Any  # of matmul operands

    @nn.compact
    def __call__(self, carry: tuple[Array, Array], states: Array, keys: Array) -> tuple[tuple[Array, Array], Array]:
        """Carry (h `[B, H]`, frame `[B, N]`), states and keys `[B, S, H]`, to the next carry and frame."""
        h, x = carry
        query = nn.Dense(self.hidden, use_bias=False, dtype=self.dtype, name="query")(h)
        scores = nn.Dense(1, use_bias=False, dtype=self.dtype, name="score")(nn.tanh(query[:, None] + keys))[..., 0]
        context = jnp.einsum("bs,bsh->bh", nn.softmax(scores.astype(jnp.float32)), states)
        h, _ = nn.GRUCell(self.hidden, dtype=self.dtype, name="cell")(h, jnp.concatenate([x, context], axis=-1))
        x = x + nn.Dense(WIDTH, dtype=self.dtype, name="read_out")(h)
        return (h, x), x


class Net(nn.Module):
    """From a history `[B, S, N]` to frames `[B, T, N]`."""

    hidden: int
    target: int
    bidirectional: bool
    dtype: Any

    @nn.compact
    def __call__(self, history: Array) -> Array:
        """Encodes all but the last frame, decodes from it."""
        h, states = self._encode(history[:, :-1])
        keys = nn.Dense(self.hidden, dtype=self.dtype, name="key")(states)
        over: Any = nn.broadcast  # every step is given all of it; the annotation of in_axes knows only numbers
        decode = nn.scan(Step, variable_broadcast="params", split_rngs={"params": False}, in_axes=over, out_axes=1,
                         length=self.target)  # fmt: skip
        _, frames = decode(self.hidden, self.dtype, name="step")((h, history[:, -1]), states, keys)
        return frames

    def _encode(self, inputs: Array) -> tuple[Array, Array]:
        """The last state `[B, H]` and the states `[B, S-1, H]`; two directions are added."""
        names = DIRECTIONS if self.bidirectional else DIRECTIONS[:1]
        rnns = [nn.RNN(nn.GRUCell(self.hidden, dtype=self.dtype, name=name), return_carry=True) for name in names]
        if not self.bidirectional:
            return rnns[0](inputs)
        (last, first), states = nn.Bidirectional(*rnns, merge_fn=jnp.add, return_carry=True)(inputs)
        return last + first, states


def make_net(case: Case) -> Net:
    """The net of a case."""
    dtype = jnp.bfloat16 if case.precision == "bf16" else jnp.float32
    return Net(case.hidden, case.target, case.bidirectional, dtype)


def variables(case: Case) -> dict[str, Any]:
    """The library's parameters as Flax's: its cell has one bias on r and z, which is the sum of ours."""
    p = jax.device_put(parameters(case))
    encoder, attention, read_out = p.encoder[0], cast(ScoreParams, p.decoder.attention), p.decoder.read_out
    cells = {"forward": encoder}
    if case.bidirectional:
        cells = {name: jax.tree.map(lambda leaf, d=d: leaf[d], encoder) for d, name in enumerate(DIRECTIONS)}
    step = {"query": {"kernel": attention.w_query}, "score": {"kernel": attention.v[:, None]},
            "cell": _cell(p.decoder.layers[0]), "read_out": {"kernel": read_out.w, "bias": read_out.b}}  # fmt: skip
    key = {"kernel": attention.w_key, "bias": attention.b}
    return {"params": {**{name: _cell(cell) for name, cell in cells.items()}, "key": key, "step": step}}


def named_gradients(case: Case, gradient: Any) -> dict[str, np.ndarray]:
    """Of the parameters whose gradient crosses the whole net, under the library's names and layout."""
    p = gradient["params"]
    named = {".decoder.read_out.w": p["step"]["read_out"]["kernel"], ".decoder.attention.w_key": p["key"]["kernel"],
             ".decoder.attention.w_query": p["step"]["query"]["kernel"],
             ".decoder.layers[0].w_input": _joined(p["step"]["cell"], "i"),
             ".decoder.layers[0].w_hidden": _joined(p["step"]["cell"], "h")}  # fmt: skip
    for name, side in ((".encoder[0].w_input", "i"), (".encoder[0].w_hidden", "h")):
        cells = [_joined(p[cell], side) for cell in DIRECTIONS if cell in p]
        named[name] = jnp.stack(cells) if case.bidirectional else cells[0]
    return {name: np.asarray(leaf) for name, leaf in named.items()}


def _cell(p: GRUParams) -> dict[str, dict[str, Array]]:
    w_input, w_hidden, b_input, b_hidden = (jnp.split(leaf, 3, axis=-1) for leaf in p)
    cell = {f"i{gate}": {"kernel": w_input[g], "bias": b_input[g]} for g, gate in enumerate(GATES)}
    cell |= {f"h{gate}": {"kernel": w_hidden[g]} for g, gate in enumerate(GATES)}
    cell["hn"]["bias"] = b_hidden[2]
    for g in (0, 1):
        cell[f"i{GATES[g]}"]["bias"] = b_input[g] + b_hidden[g]
    return cell


def _joined(cell: Any, side: str) -> Array:
    return jnp.concatenate([cell[f"{side}{gate}"]["kernel"] for gate in GATES], axis=-1)


MATMULS = {"float32": "highest", "tf32": "default", "bf16": "default"}  # of float32 operands, on a GPU


def build(case: Case, implementation: str) -> Built:
    """Compiles the case."""
    del implementation
    with jax.default_matmul_precision(MATMULS[case.precision]):
        return _build_train(case) if case.work == "train" else _build_infer(case)


def _build_train(case: Case) -> Built:
    experiment = case.experiment()
    optimizer = make_optimizer(experiment)
    loss_of = _loss(case)

    def update(params: Any, opt_state: Any, key: Array, packed: PackedClips) -> tuple[Any, Any, Array, Array]:
        key, draw_key = jax.random.split(key)
        batch = sample_windows(packed, draw_key, case.batch, case.space(), experiment.data)
        loss, gradient = jax.value_and_grad(loss_of)(params, batch.history, batch.future)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, key, loss

    motion = clips(case, CLIP_FRAMES * experiment.data.stride)
    packed = pack_clips(
        tuple(Clip(f, "", "walking", 1, "train", "random") for f in motion), case.space(), experiment.data
    )
    params = variables(case)
    state = (params, optimizer.init(params), jax.random.key(0))
    begun = time.perf_counter()
    compiled = jax.jit(update, donate_argnums=(0, 1)).lower(*state, packed).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)

    def call() -> None:
        nonlocal state
        *state, loss = compiled(*state, packed)
        jax.block_until_ready((state, loss))

    return Built(call, lambda: _gradients(case), compile_s=compile_s, peak_bytes=memory, temp_bytes=memory)


def _build_infer(case: Case) -> Built:
    arguments = jax.device_put((variables(case), case.windows(case.batch)[0]))
    begun = time.perf_counter()
    compiled = jax.jit(make_net(case).apply).lower(*arguments).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)
    return Built(lambda: jax.block_until_ready(compiled(*arguments)), lambda: _gradients(case), compile_s=compile_s,
                 peak_bytes=memory, temp_bytes=memory)  # fmt: skip


def _loss(case: Case) -> Callable[[Any, Array, Array], Array]:
    net = make_net(case)

    def loss(params: Any, history: Array, future: Array) -> Array:
        predicted: Any = net.apply(params, history)  # beside it, a changed state, if there were one
        return mse(predicted, future)

    return loss


def _gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    history, future = map(jnp.asarray, case.windows(case.batch))
    with jax.default_matmul_precision(MATMULS[case.precision]):
        loss, gradient = jax.jit(jax.value_and_grad(_loss(case)))(variables(case), history, future)
    return float(loss), named_gradients(case, gradient)
