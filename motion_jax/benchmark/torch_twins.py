"""PyTorch twins of the networks that predict many frames at once, with the library's parameters.

"strong" keeps time (of a graph network: the nodes) in front, so that mixing it is one matrix product, with PyTorch's
fused normalisations; "tutorial" has the batch in front and transposes where the authors' code does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from motion_jax.benchmark.case import Case
from motion_jax.models.learn_traj_dep import padded_dct
from motion_jax.nn.dct import dct_matrix

METRES = 1e-3  # of a column of the translation, as the library's losses of angles have it
TRANSLATION = 3  # columns


def make_twin(case: Case, form: str) -> Any:
    """A `torch.nn.Module` from `[B, S, N]` to `[B, T, N]`.

    Its `decode(history)` is the network itself, `[B, P, N]`; `loss(history, future)` what training minimises;
    `pairs()` its parameters under the library's names.
    """
    return _graph_twin(case, form) if case.model == "his_rep_itself" else _mixer_twin(case, form)


def _mixer_twin(case: Case, form: str) -> Any:
    import torch
    from torch import nn

    config: Any = case.experiment().model
    simlpe = case.model == "simlpe"
    predicted, columns = config.predicted or case.target, case.columns

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time = nn.Linear(case.source, case.source, bias=False)
            self.columns = None if simlpe else nn.Linear(columns, columns)
            self.norm = nn.LayerNorm(columns)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if form == "strong":  # [S, B, N]
                mixed = torch.mm(self.time.weight, x.flatten(1)).view_as(x)
            else:  # [B, S, N]
                mixed = self.time(x.transpose(1, 2)).transpose(1, 2)
            return x + self.norm(mixed if self.columns is None else mixed + self.columns(x))

    class Twin(_twin_class(case)):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Linear(columns if simlpe else 2 * columns, columns)
            self.blocks = nn.ModuleList(Block() for _ in range(config.layers))
            self.after = nn.Linear(columns, columns)
            dct = torch.from_numpy(dct_matrix(case.source))
            self.register_buffer("dct", dct)
            self.register_buffer("inverse", dct.T[:predicted].contiguous())

        def decode(self, history: torch.Tensor) -> torch.Tensor:
            last = history[:, -1:]
            x = history
            if not simlpe:
                x = torch.cat([history - last, last.expand_as(history)], dim=-1)
            if form == "strong":
                x = x.transpose(0, 1)
                x = self.before(torch.mm(self.dct, x.flatten(1)).view(x.shape))
                for block in self.blocks:
                    x = block(x)
                x = self.after(x)
                return torch.mm(self.inverse, x.flatten(1)).view(predicted, *x.shape[1:]).transpose(0, 1) + last
            x = self.before(torch.matmul(self.dct, x))
            for block in self.blocks:
                x = block(x)
            return torch.matmul(self.inverse, self.after(x)) + last

        def loss(self, history: torch.Tensor, future: torch.Tensor) -> torch.Tensor:
            error = (self.decode(history) - future[:, :predicted]) * self.units
            return error.abs().mean() + torch.diff(error, dim=1, prepend=torch.zeros_like(error[:, :1])).abs().mean()

        def pairs(self) -> Iterator[tuple[str, torch.Tensor]]:
            for name, layer in (("before", self.before), ("after", self.after)):
                yield from ((f".{name}.w", layer.weight), (f".{name}.b", layer.bias))
            for block in self.blocks:
                yield ".blocks.time", block.time.weight
                yield from ((".blocks.norm.scale", block.norm.weight), (".blocks.norm.shift", block.norm.bias))
                if block.columns is not None:
                    yield from ((".blocks.columns.w", block.columns.weight), (".blocks.columns.b", block.columns.bias))

    return Twin()


def _graph_twin(case: Case, form: str) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    config: Any = case.experiment().model
    nodes, hidden = case.columns, config.hidden
    observed, predicted = config.observed, config.predicted
    length = observed + predicted

    class Convolution(nn.Module):
        """y = A x W + b of x `[n, B, F]`, or of `[B, n, F]`."""

        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.adjacency = nn.Parameter(torch.empty(nodes, nodes))
            self.linear = nn.Linear(inputs, outputs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.linear.in_features < self.linear.out_features:
                return self.linear(self.mixed(x))
            return self.mixed(F.linear(x, self.linear.weight)) + self.linear.bias

        def mixed(self, x: torch.Tensor) -> torch.Tensor:
            if form == "strong":
                return torch.mm(self.adjacency, x.flatten(1)).view(x.shape)
            return torch.matmul(self.adjacency, x)

    class Layer(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.convolution = Convolution(inputs, outputs)
            self.norm = nn.BatchNorm1d(nodes * outputs)
            self.dropout = nn.Dropout(config.dropout)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.convolution(x)
            if form == "strong":
                y = self.norm(y.transpose(0, 1).flatten(1)).view(x.shape[1], nodes, -1).transpose(0, 1)
            else:
                y = self.norm(y.flatten(1)).view_as(y)
            return self.dropout(torch.tanh(y))

    class Twin(_twin_class(case)):
        def __init__(self) -> None:
            super().__init__()
            early, late = observed // 2 + 1, observed - observed // 2
            self.query, self.key = (
                nn.ModuleList(
                    (nn.Conv1d(nodes, hidden, early, bias=False), nn.Conv1d(hidden, hidden, late, bias=False))
                )
                for _ in range(2)
            )
            self.first = Layer(2 * length, hidden)
            self.middle = nn.ModuleList(Layer(hidden, hidden) for _ in range(2 * config.blocks))
            self.last = Convolution(hidden, 2 * length)
            dct = dct_matrix(length)
            self.register_buffer("dct", torch.from_numpy(dct))
            self.register_buffer("padded", torch.from_numpy(padded_dct(dct, observed)))

        def attended(self, history: torch.Tensor) -> torch.Tensor:
            over_time = history.transpose(1, 2)
            query, keys = over_time[..., -observed:], over_time[..., :-predicted]
            for convolution in self.query:
                query = torch.relu(convolution(query))
            for convolution in self.key:
                keys = torch.relu(convolution(keys))
            scores = torch.bmm(query.transpose(1, 2), keys)[:, 0] + 1e-15  # [B, W]
            weights = scores / scores.sum(-1, keepdim=True)
            windows = over_time.unfold(2, length, 1)  # [B, n, W, L + P]
            return torch.matmul(torch.einsum("bw,bnwt->bnt", weights, windows), self.dct.T)

        def trajectory(self, history: torch.Tensor) -> torch.Tensor:
            own = torch.matmul(history[:, -observed:].transpose(1, 2), self.padded)
            x = torch.cat([own, self.attended(history)], dim=-1)  # [B, n, 2 K]
            if form == "strong":
                x = x.transpose(0, 1).contiguous()
            y = self.first(x)
            for one, two in zip(self.middle[::2], self.middle[1::2], strict=True):
                y = y + two(one(y))
            y = x + self.last(y)
            y = torch.matmul(y[..., :length], self.dct)
            return y.permute(1, 2, 0) if form == "strong" else y.transpose(1, 2)

        def decode(self, history: torch.Tensor) -> torch.Tensor:
            return self.trajectory(history)[:, observed:]

        def loss(self, history: torch.Tensor, future: torch.Tensor) -> torch.Tensor:
            truth = torch.cat([history[:, -observed:], future[:, :predicted]], dim=1)
            return F.l1_loss(self.trajectory(history), truth)

        def pairs(self) -> Iterator[tuple[str, torch.Tensor]]:
            for name, kernels in (("query", self.query), ("key", self.key)):
                yield from ((f".{name}.{part}", k.weight) for part, k in zip(("first", "second"), kernels, strict=True))
            yield from _convolution(".graph.last", self.last)
            names = [".graph.first", *(f".graph.blocks[{i // 2}][{i % 2}]" for i in range(len(self.middle)))]
            for name, layer in zip(names, (self.first, *self.middle), strict=True):
                yield from _convolution(f"{name}.convolution", layer.convolution)
                yield from ((f"{name}.norm.scale", layer.norm.weight), (f"{name}.norm.shift", layer.norm.bias))

    def _convolution(name: str, layer: Convolution) -> Iterator[tuple[str, torch.Tensor]]:
        yield from ((f"{name}.adjacency", layer.adjacency), (f"{name}.w", layer.linear.weight),
                    (f"{name}.b", layer.linear.bias))  # fmt: skip

    return Twin()


def _twin_class(case: Case) -> Any:
    """What all twins share: longer predictions are made in turns, from the last S frames."""
    import torch
    from torch import nn

    class Base(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            units = torch.ones(case.columns)
            units[:TRANSLATION] = METRES
            self.register_buffer("units", units)

        def forward(self, history: torch.Tensor) -> torch.Tensor:
            frames = [self.decode(history)]
            for _ in range(math.ceil(case.target / frames[0].shape[1]) - 1):
                history = torch.cat([history, frames[-1]], dim=1)[:, -case.source :]
                frames.append(self.decode(history))
            return torch.cat(frames, dim=1)[:, : case.target]

    return Base


def load(net: Any, parameters: dict[str, np.ndarray]) -> None:
    """Gives the twin the library's parameters, by name. A stack of L layers holds L of the twin's, in turn."""
    import torch

    with torch.no_grad():
        for name, places in _grouped(net).items():
            for theirs, ours in zip(places, parameters[name].reshape(len(places), -1), strict=True):
                turned = ours.reshape(theirs.shape[::-1]).T if _is_turned(name) else ours.reshape(theirs.shape)
                theirs.copy_(torch.from_numpy(turned.copy()))


def named_gradients(net: Any, parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Under the library's names, in its layout."""
    found = {}
    for name, places in _grouped(net).items():
        gradients = [place.grad.cpu().numpy() for place in places]
        found[name] = np.stack([g.T if _is_turned(name) else g for g in gradients]).reshape(parameters[name].shape)
    return found


def _grouped(net: Any) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for name, parameter in net.pairs():
        groups.setdefault(name, []).append(parameter)
    return groups


def _is_turned(name: str) -> bool:
    """PyTorch's weights are `[out, in]` and its kernels `[out, in, time]`, ours the other way around."""
    return not name.endswith((".adjacency", ".scale", ".shift", ".b"))
