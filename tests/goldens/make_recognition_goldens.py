"""Makes `recognition.npz` beside this file: one training step of each classifier in PyTorch, in float64.

    pip install torch==2.13.0 numpy
    python tests/goldens/make_recognition_goldens.py

As of `make_goldens.py`: nothing here imports the package, weights are stored under the names and in the layout of its
parameters. Sequences are shorter than their batch: `pack_padded_sequence` keeps PyTorch's layers from the padding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from make_goldens import Named, plain, recurrent_parameters, save
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

B, T, D, C = 3, 5, 18, 3
LENGTHS = (5, 3, 4)
PARTS = ((6, 7, 8), (9, 10, 11), (12, 13, 14), (15, 16, 17), (0, 1, 2, 3, 4, 5))  # arms, legs, trunk
FUSIONS = (((0, 4), (1, 4), (2, 4), (3, 4)), ((0, 1), (2, 3)), ((0, 1),))
L1, L21, GROUPS, MOMENTS = 0.01, 0.02, 2, ("mean", "variance")


def run(layer: nn.RNNBase, x: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs `[B, T, directions * H]`, zero in padding, and the last h of each direction side by side."""
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    outputs, last = layer(packed)
    h = last[0] if isinstance(last, tuple) else last
    return pad_packed_sequence(outputs, batch_first=True, total_length=T)[0], torch.cat(list(h), dim=-1)


def layer_names(name: str, layer: nn.RNNBase) -> Iterator[tuple[str, Tensor]]:
    suffixes = ("_l0", "_l0_reverse") if layer.bidirectional else ("_l0",)
    yield from ((f"{name}.{key}", value) for key, value in recurrent_parameters(layer, suffixes).items())


def dense_names(name: str, layer: nn.Linear) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"{name}.w", layer.weight.T), (f"{name}.b", layer.bias))


def summed(read_out: nn.Linear, outputs: Tensor) -> Tensor:
    """Frame by frame, then over the frames of each sequence."""
    return torch.stack([read_out(y[:length]).sum(0) for y, length in zip(outputs, LENGTHS, strict=True)])


