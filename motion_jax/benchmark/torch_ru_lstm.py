"""The PyTorch twin of RU-LSTM: `torch.nn.LSTM` for the unrolling at each anticipation time, `LSTMCell` for the rolling.

The rolling LSTM's c is needed at every step, which `nn.LSTM` does not give. PyTorch is needed only to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from motion_jax.config import Experiment


def make_twin(config: Any, width: int, classes: int, parameters: Mapping[str, np.ndarray]) -> Any:
    """A `torch.nn.Module` from `[B, S, D]` to `[B, A, C]`, with the library's parameters."""
    import torch
    from torch import nn

    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rolling = nn.LSTMCell(width, config.hidden)
            self.unrolling = nn.LSTM(width, config.hidden)
            self.classifier = nn.Linear(config.hidden, classes)
            self.dropout = nn.Dropout(config.dropout)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            x = inputs.transpose(0, 1)
            dropped, state, last = self.dropout(x), None, []
            for step in range(len(x)):
                state = self.rolling(dropped[step], state)
                if step >= config.encoding:
                    again = self.dropout(x[step].expand(len(x) - step + 1, -1, -1))
                    last.append(self.unrolling(again, tuple(part[None] for part in state))[1][0][0])
            return self.classifier(self.dropout(torch.stack(last, 1)))

    twin = Twin()
    with torch.no_grad():
        for name, tensor in _named(twin).items():
            tensor.copy_(torch.from_numpy(np.array(parameters[name]).T.copy()))
        for bias in (twin.rolling.bias_hh, twin.unrolling.bias_hh_l0):
            bias.zero_()
    return twin


def gradients(twin: Any, inputs: np.ndarray, label: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """The loss without dropout, and its gradients under the library's names."""
    import torch

    twin.eval().zero_grad(set_to_none=True)
    loss = _loss(twin, torch.from_numpy(inputs.copy()), torch.from_numpy(label.astype(np.int64)))
    loss.backward()
    found = {name: tensor.grad.numpy().T.copy() for name, tensor in _named(twin).items()}
    twin.zero_grad(set_to_none=True)
    return loss.item(), found


def call(twin: Any, work: str, batch: int, examples: Any, experiment: Experiment) -> Callable[[], None]:
    """One update, or one prediction."""
    import torch

    inputs = torch.from_numpy(np.array(examples.inputs[0]))
    label = torch.from_numpy(np.array(examples.label).astype(np.int64))
    if work == "infer":
        twin.eval()

        def infer() -> None:
            with torch.inference_mode():
                twin(inputs[:batch])

        return infer
    twin.train()
    optimizer = torch.optim.SGD(twin.parameters(), lr=experiment.optim.learning_rate)

    def train() -> None:
        rows = torch.randint(len(label), (batch,))
        optimizer.zero_grad(set_to_none=True)
        _loss(twin, inputs[rows], label[rows]).backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), experiment.optim.clip_norm)
        optimizer.step()

    return train


def _loss(twin: Any, inputs: Any, label: Any) -> Any:
    import torch

    scores = twin(inputs)
    return torch.nn.functional.cross_entropy(scores.flatten(0, 1), label[:, None].expand(-1, scores.shape[1]).flatten())


def _named(twin: Any) -> dict[str, Any]:
    """Parameters by the library's names; PyTorch's second bias is zero."""
    rolling, unrolling, linear = twin.rolling, twin.unrolling, twin.classifier
    return {
        ".branches[0].rolling.w_input": rolling.weight_ih, ".branches[0].rolling.w_hidden": rolling.weight_hh,
        ".branches[0].rolling.b": rolling.bias_ih, ".branches[0].unrolling.w_input": unrolling.weight_ih_l0,
        ".branches[0].unrolling.w_hidden": unrolling.weight_hh_l0, ".branches[0].unrolling.b": unrolling.bias_ih_l0,
        ".branches[0].classifier.w": linear.weight, ".branches[0].classifier.b": linear.bias,
    }  # fmt: skip
