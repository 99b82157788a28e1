"""PyTorch twins of the recognisers, of `torch.nn` layers with the library's parameters.

"strong" sums the last layer's outputs over time before the affine layer reads them; "tutorial" reads every frame.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from motion_jax.benchmark.case import CLIP_FRAMES, CLIPS, Built, Case, clips
from motion_jax.benchmark.classifiers import parameters, sequences
from motion_jax.benchmark.torch_peer import FORMS, device
from motion_jax.recognition.hbrnn import FUSIONS, PARTS


def make_net(case: Case, form: str) -> Any:
    """A `torch.nn.Module` from frames `[B, S, N]` to logits `[B, C]`; `pairs()` its parameters, by our names."""
    import torch
    from torch import nn

    config: Any = case.experiment().model
    space = case.label_space()

    def layer(kind: Any, inputs: int, hidden: int) -> Any:
        return kind(inputs, hidden, bidirectional=True, batch_first=True)

    class Base(nn.Module):
        def read(self, y: torch.Tensor) -> torch.Tensor:
            if form == "strong":
                return nn.functional.linear(y.sum(1), self.read_out.weight) + y.shape[1] * self.read_out.bias
            return self.read_out(y).sum(1)

        def penalty(self) -> Any:
            return 0.0

        def pairs(self) -> Iterator[tuple[str, Any]]:
            yield from self.recurrent()
            yield from ((".read_out.w", self.read_out.weight), (".read_out.b", self.read_out.bias))

    class Hbrnn(Base):
        def __init__(self) -> None:
            super().__init__()
            columns = space.part_columns()
            for number, part in enumerate(PARTS):
                self.register_buffer(f"part{number}", torch.tensor(columns[part]))
            below, self.layers = [len(columns[part]) for part in PARTS], nn.ModuleList()
            self.reads = (tuple((n,) for n in range(len(PARTS))), *FUSIONS)
            for kind, hidden, reads in zip((nn.RNN, nn.RNN, nn.RNN, nn.LSTM), config.hidden_of_layers, self.reads,
                                           strict=True):  # fmt: skip
                inputs = [sum(below[n] for n in one) for one in reads]
                self.layers.append(nn.ModuleList(layer(kind, i, hidden) for i in inputs))
                below = [2 * hidden] * len(inputs)
            self.read_out = nn.Linear(below[0], len(space.classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            below = [x.index_select(-1, getattr(self, f"part{n}")) for n in range(len(PARTS))]
            for networks, reads in zip(self.layers, self.reads, strict=True):
                joined = [torch.cat([below[n] for n in one], -1) if len(one) > 1 else below[one[0]] for one in reads]
                below = [network(y)[0] for network, y in zip(networks, joined, strict=True)]
            return self.read(below[0])

        def recurrent(self) -> Iterator[tuple[str, Any]]:
            for depth, networks in enumerate(self.layers):
                for number, network in enumerate(networks):
                    yield f".layers[{depth}][{number}]", network

    class DeepLstm(Base):
        def __init__(self) -> None:
            super().__init__()
            hidden, between = config.hidden, config.feed_forward
            self.layers = nn.ModuleList(layer(nn.LSTM, i, hidden) for i in (case.columns, between, between))
            self.between = nn.ModuleList(nn.Linear(2 * hidden, between) for _ in range(2))
            self.dropout = nn.Dropout(config.dropout)
            self.read_out = nn.Linear(2 * hidden, len(space.classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for network, dense in zip(self.layers, self.between, strict=False):
                x = torch.tanh(dense(network(x)[0]))
            return self.read(self.dropout(self.layers[-1](x)[0]))

        def penalty(self) -> Any:
            total: Any = 0.0
            for network in self.layers:
                for w in (network.weight_ih_l0, network.weight_ih_l0_reverse):
                    groups = w.view(4, config.groups, -1, w.shape[1])
                    total = total + config.l1 * w.abs().sum() + config.l21 * groups.norm(dim=2).sum()
            return total

        def recurrent(self) -> Iterator[tuple[str, Any]]:
            yield from ((f".layers[{number}]", network) for number, network in enumerate(self.layers))
            for number, dense in enumerate(self.between):
                yield from ((f".between[{number}].w", dense.weight), (f".between[{number}].b", dense.bias))

    class BiLstm(Base):
        def __init__(self) -> None:
            super().__init__()
            inputs = (case.columns,) + (2 * config.hidden,) * (config.layers - 1)
            self.layers = nn.ModuleList(layer(nn.LSTM, i, config.hidden) for i in inputs)
            self.dropout = nn.Dropout(config.dropout)
            self.read_out = nn.Linear(2 * config.hidden, len(space.classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            *lower, last = self.layers
            for network in lower:
                x = network(x)[0]
            h = last(x)[1][0]
            return self.read_out(self.dropout(torch.cat([h[0], h[1]], dim=-1)))

        def recurrent(self) -> Iterator[tuple[str, Any]]:
            yield from ((f".layers[{number}]", network) for number, network in enumerate(self.layers))

    net = {"hbrnn": Hbrnn, "deep_lstm": DeepLstm, "bi_lstm": BiLstm}[case.model]()
    _load(net, case)
    return net


_WEIGHTS = {"w_input": "weight_ih_l0", "w_hidden": "weight_hh_l0", "b": "bias_ih_l0"}
_SUFFIXES = ("", "_reverse")


def _load(net: Any, case: Case) -> None:
    """Ours are `[2, in, out]` of both directions with one bias, PyTorch's `[out, in]` with two."""
    import torch

    ours = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(parameters(case))}
    with torch.no_grad():
        for name, part in net.pairs():
            if isinstance(part, torch.nn.Parameter):
                part.copy_(torch.from_numpy(ours[name].T.copy()))
                continue
            for key, theirs in _WEIGHTS.items():
                for direction, suffix in enumerate(_SUFFIXES):
                    value = ours[f"{name}.{key}"][direction]
                    getattr(part, theirs + suffix).copy_(torch.from_numpy(value.T.copy()))
            for suffix in _SUFFIXES:
                getattr(part, f"bias_hh_l0{suffix}").zero_()


