"""Makes the goldens beside this file: what PyTorch computes in float64 with the same weights.

    pip install torch==2.13.0 numpy
    python tests/goldens/make_goldens.py

Nothing here imports the package, and no test imports this file or torch. Weights are stored under the names and in the
layout of the package's parameters: `[in, out]`, gates side by side, a bidirectional layer's two directions stacked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

B, S, T, N, H, HEADS = 2, 5, 4, 6, 4, 2
HERE = Path(__file__).parent
Named = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


def main() -> None:
    """Writes one file for each room of the tests."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    save("recurrent", {k: v for kind in RECURRENT for k, v in recurrent_cases(kind)})
    save("attention", {k: v for kind in ATTENTIONS for k, v in attention_case(kind)})
    save("seq2seq", {k: v for name, options in SEQ2SEQ.items() for k, v in seq2seq_case(name, options)})
    save("norm", dict(norm_cases()))


def save(name: str, arrays: Arrays) -> None:
    """Compressed, without pickles."""
    np.savez_compressed(HERE / f"{name}.npz", allow_pickle=False, **arrays)


def plain(tensor: Tensor) -> np.ndarray:
    """In C order, so that the bytes do not depend on how the tensor came about."""
    return np.array(tensor.detach().numpy(), order="C")


# --- recurrent layers