class Hbrnn(nn.Module):
    def __init__(self, hierarchy: bool, both: bool, last: type[nn.RNNBase], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.columns = PARTS if hierarchy else (tuple(range(D)),)
        self.fusions = FUSIONS if hierarchy else (((0,),),) * 3
        below, self.layers = [len(part) for part in self.columns], nn.ModuleList()
        first = tuple((n,) for n in range(len(self.columns)))
        self.reads = (first, *self.fusions)
        for kind, hidden, reads in zip((nn.RNN, nn.RNN, nn.RNN, last), widths, self.reads, strict=True):
            inputs = [sum(below[n] for n in one) for one in reads]
            self.layers.append(nn.ModuleList(kind(i, hidden, bidirectional=both, batch_first=True) for i in inputs))
            below = [(1 + both) * hidden] * len(inputs)
        self.read_out = nn.Linear(below[0], C)

    def forward(self, frames: Tensor) -> Tensor:
        below = [frames[..., list(part)] for part in self.columns]
        for layer, reads in zip(self.layers, self.reads, strict=True):
            joined = [torch.cat([below[n] for n in one], -1) for one in reads]
            below = [run(net, x)[0] for net, x in zip(layer, joined, strict=True)]
        return summed(self.read_out, below[0])

    def named(self) -> Iterator[tuple[str, Tensor]]:
        for depth, layer in enumerate(self.layers):
            for number, net in enumerate(layer):
                yield from layer_names(f"layers.{depth}.{number}", net)
        yield from dense_names("read_out", self.read_out)


class DeepLstm(nn.Module):
    def __init__(self, hidden: int = 3, between: int = 2) -> None:
        super().__init__()
        inputs = (D, between, between)
        self.layers = nn.ModuleList(nn.LSTM(i, hidden, bidirectional=True, batch_first=True) for i in inputs)
        self.between = nn.ModuleList(nn.Linear(2 * hidden, between) for _ in range(2))
        self.read_out = nn.Linear(2 * hidden, C)

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = run(layer, x)[0]
            if number < 2:
                x = torch.tanh(self.between[number](x))
        return summed(self.read_out, x)

    def penalty(self) -> Tensor:
        """Gate by gate, group by group, input by input."""
        total = torch.zeros(())
        for layer in self.layers:
            for weight in (layer.weight_ih_l0, layer.weight_ih_l0_reverse):
                total = total + L1 * weight.abs().sum()
                for gate in weight.chunk(4):  # [H, I]
                    for group in gate.split(-(-len(gate) // GROUPS)):
                        total = total + L21 * sum(group[:, j].norm() for j in range(group.shape[1]))
        return total

    def named(self) -> Iterator[tuple[str, Tensor]]:
        for number, layer in enumerate(self.layers):
            yield from layer_names(f"layers.{number}", layer)
        for number, layer in enumerate(self.between):
            yield from dense_names(f"between.{number}", layer)
        yield from dense_names("read_out", self.read_out)


class BiLstm(nn.Module):
    def __init__(self, norm: type[nn.Module] | None, hidden: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(i, hidden, bidirectional=True, batch_first=True) for i in (D, 2 * hidden))
        self.norms = nn.ModuleList(norm(2 * hidden) for _ in range(2)) if norm else None
        self.read_out = nn.Linear(2 * hidden, C)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = run(self.layers[0], x)
        if self.norms:  # of the frames alone
            packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
            normed = PackedSequence(self.norms[0](packed.data), *packed[1:])
            x = pad_packed_sequence(normed, batch_first=True, total_length=T)[0]
        _, h = run(self.layers[1], x)
        return self.read_out(self.norms[1](h) if self.norms else h)

    def named(self) -> Iterator[tuple[str, Tensor]]:
        for number, layer in enumerate(self.layers):
            yield from layer_names(f"layers.{number}", layer)
        for number, norm in enumerate(self.norms or ()):
            yield from ((f"norms.{number}.scale", norm.weight), (f"norms.{number}.shift", norm.bias))
        yield from dense_names("read_out", self.read_out)


NETWORKS = {
    "HBRNN-L": lambda: Hbrnn(True, True, nn.LSTM, (2, 2, 3, 2)),
    "DURNN-T": lambda: Hbrnn(False, False, nn.RNN, (5, 4, 2, 3)),
    "deep LSTM": DeepLstm,
    "Bi-LSTM": lambda: BiLstm(None),
    "batch norm": lambda: BiLstm(nn.BatchNorm1d),
    "layer norm": lambda: BiLstm(nn.LayerNorm),
}


def case(name: str, frames: Tensor, labels: Tensor) -> Iterator[tuple[str, np.ndarray]]:
    """Scores, loss and gradients of a training step; with batch statistics what they leave, and what then predicts."""
    net = NETWORKS[name]()
    for norm in getattr(net, "norms", None) or ():
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    yield from ((f"{name}/params/{key}", plain(value)) for key, value in net.named())
    scores = net(frames)
    loss = nn.functional.cross_entropy(scores, labels)
    if isinstance(net, DeepLstm):
        loss = loss + net.penalty()
    loss.backward()
    yield f"{name}/scores", plain(scores)
    yield f"{name}/loss", plain(loss)
    copy = NETWORKS[name]()
    with torch.no_grad():
        for target, source in zip(copy.parameters(), net.parameters(), strict=True):
            target.copy_(source.grad)
    gradients: Named = dict(copy.named())
    for key, value in gradients.items():  # a sum of PyTorch's two biases has the gradient of either
        halved = value / 2 if key.endswith(".b") and not key.startswith(("read_out", "between")) else value
        yield f"{name}/gradient/{key}", plain(halved)
    if name == "batch norm":
        for number, norm in enumerate(net.norms):
            moved = (norm.running_mean, norm.running_var)
            yield from ((f"{name}/running/{number}.{m}", plain(v)) for m, v in zip(MOMENTS, moved, strict=True))
        yield f"{name}/predicted", plain(net.eval()(frames))


def main() -> None:
    """Writes the file."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    frames, labels = torch.randn(B, T, D), torch.tensor([0, 2, 1])
    arrays = {"frames": plain(frames), "labels": plain(labels), "lengths": np.array(LENGTHS)}
    for name in NETWORKS:
        arrays |= dict(case(name, frames, labels))
    save("recognition", arrays)


if __name__ == "__main__":
    main()
