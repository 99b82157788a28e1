"""Makes ru_lstm.npz beside this file: what PyTorch computes in float64 of RU-LSTM with MATT, with the same weights.

    pip install torch==2.13.0 numpy
    python tests/goldens/make_ru_lstm.py

Written from the papers with torch.nn.LSTM, one anticipation time after the other; nothing here imports the package.
Stored: inputs, labels, scores with and without sequence completion, MATT's weights, loss, and every parameter before
and after one step of plain gradient descent on the loss of the fused scores.
"""

from __future__ import annotations

import numpy as np
import torch
from make_goldens import plain, save
from torch import Tensor, nn

B, ENCODING, TIMES, H, C = 2, 2, 3, 4, 5
WIDTHS = (3, 2)
RATE = 0.5


class Branch(nn.Module):
    """Rolling and unrolling LSTM, and the classifier."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rolling, self.unrolling = nn.LSTM(width, H), nn.LSTM(width, H)
        self.classifier = nn.Linear(H, C)

    def forward(self, x: Tensor, completing: bool) -> tuple[Tensor, Tensor]:
        """x `[S, B, D]` to scores `[B, A, C]` and contexts `[B, A, 2 H]`."""
        state, scores, contexts = None, [], []
        for step in range(len(x)):
            _, state = self.rolling(x[step : step + 1], state)
            if step < ENCODING:
                continue
            left = len(x) - step
            future = x[step:] if completing else x[step].expand(left + 1, -1, -1)
            outputs, _ = self.unrolling(future, state)
            scores.append(self.classifier(outputs[-1]))
            contexts.append(torch.cat([outputs[-1], state[1][0]], dim=-1))
        return torch.stack(scores, 1), torch.stack(contexts, 1)


def named(branches: nn.ModuleList, attention: nn.Sequential) -> dict[str, np.ndarray]:
    """Parameters under the package's names and in its layout."""
    found = {}
    for number, branch in enumerate(branches):
        for name in ("rolling", "unrolling"):
            layer, prefix = getattr(branch, name), f"branches.{number}.{name}"
            found |= {f"{prefix}.w_input": layer.weight_ih_l0.T, f"{prefix}.w_hidden": layer.weight_hh_l0.T,
                      f"{prefix}.b": layer.bias_ih_l0}  # fmt: skip
        linear = branch.classifier
        found |= {f"branches.{number}.classifier.w": linear.weight.T, f"branches.{number}.classifier.b": linear.bias}
    for number, layer in enumerate(layer for layer in attention if isinstance(layer, nn.Linear)):
        found |= {f"attention.{number}.w": layer.weight.T, f"attention.{number}.b": layer.bias}
    return {name: plain(value) for name, value in found.items()}


def main() -> None:
    """One case, one step."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    branches = nn.ModuleList(Branch(width) for width in WIDTHS)
    context = 2 * H * len(WIDTHS)
    attention = nn.Sequential(
        nn.Linear(context, context // 4), nn.ReLU(), nn.Linear(context // 4, context // 8), nn.ReLU(),
        nn.Linear(context // 8, len(WIDTHS)),
    )  # fmt: skip
    for branch in branches:
        for layer in (branch.rolling, branch.unrolling):
            nn.init.zeros_(layer.bias_hh_l0)  # the package has one bias, which is torch's bias_ih
            layer.bias_hh_l0.requires_grad_(False)
    inputs = [torch.randn(ENCODING + TIMES, B, width) for width in WIDTHS]
    label = torch.tensor([1, 4])
    arrays = {f"before/{name}": value for name, value in named(branches, attention).items()}
    arrays |= {f"inputs/{number}": plain(x.transpose(0, 1)) for number, x in enumerate(inputs)}

    completed = [branch(x, True)[0] for branch, x in zip(branches, inputs, strict=True)]
    pairs = [branch(x, False) for branch, x in zip(branches, inputs, strict=True)]
    weights = torch.softmax(attention(torch.cat([context for _, context in pairs], dim=-1)), dim=-1)
    scores = torch.stack([scores for scores, _ in pairs])
    fused = (scores * weights.permute(2, 0, 1)[..., None]).sum(0)
    loss = nn.functional.cross_entropy(fused.flatten(0, 1), label[:, None].expand(-1, TIMES).flatten())
    loss.backward()
    arrays |= {"label": label.numpy(), "completed": plain(torch.stack(completed)), "scores": plain(scores),
               "weights": plain(weights), "fused": plain(fused), "loss": plain(loss)}  # fmt: skip
    with torch.no_grad():
        for parameter in [*branches.parameters(), *attention.parameters()]:
            if parameter.grad is not None:
                parameter -= RATE * parameter.grad
    arrays |= {f"after/{name}": value for name, value in named(branches, attention).items()}
    save("ru_lstm", arrays)


if __name__ == "__main__":
    main()