RECURRENT: dict[str, type[nn.RNNBase]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


def recurrent_parameters(layer: nn.Module, suffixes: tuple[str, ...]) -> Named:
    """By our names, one direction for each suffix; only torch.nn.GRU's two biases are not redundant."""
    both: list[Named] = []
    for suffix in suffixes:
        w, u, b, c = (getattr(layer, f"{name}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        biases = {"b_input": b, "b_hidden": c} if isinstance(layer, nn.GRU | nn.GRUCell) else {"b": b + c}
        both.append({"w_input": w.T, "w_hidden": u.T} | biases)
    if len(both) == 1:
        return both[0]
    return {name: torch.stack([one[name] for one in both]) for name in both[0]}


def run_layer(layer: nn.RNNBase, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Last state and outputs; the two directions of a bidirectional layer are added."""
    outputs, last = layer(x)
    state = tuple(part.sum(0) for part in (last if isinstance(last, tuple) else (last,)))
    return state, sum(outputs.split(H, dim=-1))


def recurrent_cases(kind: str) -> Iterator[tuple[str, np.ndarray]]:
    """A stack of two layers in each direction; a stack of one is its lower layer."""
    for direction, both in (("uni", False), ("bi", True)):
        case, x = f"{kind}/{direction}", torch.randn(S, B, N)
        yield f"{case}/inputs", plain(x)
        for depth, width in enumerate((N, H)):
            layer = RECURRENT[kind](width, H, bidirectional=both)
            named = recurrent_parameters(layer, ("_l0", "_l0_reverse") if both else ("_l0",))
            state, x = run_layer(layer, x)
            yield from ((f"{case}/params/{depth}.{name}", plain(value)) for name, value in named.items())
            yield from ((f"{case}/state/{depth}.{part}", plain(value)) for part, value in enumerate(state))
            yield f"{case}/outputs/{depth}", plain(x)


# --- attention: a query h [B, H] and encoder states a [B, S, H] to a context [B, H] and weights [B, S]

Read = tuple[Tensor, Tensor, Named]


def softmax_context(energy: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """c = sum_j softmax(e)_j a_j."""
    weights = torch.softmax(energy, dim=-1)
    return (weights[..., None] * a).sum(1), weights


def linear(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Thesis 3.20: e_j = f1(h, a_j), f1 one linear layer."""
    f1 = nn.Linear(2 * H, 1)
    energy = torch.stack([f1(torch.cat([h, a[:, j]], -1))[:, 0] for j in range(S)], 1)
    w = f1.weight[0]
    return *softmax_context(energy, a), {"w_query": w[:H], "w_key": w[H:], "b": f1.bias[0]}


def location(h: Tensor, a: Tensor, x: Tensor) -> Read:
    """Robertson 2019: softmax(W [x; h]) over positions."""
    attn = nn.Linear(N + H, S)
    return *softmax_context(attn(torch.cat([x, h], -1)), a), {"w": attn.weight.T, "b": attn.bias}


def additive(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Bahdanau 2015, A.1.2: e_j = v . tanh(W h + U a_j)."""
    w, u, v = nn.Linear(H, H, bias=False), nn.Linear(H, H), nn.Linear(H, 1, bias=False)
    energy = torch.cat([v(torch.tanh(w(h) + u(a[:, j]))) for j in range(S)], 1)
    return *softmax_context(energy, a), {"w_query": w.weight.T, "w_key": u.weight.T, "b": u.bias, "v": v.weight[0]}


def concat(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Luong 2015, eq. 8: e_j = v . tanh(W [h; a_j]), W one layer."""
    w, v = nn.Linear(2 * H, H), nn.Linear(H, 1, bias=False)
    energy = torch.cat([v(torch.tanh(w(torch.cat([h, a[:, j]], -1)))) for j in range(S)], 1)
    split = {"w_query": w.weight[:, :H].T, "w_key": w.weight[:, H:].T}
    return *softmax_context(energy, a), split | {"b": w.bias, "v": v.weight[0]}


def dot(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Luong 2015, eq. 8: e_j = h . a_j."""
    return *softmax_context(torch.bmm(a, h[..., None])[..., 0], a), {}


def general(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Luong 2015, eq. 8: e_j = h W a_j."""
    w = nn.Linear(H, H, bias=False)
    return *softmax_context(torch.bmm(w(a), h[..., None])[..., 0], a), {"": w.weight}


def scaled_dot(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Vaswani 2017, eq. 1; torch gives no weights, so they are written out."""
    maps = {"query": nn.Linear(H, H), "key": nn.Linear(H, H), "value": nn.Linear(H, H)}
    q, k, v = maps["query"](h)[:, None], maps["key"](a), maps["value"](a)
    context = nn.functional.scaled_dot_product_attention(q, k, v)[:, 0]
    weights = torch.softmax(q @ k.mT / math.sqrt(H), -1)[:, 0]
    split = {f"{name}.{part}": value for name, m in maps.items() for part, value in (("w", m.weight.T), ("b", m.bias))}
    return context, weights, split


def multi_head(h: Tensor, a: Tensor, _x: Tensor) -> Read:
    """Vaswani 2017, 3.2.2."""
    attn = nn.MultiheadAttention(H, HEADS, bias=False, batch_first=True)
    context, weights = attn(h[:, None], a, a)
    names = ("w_query", "w_key", "w_value")
    split = {n: w.T.reshape(H, HEADS, -1) for n, w in zip(names, attn.in_proj_weight.chunk(3), strict=True)}
    return context[:, 0], weights[:, 0], split | {"w_out": attn.out_proj.weight.T.reshape(HEADS, -1, H)}


ATTENTIONS = {f.__name__: f for f in (linear, location, additive, concat, dot, general, scaled_dot, multi_head)}


def attention_case(kind: str) -> Iterator[tuple[str, np.ndarray]]:
    """One query."""
    given = {"h": torch.randn(B, H), "states": torch.randn(B, S, H), "x": torch.randn(B, N)}
    context, weights, named = ATTENTIONS[kind](given["h"], given["states"], given["x"])
    yield from ((f"{kind}/{name}", plain(value)) for name, value in given.items())
    yield from ((f"{kind}/params/{name}", plain(value)) for name, value in named.items())
    yield f"{kind}/context", plain(context)
    yield f"{kind}/weights", plain(weights)


# --- the whole model

SEQ2SEQ: dict[str, dict] = {
    "additive_uni": {},
    "additive_bi": {"both": True},
    "general_uni": {"kind": "general"},
    "additive_full": {"output": "full", "residual": False},
    "none_combine": {"kind": "none", "output": "combine"},
}
MASKS = {
    "free": np.zeros((B, T), bool),
    "one_step": np.ones((B, T), bool),
    "mixed": np.array([[True, False, True, False], [False, True, True, False]]),
}


class Seq2Seq(nn.Module):
    """Thesis 4.2: GRU encoder and decoder; additive attention before the step, or general after it (Luong)."""

    def __init__(self, kind: str = "additive", both: bool = False, output: str = "hidden", residual: bool = True):
        super().__init__()
        self.kind, self.both, self.output, self.residual = kind, both, output, residual
        seen = N if kind == "none" else N + H
        self.encoder = nn.GRU(N, H, bidirectional=both)
        self.combine = nn.Linear(seen, H) if output == "combine" else None
        self.cell = nn.GRUCell(H if output == "combine" else seen, H)
        self.query, self.key, self.energy = nn.Linear(H, H, bias=False), nn.Linear(H, H), nn.Linear(H, 1, bias=False)
        self.general, self.joined = nn.Linear(H, H, bias=False), nn.Linear(2 * H, H)
        self.out = nn.Linear(seen + H if output == "full" else H, N)

    def forward(self, history: Tensor, future: Tensor, forced: Tensor) -> Tensor:
        (h,), outputs = run_layer(self.encoder, history[:, :-1].transpose(0, 1))
        a, x, fed, frames = outputs.transpose(0, 1), history[:, -1], torch.zeros(B, H), []
        for t in range(T):
            if t:
                x = torch.stack([future[b, t - 1] if forced[b, t] else frames[-1][b] for b in range(B)])
            y, h, fed = self.step(x, h, a, fed)
            frames.append(y)
        return torch.stack(frames, 1)

    def step(self, x: Tensor, h: Tensor, a: Tensor, fed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        context = {"none": torch.zeros(B, 0), "general": fed}.get(self.kind)
        if context is None:
            energy = [self.energy(torch.tanh(self.query(h) + self.key(a[:, j]))) for j in range(a.shape[1])]
            context = softmax_context(torch.cat(energy, 1), a)[0]
        seen = torch.cat([x, context], -1)
        h = self.cell(torch.relu(self.combine(seen)) if self.combine else seen, h)
        known = h
        if self.kind == "general":
            context = softmax_context(torch.bmm(self.general(a), h[..., None])[..., 0], a)[0]
            fed = known = torch.tanh(self.joined(torch.cat([context, h], -1)))
        y = self.out(torch.cat([x, h, context], -1) if self.output == "full" else known)
        return (x + y if self.residual else y), h, fed

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Ours by torch's: name, and the view of the parameter (or of its gradient) that we store."""
        encoder = recurrent_parameters(self.encoder, ("_l0", "_l0_reverse") if self.both else ("_l0",))
        yield from ((f"encoder.0.{name}", value) for name, value in encoder.items())
        yield from ((f"decoder.layers.0.{name}", v) for name, v in recurrent_parameters(self.cell, ("",)).items())
        if self.kind == "additive":
            parts = (self.query.weight.T, self.key.weight.T, self.key.bias, self.energy.weight[0])
            names = ("w_query", "w_key", "b", "v")
            yield from ((f"decoder.attention.{n}", part) for n, part in zip(names, parts, strict=True))
        if self.kind == "general":
            yield "decoder.attention", self.general.weight
        used = {
            "combine": self.combine,
            "attend": self.joined if self.kind == "general" else None,
            "read_out": self.out,
        }
        for name, layer in used.items():
            if layer is not None:
                yield f"decoder.{name}.w", layer.weight.T
                yield f"decoder.{name}.b", layer.bias


def seq2seq_case(name: str, options: dict) -> Iterator[tuple[str, np.ndarray]]:
    """Prediction, MSE and the gradient of every parameter for each mask."""
    model, history, future = Seq2Seq(**options), torch.randn(B, S + 1, N), torch.randn(B, T, N)
    yield f"{name}/history", plain(history)
    yield f"{name}/future", plain(future)
    yield from ((f"{name}/params/{key}", plain(value)) for key, value in model.named())
    for mask, forced in MASKS.items():
        model.zero_grad()
        prediction = model(history, future, torch.from_numpy(forced))
        loss = nn.functional.mse_loss(prediction, future)
        loss.backward()
        yield f"{name}/{mask}/forced", forced
        yield f"{name}/{mask}/prediction", plain(prediction)
        yield f"{name}/{mask}/loss", plain(loss)
        yield from ((f"{name}/{mask}/gradient/{key}", plain(value)) for key, value in gradients(model))


def gradients(model: Seq2Seq) -> Iterator[tuple[str, Tensor]]:
    """The same views of a copy that holds the gradients in the parameters' places."""
    options = {"kind": model.kind, "both": model.both, "output": model.output, "residual": model.residual}
    copy = Seq2Seq(**options)
    with torch.no_grad():
        for target, source in zip(copy.parameters(), model.parameters(), strict=True):
            target.copy_(torch.zeros_like(source) if source.grad is None else source.grad)
    yield from copy.named()


# --- normalisation


def norm_cases() -> Iterator[tuple[str, np.ndarray]]:
    """Layer norm of a batch; batch norm of two batches in training, then of the first in prediction."""
    layers = {"layer": nn.LayerNorm(N), "batch": nn.BatchNorm1d(N)}
    batches = 3 * torch.randn(2, B * S, N) + torch.randn(N)
    yield "batches", plain(batches)
    for name, layer in layers.items():
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
        yield f"{name}/params/scale", plain(layer.weight)
        yield f"{name}/params/shift", plain(layer.bias)
    yield "layer/normed", plain(layers["layer"](batches[0]))
    batch = layers["batch"]
    for number, x in enumerate(batches):
        yield f"batch/trained/{number}", plain(batch(x))
        yield f"batch/mean/{number}", plain(batch.running_mean.clone())
        yield f"batch/variance/{number}", plain(batch.running_var.clone())
    yield "batch/predicted", plain(batch.eval()(batches[0]))


if __name__ == "__main__":
    main()
