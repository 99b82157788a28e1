"""The PyTorch twin's net: the library's, as a good PyTorch user would write it ("strong") and as the attention
tutorials do ("tutorial", which projects the keys anew at every step), with the library's parameters.
"""  # fmt: skip

from __future__ import annotations

from typing import Any, cast

import numpy as np

from motion_jax.benchmark.case import WIDTH, Case
from motion_jax.benchmark.ours import parameters
from motion_jax.nn.attention import ScoreParams


def make_net(case: Case, form: str) -> Any:
    """A `torch.nn.Module` from a history `[B, S, N]` to frames `[B, T, N]`, on the CPU."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            h = case.hidden
            self.encoder = nn.GRU(WIDTH, h, bidirectional=case.bidirectional)
            self.cell = nn.GRUCell(WIDTH + h, h)
            self.query = nn.Linear(h, h, bias=False)
            self.key = nn.Linear(h, h)
            self.score = nn.Linear(h, 1, bias=False)
            self.read_out = nn.Linear(h, WIDTH)

        def forward(self, history: torch.Tensor) -> torch.Tensor:
            states, last = self.encoder(history[:, :-1].transpose(0, 1))
            if case.bidirectional:
                states, last = states[..., : case.hidden] + states[..., case.hidden :], last.sum(0, keepdim=True)
            return self.decode(last[0], states.transpose(0, 1), history[:, -1])

        def decode(self, h: torch.Tensor, states: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            keys, frames = self.key(states), []
            for _ in range(case.target):
                keys = self.key(states) if form == "tutorial" else keys
                scores = self.score(torch.tanh(self.query(h)[:, None] + keys)).transpose(1, 2)
                context = torch.bmm(torch.softmax(scores, dim=-1), states)[:, 0]
                h = self.cell(torch.cat([x, context], dim=-1), h)
                x = x + self.read_out(h)
                frames.append(x)
            return torch.stack(frames, dim=1)

    net = Net()
    _load(net, case)
    return net


def named_gradients(case: Case, net: Any) -> dict[str, np.ndarray]:
    """Of the parameters whose gradient crosses the whole net, under the library's names and layout."""
    named = {
        ".decoder.read_out.w": net.read_out.weight, ".decoder.layers[0].w_hidden": net.cell.weight_hh,
        ".decoder.layers[0].w_input": net.cell.weight_ih, ".decoder.attention.w_query": net.query.weight,
        ".decoder.attention.w_key": net.key.weight,
    }  # fmt: skip
    if not case.bidirectional:
        named |= {".encoder[0].w_hidden": net.encoder.weight_hh_l0, ".encoder[0].w_input": net.encoder.weight_ih_l0}
    return {name: parameter.grad.cpu().numpy().T.copy() for name, parameter in named.items()}


def _load(net: Any, case: Case) -> None:
    """Gives the twin the library's parameters; ours are `[in, out]`, PyTorch's `[out, in]`."""
    import torch

    p = parameters(case)
    encoder, cell, attention = p.encoder[0], p.decoder.layers[0], cast(ScoreParams, p.decoder.attention)
    with torch.no_grad():
        for direction, suffix in enumerate(["", "_reverse"] if case.bidirectional else [""]):
            of = (lambda leaf, d=direction: leaf[d]) if case.bidirectional else (lambda leaf: leaf)
            for name, leaf in (("weight_ih", encoder.w_input), ("weight_hh", encoder.w_hidden),
                               ("bias_ih", encoder.b_input), ("bias_hh", encoder.b_hidden)):  # fmt: skip
                getattr(net.encoder, f"{name}_l0{suffix}").copy_(torch.from_numpy(of(leaf).T.copy()))
        for target, leaf in (
            (net.cell.weight_ih, cell.w_input), (net.cell.weight_hh, cell.w_hidden), (net.cell.bias_ih, cell.b_input),
            (net.cell.bias_hh, cell.b_hidden), (net.query.weight, attention.w_query), (net.key.weight, attention.w_key),
            (net.key.bias, attention.b), (net.score.weight, attention.v[:, None]),
            (net.read_out.weight, p.decoder.read_out.w), (net.read_out.bias, p.decoder.read_out.b),
        ):  # fmt: skip
            target.copy_(torch.from_numpy(leaf.T.copy()))