def _named_gradients(net: Any) -> dict[str, np.ndarray]:
    import torch

    found = {}
    for name, part in net.pairs():
        if isinstance(part, torch.nn.Parameter):
            found[name] = part.grad.cpu().numpy().T
            continue
        for key, theirs in _WEIGHTS.items():
            found[f"{name}.{key}"] = np.stack([getattr(part, theirs + s).grad.cpu().numpy().T for s in _SUFFIXES])
    return found


def build(case: Case, implementation: str) -> Built:
    """The case in eager PyTorch."""
    import torch

    net = make_net(case, FORMS[implementation]).to(device()).train(case.work == "train")
    operation = _training(case, net) if case.work == "train" else _inference(case, net)

    def call() -> None:
        operation()
        if device() == "cuda":
            torch.cuda.synchronize()

    return Built(call, functools.partial(_gradients, case, FORMS[implementation]))


def _inference(case: Case, net: Any) -> Callable[[], None]:
    import torch

    frames = torch.from_numpy(sequences(case)[0]).to(device())

    def infer() -> None:
        with torch.inference_mode():
            net(frames)

    return infer


def _training(case: Case, net: Any) -> Callable[[], None]:
    import torch

    config = case.experiment().optim
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate, fused=True)
    packed = torch.from_numpy(clips(case, CLIP_FRAMES)).to(device())

    def train() -> None:
        clip = torch.randint(CLIPS, (case.batch,), device=device())
        start = torch.randint(CLIP_FRAMES - case.source, (case.batch,), device=device())
        frames = packed[clip[:, None], start[:, None] + torch.arange(case.source, device=device())]
        optimizer.zero_grad(set_to_none=True)
        (torch.nn.functional.cross_entropy(net(frames), clip) + net.penalty()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimizer.step()

    return train


def _gradients(case: Case, form: str) -> tuple[float, dict[str, np.ndarray]]:
    """Of a fresh net without dropout."""
    import torch

    net = make_net(case, form).to(device())
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    frames, labels = (torch.from_numpy(part).to(device()) for part in sequences(case))
    loss = torch.nn.functional.cross_entropy(net(frames), labels.long()) + net.penalty()
    loss.backward()
    return loss.item(), _named_gradients(net)
